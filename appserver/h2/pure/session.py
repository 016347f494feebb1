"""h2's connection, bent to RFC 9113 where h2 is stricter, laxer or ends what may go on.

Owns h2's state, HPACK, the windows and the frames that wait for the wire. What h2 thinks of messages is
never asked: it is given no fields, so that its own rules have nothing to judge. What is changed:

- GOAWAY, sent or received, does not close the connection: its streams are finished (6.8).
- Frames go out through `outbox`, frame by frame.
- Closed streams leave at once, or a later SETTINGS would overflow the window of one that is gone.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import AllowedStreamIDs, ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import Event
from h2.settings import ChangedSetting, SettingCodes
from h2.stream import StreamClosedBy
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from appserver.contract import Fields, Reset
from appserver.h2.engine import TABLE_BYTES, Settings
from appserver.h2.pure.decoder import BoundedDecoder, HPACKError, OversizedHeaderListError
from appserver.h2.pure.reader import Broken

if TYPE_CHECKING:
    from appserver.h2.pure.stream import PureStream

__all__ = ["HIGHEST_STREAM", "HeldBlock", "Session"]

HIGHEST_STREAM = 2**31 - 1
_DEFAULT_WINDOW = 65_535
_NO_RFC7540_PRIORITIES = 0x9
# Head ends the connection at four times its limit; the decoder must not do so before.
_HARD = 4
_KNOWN = frozenset(int(code) for code in SettingCodes)


class HeldBlock:
    """A header block that waits its turn; it is encoded when it leaves, or never if its stream was reset."""

    __slots__ = ("end", "fields", "stream")

    def __init__(self, stream: PureStream, fields: Fields, end: bool) -> None:
        self.stream = stream
        self.fields = fields
        self.end = end


class _States(H2ConnectionStateMachine):
    """h2's connection states without the end that it makes of GOAWAY."""

    def __init__(self) -> None:
        super().__init__()
        self._transitions = _TRANSITIONS


_TRANSITIONS = {
    **H2ConnectionStateMachine._transitions,
    **{
        (state, goaway): (None, state)
        for state in ConnectionState
        for goaway in (ConnectionInputs.SEND_GOAWAY, ConnectionInputs.RECV_GOAWAY)
    },
}


