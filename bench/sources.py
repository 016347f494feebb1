"""What our wheel is built from: its files, a digest of them, a copy without what was built in the checkout."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

__all__ = ["SOURCES", "TREES", "copy", "fingerprint"]

SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in")
TREES = ("appserver", "proxyconf")
NOT_SOURCE = ("*.so", "*.c", "*.pyc")


def _files(root: Path) -> list[Path]:
    """Return the files of the wheel's sources, relative to the root."""
    trees = [path for tree in TREES for path in sorted((root / tree).rglob("*")) if path.is_file()]
    found = [root / name for name in SOURCES if (root / name).exists()] + trees
    return [path.relative_to(root) for path in found if not any(path.match(pattern) for pattern in NOT_SOURCE)
            and "__pycache__" not in path.parts]


def fingerprint(root: Path) -> str:
    """Return a digest of the sources and of the interpreter they are built for."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _files(root):
        digest.update(str(path).encode() + b"\0" + (root / path).read_bytes())
    return digest.hexdigest()


def copy(root: Path, target: Path) -> None:
    """Copy the sources into that folder."""
    for path in _files(root):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target / path)
