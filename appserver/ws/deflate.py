"""permessage-deflate (RFC 7692): what is agreed, and messages compressed and inflated one by one.

Without context takeover, as is our default, nothing is kept between messages: an idle session costs no zlib state.
With it a session keeps two windows, of 2^(bits+2) + 16 KiB to compress and 2^bits bytes to inflate.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Agreement", "BadDeflate", "DeflateSettings", "Deflater", "Inflater", "negotiate"]

NAME = "permessage-deflate"
MAX_BITS = 15
# zlib's raw deflate cannot do 8.
MIN_BITS = 9
# Memory to compress with, as zlib counts it: 2^(level + 9) bytes.
MEMORY_LEVEL = 5
# What ends each message, and is not sent (RFC 7692 7.2.1).
TAIL = b"\x00\x00\xff\xff"


class BadDeflate(Exception):
    """A message that cannot be inflated."""


class DeflateSettings(NamedTuple):
    """What we want: to keep contexts between messages or not, how large a window, which level of zlib."""

    takeover: bool = False
    window_bits: int = 12
    level: int = 6


class Agreement(NamedTuple):
    """What both sides keep to; `field` is the value of our Sec-WebSocket-Extensions."""

    field: bytes
    server_takeover: bool
    client_takeover: bool
    server_bits: int
    client_bits: int


def negotiate(offered: str, settings: DeflateSettings) -> Agreement | None:
    """Return what is agreed to of a client's Sec-WebSocket-Extensions: the first offer that we can keep (RFC 7692 5, 7.1)."""
    for name, parameters in _offers(offered):
        if name == NAME and parameters is not None:
            agreement = _agree(parameters, settings)
            if agreement is not None:
                return agreement
    return None


def _offers(offered: str) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yield each offer's name and parameters; None for parameters that repeat."""
    for offer in offered.split(","):
        name, *rest = (part.strip(" \t") for part in offer.split(";"))
        parameters: dict[str, str] | None = {}
        for part in rest:
            key, _, value = part.partition("=")
            key, value = key.strip(" \t").lower(), value.strip(" \t")
            if parameters is None or key in parameters:
                parameters = None
                break
            parameters[key] = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        yield name.lower(), parameters


def _agree(parameters: dict[str, str], settings: DeflateSettings) -> Agreement | None:
    flags = {"server_no_context_takeover", "client_no_context_takeover"}
    if any(parameters.get(flag) for flag in flags) or not parameters.keys() <= {
        *flags, "server_max_window_bits", "client_max_window_bits",
    }:  # fmt: skip
        return None
    server_bits, client_bits = settings.window_bits, MAX_BITS
    answer = [NAME]
    server_takeover = settings.takeover and "server_no_context_takeover" not in parameters
    client_takeover = settings.takeover and "client_no_context_takeover" not in parameters
    if not server_takeover:
        answer.append("server_no_context_takeover")
    if not client_takeover:
        answer.append("client_no_context_takeover")
    if "server_max_window_bits" in parameters:
        asked = _bits(parameters["server_max_window_bits"])
        if asked < MIN_BITS:
            return None
        server_bits = min(server_bits, asked)
        answer.append(f"server_max_window_bits={server_bits}")
    if "client_max_window_bits" in parameters:
        value = parameters["client_max_window_bits"]
        able = _bits(value) if value else MAX_BITS
        if not able:
            return None
        client_bits = min(able, settings.window_bits)
        answer.append(f"client_max_window_bits={client_bits}")
    return Agreement("; ".join(answer).encode("ascii"), server_takeover, client_takeover, server_bits, client_bits)


def _bits(value: str) -> int:
    """Return 8 to 15, 0 for what is none: 1*DIGIT without leading zeros."""
    return int(value) if value in ("8", "9", "10", "11", "12", "13", "14", "15") else 0


class Deflater:
    """Compresses the messages that we send."""

    __slots__ = ("_bits", "_compressor", "_level", "_takeover")

    def __init__(self, agreement: Agreement, level: int) -> None:
        self._bits = agreement.server_bits
        self._takeover = agreement.server_takeover
        self._level = level
        self._compressor: Any = None

    def deflate(self, message: bytes) -> bytes:
        """Return the payload of one message, compressed (RFC 7692 7.2.1)."""
        compressor = self._compressor
        if compressor is None:
            compressor = zlib.compressobj(self._level, zlib.DEFLATED, -self._bits, MEMORY_LEVEL)
            if self._takeover:
                self._compressor = compressor
        data: bytes = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return data[:-4]


class Inflater:
    """Inflates the messages that we get, piece by piece."""

    __slots__ = ("_bits", "_inflater", "_takeover")

    def __init__(self, agreement: Agreement) -> None:
        self._bits = max(agreement.client_bits, MIN_BITS)
        self._takeover = agreement.client_takeover
        self._inflater: Any = None

    def inflate(self, piece: bytes, room: int) -> bytes | None:
        """Return what a piece of a message comes to; None if that is more than `room` bytes. Raises BadDeflate."""
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = zlib.decompressobj(-self._bits)
        if inflater.eof and piece.strip(b"\x00"):
            raise BadDeflate("a compressed message goes on after its last block")
        try:
            # One byte more than may be: what fills that has more to come, whatever zlib still holds.
            data: bytes = inflater.decompress(piece, room + 1)
        except zlib.error as error:
            raise BadDeflate("a message that is not compressed as was agreed") from error
        if inflater.unused_data.strip(b"\x00"):
            raise BadDeflate("a compressed message goes on after its last block")
        return data if len(data) <= room else None

    def end(self, room: int) -> bytes | None:
        """Return the rest of a message (RFC 7692 7.2.2); None and BadDeflate as above."""
        inflater = self._inflater
        data: bytes | None = b""
        if inflater is not None and not inflater.eof:
            data = self.inflate(TAIL, room)
        if not self._takeover or (inflater is not None and inflater.eof):
            # RFC 7692 7.2.3.4: after a last block another message begins anew.
            self._inflater = None
        return data
