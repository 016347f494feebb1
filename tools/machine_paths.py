"""Nothing in the repository names the machine it was made on, no mirror and no folder: python -m tools.machine_paths.

What this machine has and others do not is found on it, so that the rule needs no list of names. Exit code 1 with
one line for each place.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tools.export import ROOT, own_files

__all__ = ["hosts", "main", "mentions", "own_folders", "pattern"]

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


def main() -> int:
    """Judge every file that is tracked or could be added; return the exit code."""
    forbidden = pattern(hosts(_configuration(os.environ)), own_folders(Path("/")), ROOT)
    found = [line for path in own_files() for line in mentions(forbidden, path, (ROOT / path).read_bytes())]
    for line in found:
        print(f"{line}: this is only on the machine it was written on", file=sys.stderr)
    return 1 if found else 0


def hosts(texts: Iterable[str]) -> set[str]:
    """Return the hosts that configurations name and that are nobody else's."""
    return {host for text in texts for host in HOST.findall(text) if not PUBLIC.search(host)}


def own_folders(root: Path) -> set[str]:
    """Return the top-level folders that other machines do not have."""
    return {path.name for path in root.iterdir() if path.is_dir() and path.name not in STANDARD}


def pattern(mirrors: set[str], folders: set[str], checkout: Path) -> re.Pattern[str]:
    """Return what must not stand in a file."""
    alternatives = [re.escape(host) for host in sorted(mirrors)]
    if folders:
        alternatives.append(rf"(?<![\w./-])/(?:{'|'.join(re.escape(name) for name in sorted(folders))})/")
    return re.compile("|".join([*alternatives, re.escape(str(checkout)) + r"\b"]))


def mentions(forbidden: re.Pattern[str], path: Path, content: bytes) -> Iterator[str]:
    """Yield place and words of what is forbidden in one file."""
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if match := forbidden.search(line):
            yield f"{path}:{number}: {match[0]}"


def _configuration(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the texts in which this machine names its mirrors."""
    for name in SOURCES:
        path = Path(name).expanduser()
        files = path.iterdir() if path.is_dir() else [path]
        yield from (file.read_text(errors="replace") for file in files if file.is_file())
    yield from (value for name, value in environ.items() if name.endswith(("INDEX_URL", "PROXY", "REGISTRY")))


if __name__ == "__main__":
    sys.exit(main())
