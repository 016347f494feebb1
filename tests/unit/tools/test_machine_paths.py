"""The lint step against names of one machine: what it takes for one, and where it finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.machine_paths import hosts, mentions, own_folders, pattern

FORBIDDEN = pattern({"mirror.corp"}, {"build-farm"}, Path("/home/me/lasthop"))


def test_the_mirrors_are_those_that_are_not_everybodys() -> None:
    texts = ["deb https://deb.debian.org/debian stable main", "index-url = http://user:word@mirror.corp:8080/simple"]
    assert hosts(texts) == {"mirror.corp"}


def test_the_folders_are_those_that_are_not_everybodys(tmp_path: Path) -> None:
    for name in ("usr", "tmp", "build-farm"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    assert own_folders(tmp_path) == {"build-farm"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cd /build-farm/x", "/build-farm/"),
        ("pip install -i https://mirror.corp/simple", "mirror.corp"),
        ("see /home/me/lasthop/README", "/home/me/lasthop"),
        ("https://example.com/build-farm/x", ""),
        ("the build-farm is ours", ""),
        ("/home/me/lasthop2", ""),
    ],
)
def test_what_is_forbidden(line: str, found: str) -> None:
    expected = [f"a/b.py:2: {found}"] if found else []
    assert list(mentions(FORBIDDEN, Path("a/b.py"), f"first\n{line}\n".encode())) == expected


def test_a_machine_like_others_has_only_its_checkout_to_hide() -> None:
    assert list(mentions(pattern(set(), set(), Path("/home/me/lasthop")), Path("a"), b"/usr/bin/env\n")) == []
