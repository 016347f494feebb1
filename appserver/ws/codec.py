# cython: boundscheck=False, wraparound=False
r"""Frames (RFC 6455 5) read into messages and control frames, and written.

    HEADER --header whole--> PAYLOAD --payload whole--> HEADER        a message is one data frame and its continuations
      '-- a rule is broken, a limit passed --> failed: `code` and `reason`, nothing more is read

Payloads are taken as they come: no frame is gathered first. Text is validated piece by piece (RFC 6455 8.1), and
compressed messages are inflated so, each bounded by the limit of a message.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import Any

from appserver.ws.closing import (
    INVALID_PAYLOAD,
    MESSAGE_TOO_BIG,
    NO_STATUS,
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    is_sendable,
)
from appserver.ws.deflate import BadDeflate, Inflater
from appserver.ws.masking import unmask

__all__ = ["BINARY", "CLOSE", "NOTHING", "PING", "PONG", "TEXT", "FrameReader", "write_frame"]

NOTHING = 0
# Opcodes; 0 is a continuation.
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

_CONTINUATION = 0
_TEXT = 1
_BINARY = 2
_CLOSE = 8
_PONG = 10

LARGEST_HEADER = 14
# Of one message. Without a limit they would be work without end; the others are bounded by its size.
MAX_EMPTY_FRAGMENTS = 1_024
Utf8Decoder = getincrementaldecoder("utf-8")

SMALL = 126
HEADS = {first: [bytes((first, size)) for size in range(SMALL)] for first in (0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0xC2)}


class FrameReader:
    """Reads what a client sends. After `read`, `kind` says what was found: NOTHING, or an opcode with its `payload`.

    A TEXT's payload is a str, the others' are bytes. A CLOSE has `close_code` (1005: it had none) and `close_reason`.
    `code` is set once, to the close code that says what was wrong (RFC 6455 7.4.1), with its `reason`.
    """

    __slots__ = (
        "_buffer", "_compressed", "_control", "_decoder", "_empty", "_final", "_head", "_in_payload", "_inflater", "_key",
        "_left", "_max_message", "_message", "_offset", "_opcode", "_size", "_wire_size", "close_code", "close_reason",
        "code", "kind", "payload", "reason",
    )  # fmt: skip

    def __init__(self, max_message: int, inflater: Inflater | None = None) -> None:
        self._max_message = max_message
        self._inflater = inflater
        self.kind: int = NOTHING
        self.payload: Any = None
        self.close_code: int = 0
        self.close_reason: str = ""
        self.code: int = 0
        self.reason: str = ""
        # The frame that is being read.
        self._head = b""
        self._in_payload = False
        self._opcode: int = 0
        self._final = False
        self._key = b""
        self._left: int = 0
        self._offset: int = 0
        self._control = b""
        # The message that it belongs to.
        self._message: int = 0
        self._compressed = False
        self._size: int = 0
        self._wire_size: int = 0
        self._empty: int = 0
        self._buffer: bytearray | None = None
        self._decoder: Any = None

    def read(self, data: bytes, at: int) -> int:
        """Read on from `at` to the end of one message or control frame, or of `data`; return where that is."""
        self.kind = NOTHING
        size = len(data)
        while not self.code:
            if not self._in_payload:
                at = self._read_header(data, at, size)
                if not self._in_payload:
                    return at
            stop = at + self._left if self._left <= size - at else size
            self._left -= stop - at
            if self._left > 0:
                if stop > at:
                    self._take_piece(unmask(data, at, stop, self._key, self._offset))
                    self._offset += stop - at
                return size
            self._in_payload = False
            self._end_frame(unmask(data, at, stop, self._key, self._offset))
            at = stop
            if self.kind:
                return at
        return size

    def _fail(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    # Headers (RFC 6455 5.2)

    def _read_header(self, data: bytes, at: int, size: int) -> int:
        """Take a header; what is there of one that is cut is kept."""
        kept = self._head
        block = kept + data[at : at + LARGEST_HEADER] if kept else data
        used = self._parse_header(block, 0, len(block)) if kept else self._parse_header(data, at, size)
        if self.code:
            return size
        if used == 0:
            self._head = block if kept else data[at:size]
            return size
        self._head = b""
        return at + used - len(kept)

    def _parse_header(self, data: bytes, at: int, size: int) -> int:
        """Return how long the header is; 0 if it is not whole, or wrong."""
        if size - at < 2:
            return 0
        text = data
        first = text[at]
        short = text[at + 1] & 0x7F
        if not self._judge_header(first, text[at + 1] & 0x80 != 0, short):
            return 0
        lengths = 0 if short < SMALL else 2 if short == SMALL else 8
        if size - at < lengths + 6:
            return 0
        length = short
        if lengths:
            if lengths == 8 and text[at + 2] > 127:
                self._fail(PROTOCOL_ERROR, "a payload length of more than 63 bits")
                return 0
            length = 0
            for index in range(at + 2, at + 2 + lengths):
                length = (length << 8) | text[index]
            if length < SMALL or (lengths == 8 and length < 65_536):
                self._fail(PROTOCOL_ERROR, "a payload length in more bytes than it needs")
                return 0
        if not self._begin_frame(first, length):
            return 0
        self._key = text[at + lengths + 2 : at + lengths + 6]
        self._left = length
        self._offset = 0
        self._in_payload = True
        return lengths + 6

    def _judge_header(self, first: int, masked: bool, short: int) -> bool:
        """Judge what the first two bytes say; tell whether it is allowed."""
        opcode = first & 15
        if first & 0x30 or (first & 0x40 and (self._inflater is None or opcode == _CONTINUATION or opcode > _BINARY)):
            self._fail(PROTOCOL_ERROR, "a reserved bit that no extension uses here")
        elif opcode > _PONG or _BINARY < opcode < _CLOSE:
            self._fail(PROTOCOL_ERROR, "a reserved opcode")
        elif not masked:
            self._fail(PROTOCOL_ERROR, "a frame of a client that is not masked")
        elif opcode >= _CLOSE:
            if short > 125:
                self._fail(PROTOCOL_ERROR, "a control frame of more than 125 bytes")
            elif not first & 0x80:
                self._fail(PROTOCOL_ERROR, "a control frame in fragments")
        elif opcode == _CONTINUATION and not self._message:
            self._fail(PROTOCOL_ERROR, "a continuation of nothing")
        elif opcode != _CONTINUATION and self._message:
            self._fail(PROTOCOL_ERROR, "a message within another")
        return self.code == 0

    def _begin_frame(self, first: int, length: int) -> bool:
        """Count a frame for its message; tell whether that may have it."""
        opcode = first & 15
        self._opcode = opcode
        self._final = first & 0x80 != 0
        if opcode >= _CLOSE:
            self._control = b""
            return True
        if opcode != _CONTINUATION:
            self._message = opcode
            self._compressed = first & 0x40 != 0
            self._size = 0
            self._wire_size = 0
            self._empty = 0
        limit = self._max_message
        if self._compressed:
            # What does not compress grows a little.
            limit += (limit >> 3) + 1_024
        if length > limit - self._wire_size:
            self._fail(MESSAGE_TOO_BIG, f"a message of more than {self._max_message} bytes")
            return False
        self._wire_size += length
        if length == 0 and not self._final:
            self._empty += 1
            if self._empty > MAX_EMPTY_FRAGMENTS:
                self._fail(POLICY_VIOLATION, "a message of too many empty fragments")
                return False
        return True

    # Payloads

    def _end_frame(self, piece: bytes) -> None:
        if self._opcode >= _CLOSE:
            self._end_control(self._control + piece if self._control else piece)
        elif self._final and self._buffer is None and not self._compressed:
            # A message in one piece, as most are.
            opcode = self._message
            if opcode == _BINARY:
                self.payload = piece
            else:
                try:
                    self.payload = piece.decode("utf-8")
                except UnicodeDecodeError:
                    self._fail(INVALID_PAYLOAD, "a text that is not UTF-8")
                    return
            self._message = 0
            self.kind = opcode
        else:
            self._take_piece(piece)
            if self._final and not self.code:
                self._end_message()

    def _take_piece(self, piece: bytes) -> None:
        """Take a part of a frame's payload."""
        if self._opcode >= _CLOSE:
            self._control += piece
        elif not self._compressed:
            self._gather(piece)
        elif piece:
            assert self._inflater is not None
            self._inflate(self._inflater.inflate, piece)

    def _inflate(self, inflate: Any, *data: bytes) -> None:
        try:
            inflated = inflate(*data, self._max_message - self._size)
        except BadDeflate as error:
            self._fail(INVALID_PAYLOAD, str(error))
            return
        if inflated is None:
            self._fail(MESSAGE_TOO_BIG, f"a message of more than {self._max_message} bytes, inflated")
        else:
            self._gather(inflated)

    def _gather(self, piece: bytes) -> None:
        """Take a part of the message, as it is without masks and compression."""
        self._size += len(piece)
        if self._buffer is None:
            self._buffer = bytearray(piece)
            if self._message == _TEXT:
                self._decoder = Utf8Decoder()
        else:
            self._buffer += piece
        if self._message == _TEXT:
            self._validate(piece, False)

    def _validate(self, piece: bytes, final: bool) -> None:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._fail(INVALID_PAYLOAD, "a text that is not UTF-8")

    def _end_message(self) -> None:
        if self._compressed:
            assert self._inflater is not None
            self._inflate(self._inflater.end)
        if self._message == _TEXT and not self.code and self._buffer is not None:
            self._validate(b"", True)
        if self.code:
            return
        buffer = self._buffer
        opcode = self._message
        self._buffer = None
        self._decoder = None
        self._message = 0
        if buffer is None:
            buffer = bytearray()
        self.payload = buffer.decode("utf-8") if opcode == _TEXT else bytes(buffer)
        self.kind = opcode

    def _end_control(self, payload: bytes) -> None:
        if self._opcode == _CLOSE and not self._read_close(payload):
            return
        self.payload = payload
        self.kind = self._opcode

    def _read_close(self, payload: bytes) -> bool:
        """Read a Close frame's payload (RFC 6455 5.5.1); tell whether it is right."""
        self.close_code = NO_STATUS
        self.close_reason = ""
        if not payload:
            return True
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not is_sendable(code):
            self._fail(PROTOCOL_ERROR, "a close code that must not be sent")
            return False
        try:
            self.close_reason = payload[2:].decode("utf-8")
        except UnicodeDecodeError:
            self._fail(INVALID_PAYLOAD, "a close reason that is not UTF-8")
            return False
        self.close_code = code
        return True


def write_frame(opcode: int, payload: bytes, compressed: bool) -> bytes:
    """Return one whole frame of a server: final, not masked."""
    first = opcode | (0xC0 if compressed else 0x80)
    size = len(payload)
    if size < SMALL:
        return HEADS[first][size] + payload
    if size < 65_536:
        return bytes((first, SMALL, size >> 8, size & 255)) + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload
