"""Files of a folder replaced as one: who replaces them holds a lock, and what was there is kept until they are confirmed.

`FOLDER/.proxyconf` holds the lock, the copies of what was there, and a journal while a replacement is not confirmed. A
journal that nobody holds the lock of was left by a process that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxyconf.output.bundle import banner_of
from proxyconf.output.files import FileError, replace_file

__all__ = ["Busy", "Transaction", "begin", "locked", "unfinished"]

_STATE = ".proxyconf"
# No proxy that reads a whole folder takes a file of this name for one of its own.
_SUFFIX = ".previous"


class Busy(Exception):
    """Another process replaces the files of this folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel takes it from a process that ends. Raises `Busy`, `FileError`."""
    path = _state(folder) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileError(f"{error.filename or path}: cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise Busy(f"another apply is at work on {folder} (process {holder}); nothing was changed") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Files that are about to be replaced; the value says whether there was one."""

    folder: Path
    files: dict[str, bool]

    def commit(self) -> None:
        """Keep what is there now; the copies stay, so that a person can go back."""
        _journal(self.folder).unlink(missing_ok=True)
        _sync(_state(self.folder))

    def restore(self) -> list[Path]:
        """Put back what was there, return what had to be changed for it. Raises FileError."""
        changed = []
        try:
            for name, was_there in self.files.items():
                if self._put_back(self.folder / name, was_there):
                    changed.append(self.folder / name)
            self.commit()
        except OSError as error:
            raise FileError(f"{error.filename}: cannot be put back: {error.strerror}") from error
        return changed

    def edited(self) -> list[Path]:
        """Return the files that somebody has changed by hand since they were replaced."""
        found = []
        for name, was_there in self.files.items():
            path = self.folder / name
            there = path.read_bytes() if path.is_file() else None
            if there is None or (was_there and there == _copy(self.folder, name).read_bytes()):
                continue
            banner = banner_of(there.decode("utf-8", "replace"))
            if banner is None or not banner.intact:
                found.append(path)
        return found

    def _put_back(self, path: Path, was_there: bool) -> bool:
        there = path.read_bytes() if path.is_file() else None
        if not was_there:
            path.unlink(missing_ok=True)
            return there is not None
        before = _copy(self.folder, str(path.relative_to(self.folder))).read_bytes()
        if there != before:
            # Owner, group and mode are those of what is there, which has them from what was there.
            replace_file(path, before)
        return there != before


def begin(folder: Path, names: Iterable[str]) -> Transaction:
    """Keep what is there of these files; from now on the journal tells that they are not confirmed. Raises FileError."""
    files = {name: (folder / name).is_file() for name in names}
    try:
        for name, is_there in files.items():
            if is_there:
                replace_file(_copy(folder, name), (folder / name).read_bytes())
        replace_file(_journal(folder), json.dumps({"version": 1, "files": files}, indent=1).encode())
        _sync(_state(folder))
    except OSError as error:
        raise FileError(f"{error.filename or folder}: cannot be kept: {error.strerror}") from error
    return Transaction(folder, files)


def unfinished(folder: Path) -> Transaction | None:
    """Return the replacement that was begun and neither confirmed nor put back. Raises FileError."""
    path = _journal(folder)
    try:
        found = json.loads(path.read_bytes())
        files = {str(name): bool(was_there) for name, was_there in found["files"].items()}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(f"{path}: is no journal of proxyconf; compare {folder} with {path.parent} and remove it") from error
    if any(not _inside(folder, name) for name in files):
        raise FileError(f"{path}: names a file outside {folder}; compare {folder} with {path.parent} and remove it")
    return Transaction(folder, files)


def _inside(folder: Path, name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _state(folder: Path) -> Path:
    return folder / _STATE


def _journal(folder: Path) -> Path:
    return _state(folder) / "journal.json"


def _copy(folder: Path, name: str) -> Path:
    return _state(folder) / "previous" / f"{name}{_SUFFIX}"


def _sync(folder: Path) -> None:
    """Make what was renamed and removed in a folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
