"""How receive windows grow: by what applications read while a PING goes round, as gRPC and hyper measure it.

    IDLE --enough was read--> SAMPLING (a PING is out) --its answer--> IDLE, perhaps with a larger window

A window that is the bottleneck is used up once in a round trip: if two thirds of it were read in one, it is
doubled. What nobody reads never makes a window grow. One window size stands for the streams and the connection.
"""

from __future__ import annotations

__all__ = ["GROWTH_PING", "WindowGrowth"]

# The opaque data of the PINGs that measure; a drain's are zeros.
GROWTH_PING = b"lasthop\x01"
# After samples without growth the next one is due after this many windows at most.
_MAX_PAUSE = 64


class WindowGrowth:
    """One connection's measure; `window` is what a stream may send before it waits, never above `limit`."""

    __slots__ = ("_consumed", "_due", "_pause", "limit", "sampling", "window")

    def __init__(self, window: int, limit: int) -> None:
        self.window = window
        self.limit = limit
        self.sampling = False
        self._consumed = 0
        self._pause = 1
        self._due = window // 4

    def consume(self, size: int) -> bool:
        """Count body bytes that an application has read; True asks for a PING now."""
        if self.window >= self.limit:
            return False
        self._consumed += size
        if self.sampling or self._consumed < self._due:
            return False
        self.sampling = True
        self._consumed = 0
        return True

    def on_pong(self) -> int:
        """The PING came back: return the new window, or 0 if it stays."""
        if not self.sampling:
            return 0
        self.sampling = False
        read, self._consumed = self._consumed, 0
        if read * 3 >= self.window * 2:
            self.window = min(self.window * 2, self.limit)
            self._pause = 1
            self._due = 0
            return self.window
        self._pause = min(self._pause * 2, _MAX_PAUSE)
        self._due = self.window * self._pause // 4
        return 0
