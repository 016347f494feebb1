"""A small language for conversations in frames.

    client = Client()
    client.greet()                                    # preface, SETTINGS, the acknowledgement of ours
    client.headers(1, GET, end=True)                  # bytes for engine.receive()
    Wire().read(output) == [expect.headers(1, [(":status", "200")], end=True)]

A `Client` encodes (one HPACK state), a `Wire` decodes what the server sent into the frames that `expect`
builds, so that a test compares them whole. Header blocks are one frame here, however they were split.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
INTERNAL_ERROR = 0x2
FLOW_CONTROL_ERROR = 0x3
STREAM_CLOSED = 0x5
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
NO_RFC7540_PRIORITIES = 0x9

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Text = str | bytes
Pairs = Sequence[tuple[Text, Text]]

GET: Pairs = [(":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", "/")]
POST: Pairs = [(":method", "POST"), (":scheme", "http"), (":authority", "a.test"), (":path", "/up")]


def _bytes(value: Text) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8")


def _pairs(fields: Pairs) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((_bytes(name), _bytes(value)) for name, value in fields)


# What a server sends


@dataclass(frozen=True)
class Head:
    stream: int
    fields: tuple[tuple[bytes, bytes], ...]
    end: bool

    @property
    def status(self) -> int:
        """The response's status; 0 for trailers."""
        return int(dict(self.fields).get(b":status", b"0"))


@dataclass(frozen=True)
class Data:
    stream: int
    body: bytes
    end: bool


@dataclass(frozen=True)
class Reset:
    stream: int
    code: int


@dataclass(frozen=True)
class Goaway:
    last: int
    code: int


@dataclass(frozen=True)
class Window:
    stream: int
    size: int


@dataclass(frozen=True)
class Ping:
    data: bytes
    ack: bool


@dataclass(frozen=True)
class Settings:
    values: tuple[tuple[int, int], ...]
    ack: bool


Sent = Head | Data | Reset | Goaway | Window | Ping | Settings


class Expect:
    """Builds the frames a test expects."""

    def headers(self, stream: int, fields: Pairs, end: bool = False) -> Head:
        return Head(stream, _pairs(fields), end)

    def answer(self, stream: int, status: int, head: bool = False) -> list[Sent]:
        """The server's own answer, as `http.answer` makes it without Date; `head`: to HEAD."""
        text = f"{status} {HTTPStatus(status).phrase}\n".encode("ascii")
        fields: Pairs = [
            (":status", str(status)), ("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(text))),
        ]  # fmt: skip
        if head:
            return [self.headers(stream, fields, end=True)]
        return [self.headers(stream, fields), self.data(stream, text, end=True)]

    def data(self, stream: int, body: bytes, end: bool = False) -> Data:
        return Data(stream, body, end)

    def reset(self, stream: int, code: int) -> Reset:
        return Reset(stream, code)

    def goaway(self, last: int, code: int) -> Goaway:
        return Goaway(last, code)

    def window(self, stream: int, size: int) -> Window:
        return Window(stream, size)

    def pong(self, data: bytes) -> Ping:
        return Ping(data, True)

    def ping(self, data: bytes = bytes(8)) -> Ping:
        return Ping(data, False)

    def settings(self, values: dict[int, int]) -> Settings:
        return Settings(tuple(values.items()), False)

    def acknowledged(self) -> Settings:
        return Settings((), True)


expect = Expect()


class Wire:
    """Decodes a server's bytes into frames; keeps what is not yet whole."""

    def __init__(self) -> None:
        self._data = b""
        self._decoder = Decoder(max_header_list_size=2**24)
        self._block: HeadersFrame | None = None

    @property
    def rest(self) -> bytes:
        """Bytes of a frame that is not complete."""
        return self._data

    def read(self, data: bytes) -> list[Sent]:
        self._data += data
        seen: list[Sent] = []
        while len(self._data) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._data[:9]))
            if len(self._data) < 9 + length:
                break
            frame.parse_body(memoryview(self._data[9 : 9 + length]))
            self._data = self._data[9 + length :]
            told = self._tell(frame)
            if told is not None:
                seen.append(told)
        return seen

    def _tell(self, frame: Frame) -> Sent | None:
        match frame:
            case HeadersFrame():
                self._block = frame
                return self._tell_block(frame)
            case ContinuationFrame():
                assert self._block is not None, "CONTINUATION without HEADERS"
                self._block.data += frame.data
                return self._tell_block(frame)
            case DataFrame():
                return Data(frame.stream_id, frame.data, "END_STREAM" in frame.flags)
            case RstStreamFrame():
                return Reset(frame.stream_id, frame.error_code)
            case GoAwayFrame():
                return Goaway(frame.last_stream_id, frame.error_code)
            case WindowUpdateFrame():
                return Window(frame.stream_id, frame.window_increment)
            case PingFrame():
                return Ping(frame.opaque_data, "ACK" in frame.flags)
            case SettingsFrame():
                return Settings(tuple(frame.settings.items()), "ACK" in frame.flags)
        raise AssertionError(f"a server sends no {frame!r}")

    def _tell_block(self, last: Frame) -> Head | None:
        block = self._block
        if block is None or "END_HEADERS" not in last.flags:
            return None
        self._block = None
        fields = cast(Iterable[tuple[bytes, bytes]], self._decoder.decode(block.data, raw=True))
        return Head(block.stream_id, tuple((bytes(n), bytes(v)) for n, v in fields), "END_STREAM" in block.flags)


