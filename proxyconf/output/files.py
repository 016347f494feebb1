"""Files and streams: reading a site file, writing what was rendered, in one step each."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["FileError", "read", "write"]

_MODE = 0o640
_MOST_BYTES = 1 << 20


class FileError(Exception):
    """A file that cannot be read or written; the message names it and why."""


def read(path: Path) -> bytes:
    """Return the content of a site file."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FileError(f"{path!r}: not a path") from error


def write(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write files into a folder, each complete or not at all, readable by owner and group."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_replace(folder / name, text.encode()) for name, text in files.items()]
    except OSError as error:
        raise FileError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error


def _replace(path: Path, content: bytes) -> Path:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), _MODE)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return path
