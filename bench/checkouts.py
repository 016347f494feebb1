"""Our kernel as it is in another checkout or commit, to be measured beside this one in one run.

`--server kernel@REF` names a commit, a branch, or the folder of a checkout (with its changes). What the wheel is built
from is copied to `build/bench/checkouts/`, outside of any release; inside, it is found there.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from bench.servers import KERNEL
from bench.sources import SOURCES, TREES, copy, fingerprint

__all__ = ["PREFIX", "CheckoutFailed", "resolve"]

PREFIX = f"{KERNEL}@"


class CheckoutFailed(Exception):
    """There is no such checkout or commit; the text names it."""


def resolve(reference: str, root: Path, folder: Path) -> Path:
    """Return the folder below `folder` that holds the sources of that checkout or commit; its name is their label."""
    path = Path(reference).expanduser()
    if reference and path.is_dir():
        if path.resolve().parent == folder.resolve():
            return path.resolve()
        return _copied(path.resolve(), folder)
    return _exported(reference, root, folder)


def _copied(path: Path, folder: Path) -> Path:
    if not (path / "appserver").is_dir():
        raise CheckoutFailed(f"{PREFIX}{path}: it holds no appserver")
    target = folder / f"{_label(path.name)}-{fingerprint(path)[:8]}"
    if not target.exists():
        copy(path, target)
    return target


def _exported(reference: str, root: Path, folder: Path) -> Path:
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if found.returncode:
        raise CheckoutFailed(f"{PREFIX}{reference}: neither a folder nor a commit of {root}")
    commit = found.stdout.decode().strip()
    label = "" if commit.startswith(reference) else f"{_label(reference)}-"
    target = folder / f"{label}{commit[:8]}"
    if target.exists():
        return target
    wanted = _git(root, "ls-tree", "--name-only", commit, *SOURCES, *TREES).stdout.decode().split()
    archive = _git(root, "archive", "--format=tar", commit, *wanted)
    if archive.returncode or not wanted:
        raise CheckoutFailed(f"{PREFIX}{reference}: {archive.stderr.decode().strip() or 'it holds no appserver'}")
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(partial, filter="data")
    partial.rename(target)
    return target


def _label(reference: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", reference).strip("-") or "checkout"


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
