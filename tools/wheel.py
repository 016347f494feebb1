"""Build the wheel from a clean copy of the project: python -m tools.wheel DIRECTORY.

From a copy, because setuptools packs whatever an earlier build left in build/lib.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.export import export

__all__ = ["build"]


def build(destination: Path) -> Path:
    """Build the wheel into `destination` with this interpreter; return its path."""
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree, out = Path(scratch) / "tree", Path(scratch) / "out"
        export(tree)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(out), "."]
        subprocess.run(command, cwd=tree, check=True)
        (wheel,) = out.glob("*.whl")
        return Path(wheel.replace(destination / wheel.name))


if __name__ == "__main__":
    print(build(Path(sys.argv[1]).resolve()))