class Session(H2Connection):
    """One connection's h2 state."""

    # How many closed streams are remembered, to tell a late frame from a wrong one.
    MAX_CLOSED_STREAMS = 1_000

    def __init__(self, settings: Settings) -> None:
        config = H2Configuration(
            client_side=False,
            header_encoding=False,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        super().__init__(config)
        self.outbox: deque[bytes | HeldBlock] = deque()
        self.state_machine = _States()
        self._max_list = settings.max_header_list_size * _HARD
        self._unacknowledged = 1
        self._no_rfc7540_priorities: int | None = None
        self.decoder = BoundedDecoder(self._max_list)
        self.update_settings(dict(settings.advertised()))
        self._window = _DEFAULT_WINDOW
        self.open_connection_window(settings.connection_window)

    def _prepare_for_sending(self, frames: list[Frame]) -> None:
        self.outbox.extend([frame.serialize() for frame in frames])

    def open_connection_window(self, size: int) -> None:
        """Let the connection's receive window be `size` bytes, if that is more than before."""
        if size > self._window:
            self.increment_flow_control_window(size - self._window)
            self._window = size

    def open_stream_windows(self, size: int) -> None:
        """Announce another initial window for all streams."""
        self._unacknowledged += 1
        self.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})

    def serialize(self, stream: int, fields: Fields, end: bool) -> list[bytes]:
        """Return the frames of a header block, in HPACK's state of now."""
        kept, self.outbox = self.outbox, deque()
        try:
            self.send_headers(stream, fields, end_stream=end)
        finally:
            frames, self.outbox = self.outbox, kept
        return [frame for frame in frames if isinstance(frame, bytes)]

    def upgrade(self, settings: bytes) -> None:
        """Begin with stream 1, ended by its client, and the SETTINGS of RFC 7540 3.2.1, which are not acknowledged."""
        frame = SettingsFrame(0)
        frame.parse_body(memoryview(settings))
        self._check_settings(frame)
        self._receive_settings_frame(frame)
        self.state_machine.process_input(ConnectionInputs.RECV_HEADERS)
        self._begin_new_stream(1, AllowedStreamIDs.ODD).upgrade(client_side=False)

    # Streams

    def admit(self, stream: int) -> bool:
        """Tell whether a block on `stream`, not open now, begins a request; False: it is to be ignored."""
        self.state_machine.process_input(ConnectionInputs.RECV_HEADERS)
        if stream > self.highest_inbound_stream_id:
            if stream % 2 == 0:
                raise Broken(ErrorCodes.PROTOCOL_ERROR, "a client's stream with an even id")
            return True
        self._check_closed(stream)
        return False

    def _check_closed(self, stream: int) -> None:
        # RFC 9113 5.1: frames after our RST_STREAM may have been on their way; others are the peer's fault.
        if stream not in self._closed_streams:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "a stream id that is lower than the last")
        if self._closed_streams[stream] != StreamClosedBy.SEND_RST_STREAM:
            raise Broken(ErrorCodes.STREAM_CLOSED, "a frame on a closed stream")

    def open(self, stream: int, ended: bool) -> None:
        """Begin a stream; its fields are judged elsewhere."""
        self._begin_new_stream(stream, AllowedStreamIDs.ODD).receive_headers([], ended, False)

    def end(self, stream: int) -> None:
        """Trailers ended the request."""
        self.streams[stream].receive_headers([], True, False)

    def skip(self, stream: int) -> None:
        """A stream that is never opened; later frames on it are ignored."""
        self.highest_inbound_stream_id = stream
        self._closed_streams[stream] = StreamClosedBy.SEND_RST_STREAM

    def refuse(self, stream: int) -> None:
        """Skip a stream and say so."""
        self.skip(stream)
        self._prepare_for_sending([RstStreamFrame(stream, Reset.REFUSED_STREAM)])

    def close(self, stream: int) -> None:
        """Forget an ended stream's state but how it ended."""
        self._closed_streams[stream] = self.streams.pop(stream).closed_by

    def reject(self, stream: int, code: int) -> None:
        """Send RST_STREAM, unless the stream is already over on both sides."""
        if not self.streams[stream].closed:
            self.reset_stream(stream, code)

    # Frames in

    def decode(self, block: bytes) -> Fields:
        """Return a block's fields; HPACK errors end the connection (RFC 9113 4.3)."""
        try:
            return list(self.decoder.decode(block, raw=True))
        except OversizedHeaderListError as error:
            raise Broken(ErrorCodes.ENHANCE_YOUR_CALM, "a head far larger than limit.head_size") from error
        except HPACKError as error:
            raise Broken(ErrorCodes.COMPRESSION_ERROR, f"HPACK: {error}") from error

    def consume(self, frame: DataFrame) -> None:
        """Count a DATA frame against the connection's window, and check that its stream is not idle."""
        self.state_machine.process_input(ConnectionInputs.RECV_DATA)
        if frame.stream_id > self.highest_inbound_stream_id or frame.stream_id % 2 == 0:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "DATA on an idle stream")
        self._inbound_flow_control_window_manager.window_consumed(frame.flow_controlled_length)
        if frame.stream_id not in self.streams:
            self._check_closed(frame.stream_id)

    def take_data(self, frame: DataFrame) -> None:
        """Count a DATA frame against its stream's window; raises h2's FlowControlError."""
        stream = self.streams[frame.stream_id]
        stream.receive_data(frame.data, "END_STREAM" in frame.flags, frame.flow_controlled_length)

    def credit(self, size: int, stream: int = 0) -> None:
        """Give `size` bytes back to the peer: for the connection, and for a stream that still receives."""
        if stream and size:
            self.acknowledge_received_data(size, stream)
        elif size and (increment := self._inbound_flow_control_window_manager.process_bytes(size)):
            self._prepare_for_sending([WindowUpdateFrame(0, increment)])

    def control(self, frame: Frame) -> list[Event]:
        """Let h2 take SETTINGS, PING and WINDOW_UPDATE; raises h2's ProtocolError."""
        if isinstance(frame, SettingsFrame):
            self._check_settings(frame)
        return self._receive_frame(frame)

    def _check_settings(self, frame: SettingsFrame) -> None:
        if "ACK" in frame.flags:
            if not self._unacknowledged:
                raise Broken(ErrorCodes.PROTOCOL_ERROR, "SETTINGS acknowledged twice")
            self._unacknowledged -= 1
        self._check_priorities(frame)
        # h2 would keep each unknown setting, and a table as large as the peer likes.
        frame.settings = {code: value for code, value in frame.settings.items() if code in _KNOWN}
        if frame.settings.get(SettingCodes.HEADER_TABLE_SIZE, 0) > TABLE_BYTES:
            frame.settings[SettingCodes.HEADER_TABLE_SIZE] = TABLE_BYTES

    def _check_priorities(self, frame: SettingsFrame) -> None:
        # RFC 9218 2.1: 0 or 1, and not changed after the first SETTINGS, where leaving it out says 0.
        if "ACK" in frame.flags:
            return
        value = frame.settings.get(_NO_RFC7540_PRIORITIES, self._no_rfc7540_priorities or 0)
        if value > 1:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES is neither 0 nor 1")
        if self._no_rfc7540_priorities not in (None, value):
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES was changed")
        self._no_rfc7540_priorities = value

    def _local_settings_acked(self) -> dict[SettingCodes | int, ChangedSetting]:
        changes = super()._local_settings_acked()
        self.decoder.max_header_list_size = self._max_list
        return changes

    # Frames out

    def sendable(self, stream: int) -> int:
        """Return how many bytes the next DATA frame of `stream` may hold."""
        return max(0, min(self.local_flow_control_window(stream), self.max_outbound_frame_size))

    def stream_window(self, stream: int) -> int:
        """Return how much DATA the peer takes on `stream`, were the connection's window open."""
        return self.streams[stream].outbound_flow_control_window

    def send_goaway(self, last: int, code: int) -> None:
        """Queue GOAWAY."""
        self._prepare_for_sending([GoAwayFrame(0, last, code)])
