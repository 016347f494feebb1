"""Nothing in the repository names the machine it was made on: no mirror, no folder of it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import ROOT

# What everybody's machine may name; a mirror that is none of these is this machine's own.
PUBLIC = re.compile(r"(^|\.)(debian\.org|ubuntu\.com|pypi\.org|pythonhosted\.org|npmjs\.org|golang\.org)$")
HOST = re.compile(r"https?://(?:[^/@\s]*@)?([^/:\s'\"]+)")
STANDARD = {"bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "nix", "opt"}
STANDARD |= {"proc", "root", "run", "sbin", "System", "Volumes"}
STANDARD |= {"snap", "srv", "sys", "tmp", "usr", "var", "app", "lost+found", "Applications", "Library", "Users"}
SOURCES = (
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/pip.conf",
    "~/.pip/pip.conf",
    "~/.config/pip/pip.conf",
    "~/.npmrc",
    "~/.cargo/config.toml",
)


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def configuration() -> Iterator[str]:
    """Yield the texts in which this machine names its mirrors."""
    for name in SOURCES:
        path = Path(name).expanduser()
        files = path.iterdir() if path.is_dir() else [path]
        yield from (file.read_text(errors="replace") for file in files if file.is_file())
    yield from (value for name, value in os.environ.items() if name.endswith(("INDEX_URL", "PROXY", "REGISTRY")))


def mirrors() -> set[str]:
    hosts = {host for text in configuration() for host in HOST.findall(text)}
    return {host for host in hosts if not PUBLIC.search(host)}


def own_folders() -> set[str]:
    """Return the top-level folders that other machines do not have."""
    return {path.name for path in Path("/").iterdir() if path.is_dir() and path.name not in STANDARD}


def mentions(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    return found


def test_no_file_names_a_mirror_of_this_machine() -> None:
    hosts = mirrors()
    assert not hosts or mentions(re.compile("|".join(re.escape(host) for host in sorted(hosts)))) == []


def test_no_file_names_a_folder_of_this_machine() -> None:
    names = own_folders()
    if names:
        alternatives = "|".join(re.escape(name) for name in sorted(names))
        assert mentions(re.compile(rf"(?<![\w./-])/(?:{alternatives})/")) == []
    assert mentions(re.compile(re.escape(str(ROOT)) + r"\b")) == []