# What a client sends


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    """Any frame, also a wrong one; `length` is what its header claims."""
    size = len(payload) if length is None else length
    return struct.pack(">HBBBL", size >> 8, size & 0xFF, kind, flags, stream) + payload


class Client:
    """Encodes frames; each method returns bytes."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    def greet(self, settings: dict[int, int] | None = None) -> bytes:
        """The preface, SETTINGS and the acknowledgement of the server's."""
        return PREFACE + self.settings(settings or {}) + self.acknowledge()

    def settings(self, values: dict[int, int]) -> bytes:
        return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *item) for item in values.items()))

    def acknowledge(self) -> bytes:
        return frame(SETTINGS, ACK, 0)

    def block(self, fields: Pairs) -> bytes:
        """A header block, in this client's HPACK state."""
        return self._encoder.encode([(_bytes(name), _bytes(value)) for name, value in fields])

    def headers(
        self,
        stream: int,
        fields: Pairs,
        *,
        end: bool = False,
        pad: int | None = None,
        priority: tuple[int, int] | None = None,
        parts: int = 0,
    ) -> bytes:
        """HEADERS; `priority` is (depends on, weight), `parts` is how many frames; 0: as many as it takes."""
        return self.raw_headers(stream, self.block(fields), end=end, pad=pad, priority=priority, parts=parts)

    def raw_headers(
        self,
        stream: int,
        block: bytes,
        *,
        end: bool = False,
        pad: int | None = None,
        priority: tuple[int, int] | None = None,
        parts: int = 0,
    ) -> bytes:
        """HEADERS with a block of any bytes."""
        parts = parts or -(-len(block) // 16_000) or 1
        step = max(1, -(-len(block) // parts))
        pieces = [block[step * n : step * (n + 1)] for n in range(parts)]
        first = pieces[0]
        flags = END_STREAM if end else 0
        if priority is not None:
            first = struct.pack(">LB", *priority) + first
            flags |= PRIORITIZED
        if pad is not None:
            first = bytes([pad]) + first + bytes(pad)
            flags |= PADDED
        if parts == 1:
            return frame(HEADERS, flags | END_HEADERS, stream, first)
        between = [frame(CONTINUATION, 0, stream, piece) for piece in pieces[1:-1]]
        last = frame(CONTINUATION, END_HEADERS, stream, pieces[-1])
        return b"".join([frame(HEADERS, flags, stream, first), *between, last])

    def data(self, stream: int, body: bytes = b"", *, end: bool = False, pad: int | None = None) -> bytes:
        flags = END_STREAM if end else 0
        if pad is None:
            return frame(DATA, flags, stream, body)
        return frame(DATA, flags | PADDED, stream, bytes([pad]) + body + bytes(pad))

    def reset(self, stream: int, code: int = CANCEL) -> bytes:
        return frame(RST_STREAM, 0, stream, struct.pack(">L", code))

    def window(self, stream: int, size: int) -> bytes:
        return frame(WINDOW_UPDATE, 0, stream, struct.pack(">L", size))

    def ping(self, data: bytes = b"12345678") -> bytes:
        return frame(PING, 0, 0, data)

    def pong(self, data: bytes = bytes(8)) -> bytes:
        return frame(PING, ACK, 0, data)

    def priority(self, stream: int, depends_on: int = 0, weight: int = 15) -> bytes:
        return frame(PRIORITY, 0, stream, struct.pack(">LB", depends_on, weight))

    def priority_update(self, stream: int, value: bytes) -> bytes:
        return frame(PRIORITY_UPDATE, 0, 0, struct.pack(">L", stream) + value)

    def goaway(self, code: int = NO_ERROR, last: int = 0) -> bytes:
        return frame(GOAWAY, 0, 0, struct.pack(">LL", last, code))


def changed(fields: Pairs, *more: tuple[Text, Text], **pseudo: Text | None) -> list[tuple[Text, Text]]:
    """Return `fields` with pseudo fields replaced (None: left out) and `more` at the end."""
    kept: list[tuple[Text, Text]] = []
    for name, value in fields:
        key = _bytes(name).lstrip(b":").decode()
        new: Any = pseudo.get(key, value)
        if new is not None:
            kept.append((name, new))
    return [*kept, *more]
