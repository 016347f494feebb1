"""GOAWAY as RFC 9113 section 6.8 means it: streams up to the last one go on. The h2 package closes instead."""

from __future__ import annotations

import struct

__all__ = ["PREFACE", "GoawayFilter"]

HEAD = 9
GOAWAY = 7
PREFACE = 24


class GoawayFilter:
    """Takes GOAWAY frames out of what a peer sends, so that h2 never sees one; keeps what they said."""

    def __init__(self, after: int = 0) -> None:
        self._preface = after  # bytes to let through before the first frame
        self._rest = b""
        self.code: int | None = None
        self.last_stream = 2**31 - 1

    def feed(self, data: bytes) -> bytes:
        """Return the whole frames of what came so far, without any GOAWAY."""
        through = data[: self._preface]
        self._rest += data[self._preface :]
        self._preface -= len(through)
        kept = [through]
        at = 0
        while len(self._rest) - at >= HEAD:
            length, kind = int.from_bytes(self._rest[at : at + 3], "big"), self._rest[at + 3]
            end = at + HEAD + length
            if len(self._rest) < end:
                break
            if kind == GOAWAY and length >= 8:
                self.last_stream, self.code = struct.unpack("!II", self._rest[at + HEAD : at + HEAD + 8])
            else:
                kept.append(self._rest[at:end])
            at = end
        self._rest = self._rest[at:]
        return b"".join(kept)
