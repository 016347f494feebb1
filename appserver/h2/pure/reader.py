"""Bytes into frames: the preface, the sizes, and header blocks made whole.

h2's own buffer waits for the whole of a frame before it looks at its length, lets 64 CONTINUATIONs pass,
parses extensions that RFC 9113 5.5 ignores and does not ask for SETTINGS first. So frames are split here,
over hyperframe, and h2 is only given what it judges as RFC 9113 does.
"""

from __future__ import annotations

from collections.abc import Iterator

from h2.errors import ErrorCodes
from hyperframe.exceptions import HyperframeError, InvalidFrameError
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame

from appserver.h2.engine import MAX_CONTINUATIONS

__all__ = ["Broken", "Reader"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME = 16_384  # SETTINGS_MAX_FRAME_SIZE is never raised

_HEADER = 9
_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = range(10)
_PRIORITY_UPDATE = 0x10
# As many as nghttp2 takes (CVE-2020-11080).
_MAX_SETTINGS = 32
_SIZES = {_PRIORITY: 5, _RST_STREAM: 4, _PING: 8, _WINDOW_UPDATE: 4}
_ACK = 0x1
_PADDED = 0x8
_PRIORITIZED = 0x20


class Broken(Exception):
    """The peer broke the connection's protocol; `code` goes into GOAWAY."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Reader:
    """Splits one connection's bytes; a header block comes out as one HEADERS frame with all of it.

    `highest` is the highest stream id of a client whose HEADERS were seen, whatever became of them.
    """

    __slots__ = ("_block", "_data", "_greeted", "_parts", "_preface", "highest")

    def __init__(self) -> None:
        self._data = bytearray()
        self._preface = PREFACE
        self._greeted = False
        self._block: HeadersFrame | None = None
        self._parts: list[bytes] = []
        self.highest = 0

    def frames(self, data: bytes | bytearray) -> Iterator[Frame]:
        """Yield what `data` completes; raises Broken."""
        self._data += data
        if self._preface:
            self._take_preface()
        while not self._preface and len(self._data) >= _HEADER:
            length = int.from_bytes(self._data[:3], "big")
            stream = int.from_bytes(self._data[5:9], "big") & 0x7FFFFFFF
            # Before the payload is here: nothing is buffered for a frame that is refused anyway.
            self._check(length, self._data[3], self._data[4], stream)
            end = _HEADER + length
            if len(self._data) < end:
                return
            raw = bytes(self._data[:end])
            del self._data[:end]
            self._greeted = True
            if raw[3] <= _CONTINUATION or raw[3] == _PRIORITY_UPDATE:
                frame = self._assemble(_parse(raw))
                if frame is not None:
                    yield frame

    def _take_preface(self) -> None:
        size = min(len(self._preface), len(self._data))
        if self._data[:size] != self._preface[:size]:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "not the HTTP/2 preface")
        self._preface = self._preface[size:]
        del self._data[:size]

    def _check(self, length: int, kind: int, flags: int, stream: int) -> None:
        if length > MAX_FRAME:
            raise Broken(ErrorCodes.FRAME_SIZE_ERROR, "a frame longer than MAX_FRAME_SIZE")
        least = 6 if kind == _HEADERS and flags & _PRIORITIZED else 1
        if kind <= _HEADERS and flags & _PADDED and length < least:
            raise Broken(ErrorCodes.FRAME_SIZE_ERROR, "a padded frame without room for its pad length")
        if not self._greeted and (kind != _SETTINGS or flags & _ACK):
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if self._block is not None:
            self._check_continuation(kind, stream)
        elif kind == _CONTINUATION:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        if kind == _PUSH_PROMISE:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "PUSH_PROMISE from a client")
        wrong = length != _SIZES.get(kind, length) or (kind == _GOAWAY and length < 8)
        if wrong or (kind == _SETTINGS and (length % 6 or (length and flags & _ACK))):
            raise Broken(ErrorCodes.FRAME_SIZE_ERROR, "a frame of a length its type does not have")
        if kind == _SETTINGS and length > _MAX_SETTINGS * 6:
            raise Broken(ErrorCodes.ENHANCE_YOUR_CALM, "too many entries in a SETTINGS frame")

    def _check_continuation(self, kind: int, stream: int) -> None:
        assert self._block is not None
        if kind != _CONTINUATION or stream != self._block.stream_id:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "a frame inside a header block")
        if len(self._parts) > MAX_CONTINUATIONS:
            raise Broken(ErrorCodes.ENHANCE_YOUR_CALM, "too many CONTINUATION frames")

    def _assemble(self, frame: Frame) -> Frame | None:
        if isinstance(frame, HeadersFrame):
            self._block = frame
            if frame.stream_id & 1:
                self.highest = max(self.highest, frame.stream_id)
            self._parts = [frame.data]
        elif isinstance(frame, ContinuationFrame):
            self._parts.append(frame.data)
        else:
            return frame
        if "END_HEADERS" not in frame.flags:
            return None
        block, self._block = self._block, None
        if block is not None:
            block.data = b"".join(self._parts)
        return block


def _parse(raw: bytes) -> Frame:
    try:
        frame, length = Frame.parse_frame_header(memoryview(raw[:_HEADER]))
        frame.parse_body(memoryview(raw[_HEADER:]))
    except InvalidFrameError as error:
        raise Broken(ErrorCodes.FRAME_SIZE_ERROR, str(error)) from error
    except HyperframeError as error:
        raise Broken(ErrorCodes.PROTOCOL_ERROR, str(error)) from error
    # hyperframe forgets the priority fields when it compares.
    least = frame.pad_length + (6 if "PRIORITY" in frame.flags else 1) if isinstance(frame, HeadersFrame) else 0
    if "PADDED" in frame.flags and least > length:
        raise Broken(ErrorCodes.PROTOCOL_ERROR, "padding longer than the frame")
    return frame
