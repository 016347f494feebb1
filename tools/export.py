"""A copy of the project's own files, without anything built: tools/export.py DIRECTORY."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "export", "own_files"]

ROOT = Path(__file__).resolve().parent.parent


def own_files() -> list[Path]:
    """Return the tracked and the new, not ignored files, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    paths = (Path(name) for name in listing.split("\0") if name)
    return sorted({path for path in paths if (ROOT / path).is_file()})


def export(destination: Path) -> None:
    """Make `destination` hold exactly the project's own files."""
    if destination.exists():
        shutil.rmtree(destination)
    for path in own_files():
        target = destination / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target)


if __name__ == "__main__":
    export(Path(sys.argv[1]))
