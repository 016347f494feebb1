"""The Debian release in a folder: what can be said without making one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.release import Release, ReleaseError, mirror


def sources(apt: Path, **files: str) -> Path:
    (apt / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        suffix = "sources" if name.startswith("new") else "list"
        (apt / "sources.list.d" / f"{name}.{suffix}").write_text(text)
    return apt


def test_the_mirror_is_the_uri_not_the_comment_beside_it(tmp_path: Path) -> None:
    text = "Types: deb\n# http://snapshot.example/archive\nURIs: http://mirror.example/debian\nSuites: bookworm\n"
    assert mirror(sources(tmp_path, new=text)) == "http://mirror.example/debian"


def test_the_security_archive_is_no_mirror(tmp_path: Path) -> None:
    text = (
        "Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n\n"
        "Types: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm bookworm-updates\n"
    )
    assert mirror(sources(tmp_path, new=text)) == "http://mirror.example/debian"


def test_a_disabled_or_source_stanza_is_passed_over(tmp_path: Path) -> None:
    text = (
        "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: sid\n\n"
        "Types: deb-src\nURIs: http://src.example/debian\nSuites: sid\n"
    )
    with pytest.raises(ReleaseError, match="no Debian mirror"):
        mirror(sources(tmp_path, new=text))


def test_the_one_line_style_is_read_too(tmp_path: Path) -> None:
    text = (
        "# deb http://old.example/debian x main\n"
        "deb [signed-by=/k.gpg] https://mirror.example/debian bookworm main\n"
    )
    assert mirror(sources(tmp_path, old=text)) == "https://mirror.example/debian"


def test_only_a_code_name_names_a_release() -> None:
    with pytest.raises(ReleaseError, match="no Debian code name"):
        Release.named("../etc")


def test_the_cache_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LASTHOP_RELEASES", str(tmp_path))
    assert Release.named("forky").root == tmp_path / "debian-forky"
    monkeypatch.delenv("LASTHOP_RELEASES")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Release.named("forky").root == tmp_path / ".cache/lasthop/debian-forky"


def test_a_release_with_all_packages_is_left_alone(tmp_path: Path) -> None:
    release = Release("forky", tmp_path)
    release.notes.parent.mkdir(parents=True)
    release.notes.write_text('["curl", "gcc"]')
    said: list[str] = []
    assert release.ensure(["gcc"], said.append) is release
    assert said == []


def test_the_program_keeps_its_arguments_whatever_they_hold(tmp_path: Path) -> None:
    argv = Release("forky", tmp_path).inside(["echo", "a b", "$HOME", "--"], {tmp_path: "/mnt"}, "/mnt")
    assert argv[-4:] == ["echo", "a b", "$HOME", "--"]
    assert argv[6:10] == [str(tmp_path), str(tmp_path), "/mnt", "--"]
