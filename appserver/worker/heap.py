"""What the allocator keeps between two reads.

glibc gives memory above 128 KiB back to the system as soon as it is free, and every read of a large body asks for
it anew: a fifth of an upload's time went into page faults. A worker keeps a little instead.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

__all__ = ["retain_freed_memory"]

# mallopt(3): parameter and bytes. What is kept at the end of the heap, what it grows by at once, and from
# which size on a block is mapped by itself: no read or write of ours is as large.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
SETTINGS = ((M_TRIM_THRESHOLD, 2_097_152), (M_TOP_PAD, 262_144), (M_MMAP_THRESHOLD, 1_048_576))
# An operator who tunes the allocator has the last word.
TUNED_BY = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_")


def retain_freed_memory(environ: Mapping[str, str] = os.environ) -> bool:
    """Have glibc keep up to 2 MiB of freed memory; False if another allocator serves, or the environment tunes it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in environ for name in TUNED_BY):
        return False
    return all(mallopt(parameter, size) for parameter, size in SETTINGS)
