"""A request body, counted."""

from __future__ import annotations

from appserver.http.verdicts import OK, RESET

__all__ = ["BodyMeter"]


class BodyMeter:
    """Counts a request body against its declared length (-1: none) and the limit (0: none), in bytes."""

    __slots__ = ("length", "limit", "received")

    def __init__(self, length: int, limit: int) -> None:
        self.length = length
        self.limit = limit
        self.received = 0

    def take(self, size: int) -> int:
        """Count `size` more bytes; return OK, RESET (more than declared) or 413."""
        self.received += size
        if self.length >= 0 and self.received > self.length:
            return RESET
        if self.limit and self.received > self.limit:
            return 413
        return OK

    def end(self) -> int:
        """The body is over; return RESET if bytes are missing (RFC 9113 8.1.1)."""
        return RESET if self.length >= 0 and self.received != self.length else OK
