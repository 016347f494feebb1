"""What one request may hold, as numbers."""

from __future__ import annotations

__all__ = ["Limits"]


class Limits:
    """What a request may hold; `path` is 414, `body` 413, the others 431; four times a head's ends the connection.

    `discard` bytes of an upload are read on after its answer (0: none), then its stream is reset.
    """

    __slots__ = ("body", "count", "discard", "field", "path", "size")

    def __init__(self, path: int, count: int, field: int, size: int, body: int, discard: int = 1_048_576) -> None:
        self.path = path
        self.count = count
        self.field = field
        self.size = size
        self.body = body
        self.discard = discard
