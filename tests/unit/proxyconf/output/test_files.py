"""Writing: whole or not at all, what was there keeps its owner and mode, nobody's work is replaced without a word."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from proxyconf.output.bundle import Bundle, banner_of, without_banner
from proxyconf.output.files import FileError, drift, write

MADE = Bundle("caddy 2.11.7", {"Caddyfile": "one\ntwo\n"}, degraded=("early_hints (103 is not passed on)",)).stamped("0" * 64).files
LATER = Bundle("caddy 2.11.7", {"Caddyfile": "three\n"}).stamped("1" * 64).files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_banner_says_what_made_it_and_what_it_goes_without() -> None:
    text = MADE["Caddyfile"]
    assert text.startswith("# Written by proxyconf ")
    assert "for caddy 2.11.7 from a site file with sha256 000" in text
    assert "# Goes without early_hints (103 is not passed on).\n" in text
    assert without_banner(text) == "one\ntwo\n"
    assert without_banner("one\n") == "one\n"


@pytest.mark.parametrize(
    ("text", "intact"),
    [(MADE["Caddyfile"], True), (MADE["Caddyfile"] + "x", False), (MADE["Caddyfile"].replace("two", "2"), False),
     ("# Written by proxyconf 1 for x\n", False)],
)  # fmt: skip
def test_a_change_below_the_banner_is_seen(text: str, intact: bool) -> None:
    banner = banner_of(text)
    assert banner is not None
    assert banner.intact is intact


def test_a_file_without_our_banner_has_none() -> None:
    assert banner_of("# Written by hand\n") is None


def test_a_new_file_may_be_read_by_owner_and_group(tmp_path: Path) -> None:
    [path] = write(tmp_path / "a/b", MADE)
    assert (path.read_text(), mode(path)) == (MADE["Caddyfile"], 0o640)


def test_what_was_written_here_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    [path] = write(tmp_path, MADE)
    path.chmod(0o644)
    write(tmp_path, LATER)
    assert (path.read_text(), mode(path)) == (LATER["Caddyfile"], 0o644)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_was_there_keeps_its_owner_and_group(tmp_path: Path) -> None:
    [path] = write(tmp_path, MADE)
    os.chown(path, 12345, 23456)
    write(tmp_path, LATER)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@pytest.mark.parametrize(
    ("there", "words"),
    [("hand-written\n", "was not written by proxyconf; --force"), (MADE["Caddyfile"] + "more\n", "was changed by hand"), ("", "was not written")],
)
def test_nobodys_work_is_replaced_without_a_word(tmp_path: Path, there: str, words: str) -> None:
    path = tmp_path / "Caddyfile"
    path.write_text(there)
    with pytest.raises(FileError, match="--force") as caught:
        write(tmp_path, {"other": "x", **LATER})
    assert words in str(caught.value)
    assert path.read_text() == there
    assert not (tmp_path / "other").exists()
    write(tmp_path, LATER, force=True)
    assert path.read_text() == LATER["Caddyfile"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/Caddyfile").symlink_to(tmp_path / "real")
    write(tmp_path, {"real": MADE["Caddyfile"]})
    write(tmp_path / "etc", LATER)
    assert (tmp_path / "etc/Caddyfile").is_symlink()
    assert (tmp_path / "real").read_text() == LATER["Caddyfile"]


@pytest.mark.parametrize("obstacle", ["folder", "file above", "NUL"])
def test_what_cannot_be_written_is_one_clear_line(tmp_path: Path, obstacle: str) -> None:
    folder = tmp_path / "x"
    if obstacle == "folder":
        (folder / "Caddyfile").mkdir(parents=True)
    elif obstacle == "file above":
        folder.write_text("x")
    else:
        folder = tmp_path / "a\0b"
    with pytest.raises(FileError) as caught:
        write(folder, MADE)
    assert "\n" not in str(caught.value)


def test_drift_is_quiet_after_writing_and_loud_after_any_edit(tmp_path: Path) -> None:
    [path] = write(tmp_path, MADE)
    assert drift(tmp_path, MADE) == []
    assert [one.reason for one in drift(tmp_path, LATER)] == ["was written from another site file or by another version"]
    path.write_text(path.read_text().replace("two", "2"))
    assert [one.reason for one in drift(tmp_path, MADE)] == ["was changed by hand since it was written"]
    path.write_text("mine")
    assert [one.reason for one in drift(tmp_path, MADE)] == ["was not written by proxyconf"]
    path.unlink()
    assert [one.reason for one in drift(tmp_path, MADE)] == ["is not there"]
