"""Files and streams: reading a site file, writing what was rendered, in one step each."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from proxyconf.output.bundle import banner_of

__all__ = ["STDIN", "Drift", "FileError", "drift", "may_replace", "read", "replace_file", "shown_name", "write", "write_site"]

STDIN = Path("/dev/stdin")
_MODE = 0o640
_MAX_BYTES = 1 << 20


class FileError(Exception):
    """A file that cannot be read or written; the message names it and why."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How a file on the disk differs from what is rendered now."""

    path: Path
    reason: str
    on_disk: str
    rendered: str


def shown_name(path: Path) -> str:
    """Return what a file is called in messages."""
    return "<stdin>" if path == STDIN else str(path)


def read(path: Path) -> bytes:
    """Return the content of a site file, or what stdin has."""
    try:
        if path == STDIN:
            if sys.stdin is None:
                raise FileError("stdin: cannot be read: it is closed")
            return sys.stdin.buffer.read(_MAX_BYTES + 1)
        with path.open("rb") as file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FileError(f"{path!r}: not a path") from error


def write(folder: Path, files: Mapping[str, str], *, force: bool = False) -> list[Path]:
    """Write files into a folder, each complete or not at all.

    A new file may be read by owner and group. Of one that was there, owner, group and mode are kept; it is only
    replaced if it was written here and not changed since, or by `force`. All are looked at before one is written.
    """
    try:
        if not force:
            may_replace(folder, files)
        folder.mkdir(parents=True, exist_ok=True)
        return [replace_file(folder / name, text.encode()) for name, text in files.items()]
    except OSError as error:
        raise FileError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise FileError(f"{folder}: not a path") from error


def may_replace(folder: Path, names: Iterable[str]) -> None:
    """Raise FileError for a file that was not written here, or was changed since."""
    for name in names:
        try:
            _refuse_foreign(folder / name)
        except OSError as error:
            raise FileError(f"{error.filename or folder / name}: cannot be written: {error.strerror}") from error


def write_site(path: Path, text: str) -> None:
    """Write a site file, complete or not at all; of one that was there, owner, group and mode are kept."""
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise FileError(f"{error.filename or path}: cannot be written: {error.strerror}") from error


def drift(folder: Path, files: Mapping[str, str]) -> list[Drift]:
    """Return the files that are not on the disk as they are rendered now."""
    found = []
    for name, text in files.items():
        path = folder / name
        try:
            there = path.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            found.append(Drift(path, "is not there", "", text))
            continue
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {error.strerror}") from error
        if there != text:
            found.append(Drift(path, _reason(there), there, text))
    return found


def _reason(there: str) -> str:
    banner = banner_of(there)
    if banner is None:
        return "was not written by proxyconf"
    if not banner.intact:
        return "was changed by hand since it was written"
    return "was written from another site file or by another version"


def _refuse_foreign(path: Path) -> None:
    try:
        # What is no plain file (a socket, a folder) cannot be replaced by one; `replace` says so.
        if not stat.S_ISREG(path.lstat().st_mode) and not path.is_symlink():
            return
        there = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return
    banner = banner_of(there)
    if banner is None:
        raise FileError(f"{path}: was not written by proxyconf; --force replaces it")
    if not banner.intact:
        raise FileError(f"{path}: was changed by hand since proxyconf wrote it; --force replaces it")


def replace_file(path: Path, content: bytes) -> Path:
    """Write one file, complete or not at all; of one that was there, owner, group and mode are kept. Raises OSError."""
    # Through a link to the file that it names: links are how packages and operators arrange configurations.
    target = path.resolve() if path.is_symlink() else path
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise IsADirectoryError(21, os.strerror(21), str(target))
    before = target.stat() if target.exists() else None
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if before is not None:
                _keep_owner(file.fileno(), before, target)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) if before else _MODE)
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return path


def _keep_owner(handle: int, before: os.stat_result, target: Path) -> None:
    """Give the new file to the old one's owner and group, or say that it cannot be done."""
    mine = os.fstat(handle)
    if (mine.st_uid, mine.st_gid) == (before.st_uid, before.st_gid):
        return
    try:
        os.fchown(handle, before.st_uid, before.st_gid)
    except OSError as error:
        raise FileError(
            f"{target}: belongs to another user or group ({before.st_uid}:{before.st_gid}), which a new file cannot"
            f" keep: {error.strerror}; write as that user or as root"
        ) from error
