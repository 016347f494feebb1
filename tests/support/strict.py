"""A client's eyes that trust nothing: what a server sends is checked against RFC 9113, windows counted on its own.

    reader = StrictReader()
    reader.opened(1); reader.ended(1)            # what the client has sent, once the server has read it
    reader.read(output)                          # AssertionError names the rule that was broken
    reader.answers[1].body, .end, .reset         # what arrived

It is made of hyperframe and hpack and of no code of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hpack import Decoder
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

__all__ = ["Received", "StrictReader"]

LARGEST_WINDOW = 2**31 - 1
Fields = tuple[tuple[bytes, bytes], ...]


@dataclass
class Received:
    """What a client was told on one stream."""

    interim: list[Fields] = field(default_factory=list)
    head: Fields | None = None
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields | None = None
    end: bool = False
    reset: int = -1
    frames: int = 0


@dataclass
class _Open:
    window: int
    upload: int
    ended: bool = False
    gone: bool = False


class StrictReader:
    """Reads one server's bytes in any pieces; `credit` and `upload(n)` are what the client may send."""

    def __init__(self, connection_window: int = 65_535) -> None:
        self.answers: dict[int, Received] = {}
        self.goaways: list[GoAwayFrame] = []
        self.pings: list[bytes] = []
        self.settings: dict[int, int] = {}
        self.credit = 65_535
        self._window = connection_window
        self._initial = 65_535
        self._max_frame = 16_384
        self._streams: dict[int, _Open] = {}
        self._decoder = Decoder(max_header_list_size=2**24)
        self._data = b""
        self._block: HeadersFrame | None = None
        self._first = True

    # What the client has sent

    def opened(self, stream: int) -> None:
        self._streams[stream] = _Open(self._initial, self.settings.get(4, 65_535))
        self.answers[stream] = Received()

    def ended(self, stream: int) -> None:
        self._streams[stream].ended = True

    def gone(self, stream: int) -> None:
        """The client has reset it, and the server knows."""
        self._streams[stream].gone = True

    def uploaded(self, stream: int, size: int) -> None:
        self.credit -= size
        self._streams[stream].upload -= size

    def upload(self, stream: int) -> int:
        """Return what the client may send on a stream now."""
        return min(self.credit, self._streams[stream].upload)

    def opened_window(self, stream: int, size: int) -> None:
        if stream:
            self._streams[stream].window += size
        else:
            self._window += size

    def set(self, initial_window: int, max_frame: int) -> None:
        """The client's SETTINGS, once the server has read them."""
        for stream in self._streams.values():
            stream.window += initial_window - self._initial
        self._initial, self._max_frame = initial_window, max_frame

    def window(self, stream: int) -> int:
        """Return what the server may still send on a stream; 0 is the connection."""
        return self._streams[stream].window if stream else self._window

    # What the server sends

    def read(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._data[:9]), strict=True)
            assert length <= self._max_frame, "a frame longer than our SETTINGS_MAX_FRAME_SIZE"
            if len(self._data) < 9 + length:
                return
            frame.parse_body(memoryview(self._data[9 : 9 + length]))
            self._data = self._data[9 + length :]
            self._check(frame)

    def finish(self) -> None:
        """Nothing more will come."""
        assert self._data == b"", "half a frame"
        assert self._block is None, "half a header block"

    def _check(self, frame: Frame) -> None:
        assert self._block is None or (
            isinstance(frame, ContinuationFrame) and frame.stream_id == self._block.stream_id
        ), "a frame inside a header block (6.10)"
        assert not self._first or isinstance(frame, SettingsFrame), "SETTINGS come first (3.4)"
        self._first = False
        match frame:
            case HeadersFrame():
                self._block = frame
                self._check_block(frame)
            case ContinuationFrame():
                assert self._block is not None, "CONTINUATION without HEADERS (6.10)"
                self._block.data += frame.data
                self._check_block(frame)
            case DataFrame():
                self._check_data(frame)
            case RstStreamFrame():
                answer = self._stream(frame)
                assert answer.reset < 0, "RST_STREAM twice (5.1)"
                answer.reset = frame.error_code
            case WindowUpdateFrame():
                self._check_window(frame)
            case SettingsFrame():
                self._check_settings(frame)
            case PingFrame():
                if "ACK" not in frame.flags:
                    self.pings.append(frame.opaque_data)
            case GoAwayFrame():
                last = [goaway.last_stream_id for goaway in self.goaways]
                assert frame.last_stream_id <= min(last, default=LARGEST_WINDOW), "a last stream id that grows (6.8)"
                self.goaways.append(frame)
            case _:
                raise AssertionError(f"a server sends no {frame!r}")

    def _stream(self, frame: Frame) -> Received:
        assert frame.stream_id in self._streams, f"{frame!r} on an idle stream (5.1)"
        answer = self.answers[frame.stream_id]
        assert answer.reset < 0, f"{frame!r} after RST_STREAM (5.1)"
        answer.frames += 1
        return answer

    def _check_data(self, frame: DataFrame) -> None:
        answer, stream = self._stream(frame), self._streams[frame.stream_id]
        assert not stream.gone, "DATA on a stream that its client has reset (5.1)"
        assert answer.head is not None, "DATA before a final head (8.1)"
        assert not answer.end, "DATA after END_STREAM (5.1)"
        size = frame.flow_controlled_length
        assert size == 0 or size <= min(stream.window, self._window), "DATA above the window (6.9)"
        stream.window -= size
        self._window -= size
        answer.body += frame.data
        answer.end = "END_STREAM" in frame.flags

    def _check_block(self, last: Frame) -> None:
        block = self._block
        assert block is not None
        if "END_HEADERS" not in last.flags:
            return
        self._block = None
        answer = self._stream(block)
        fields: Fields = tuple((bytes(name), bytes(value)) for name, value in self._decoder.decode(block.data, raw=True))
        end = "END_STREAM" in block.flags
        assert not answer.end, "HEADERS after END_STREAM (5.1)"
        pseudo = [name for name, _ in fields if name.startswith(b":")]
        if answer.head is not None:
            assert end, "trailers without END_STREAM (8.1)"
            assert not pseudo, "a pseudo field in trailers (8.1)"
            answer.trailers = fields
        else:
            assert pseudo == [b":status"], "one :status, and no other pseudo field (8.3.2)"
            assert fields[0][0] == b":status", "a pseudo field after a regular one (8.3)"
            if fields[0][1].startswith(b"1"):
                assert not end, "an interim head with END_STREAM (8.1)"
                answer.interim.append(fields)
            else:
                answer.head = fields
        answer.end = end

    def _check_window(self, frame: WindowUpdateFrame) -> None:
        assert frame.window_increment > 0, "WINDOW_UPDATE of nothing (6.9)"
        if frame.stream_id == 0:
            self.credit += frame.window_increment
            assert self.credit <= LARGEST_WINDOW, "a window above 2**31-1 (6.9.1)"
            return
        assert frame.stream_id in self._streams, "WINDOW_UPDATE on an idle stream (5.1)"
        assert self.answers[frame.stream_id].reset < 0, "WINDOW_UPDATE after RST_STREAM (5.1)"
        self._streams[frame.stream_id].upload += frame.window_increment
        assert self._streams[frame.stream_id].upload <= LARGEST_WINDOW, "a window above 2**31-1 (6.9.1)"

    def _check_settings(self, frame: SettingsFrame) -> None:
        if "ACK" in frame.flags:
            return
        before = self.settings.get(4, 65_535)
        self.settings.update(frame.settings)
        for stream in self._streams.values():
            stream.upload += self.settings.get(4, 65_535) - before
