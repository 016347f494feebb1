"""The bodies of the requests of one connection, whichever way they are framed (RFC 9112 6.3)."""

from __future__ import annotations

from appserver.contract import Fields
from appserver.h1.chunks import ChunkReader

__all__ = ["BodyReader"]


class BodyReader:
    """Reads one body after another: chunks, or as many bytes as were declared.

    `left` are the declared bytes that have not come; `is_done` is set at the end; `taken` are the bytes of the last `read`.
    """

    __slots__ = ("_chunks", "_is_chunked", "is_done", "left", "taken")

    def __init__(self, chunks: ChunkReader) -> None:
        self._chunks = chunks
        self._is_chunked = False
        self.left: int = 0
        self.is_done = True
        self.taken = b""

    def begin(self, is_chunked: bool, length: int) -> None:
        """Expect another body."""
        self._is_chunked = is_chunked
        self.left = 0 if is_chunked else length
        self.is_done = not is_chunked and length == 0
        if is_chunked:
            self._chunks.begin()

    def read(self, data: bytes, at: int, is_wanted: bool) -> int:
        """Take what is whole of `data` from `at` on; return where it stopped: behind the body, or at a line that is cut."""
        self.taken = b""
        if self._is_chunked:
            chunks = self._chunks
            at = chunks.read(data, at)
            self.is_done = chunks.is_done
            if chunks.pieces:
                self.taken = chunks.take(is_wanted)
            return at
        size = len(data) - at
        if size > self.left:
            size = self.left
        self.left -= size
        self.is_done = self.left == 0
        if is_wanted:
            self.taken = data if size == len(data) else data[at : at + size]
        return at + size

    @property
    def status(self) -> int:
        """How to refuse the body, or 0."""
        return self._chunks.status if self._is_chunked else 0

    @property
    def reason(self) -> str:
        """Why it is refused."""
        return self._chunks.reason

    @property
    def trailers(self) -> Fields:
        """The trailers of a body that is done."""
        return self._chunks.trailers if self._is_chunked else []
