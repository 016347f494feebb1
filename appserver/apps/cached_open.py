"""open(2) that fails where it would wait: openat2(2) with RESOLVE_CACHED (Linux 5.12), which Python does not offer."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

__all__ = ["cached_opener"]

# The same number on every architecture but Alpha.
SYS_OPENAT2 = 437
AT_FDCWD = -100
RESOLVE_CACHED = 0x20


def cached_opener(flags: int) -> Callable[[bytes], int]:
    """Return what opens a path with these flags of open(2), and gives -1 if it cannot, or not at once."""
    syscall = ctypes.CDLL(None).syscall
    syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
    syscall.restype = ctypes.c_long
    how = struct.pack("=QQQ", flags, 0, RESOLVE_CACHED)

    def open_cached(path: bytes) -> int:
        descriptor: int = syscall(SYS_OPENAT2, AT_FDCWD, path, how, len(how))
        return descriptor

    return open_cached
