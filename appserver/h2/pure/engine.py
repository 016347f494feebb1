"""The pure engine: what each frame means for the streams, and the order of what goes out.

Messages are judged by `http.message` alone, frames by `reader` and `session`. Where RFC 9113 leaves a
choice it is nghttp2's: a frame on a stream that its peer has ended is a connection error (5.4.1 allows
it), a stream beyond MAX_CONCURRENT_STREAMS is refused, one after GOAWAY is ignored.
"""

from __future__ import annotations

from h2.errors import ErrorCodes
from h2.events import PingAckReceived, StreamReset
from h2.exceptions import FlowControlError, ProtocolError
from hyperframe.frame import DataFrame, ExtensionFrame, Frame, GoAwayFrame, HeadersFrame, PriorityFrame, RstStreamFrame

from appserver.accepted import Peer
from appserver.contract import Fields, Request, Reset
from appserver.h2.engine import CONNECTION_QUEUE, MAX_RESPONSE_HEAD, STREAM_QUEUE, EngineOwner, Settings
from appserver.h2.growth import GROWTH_PING, WindowGrowth
from appserver.h2.priorities import BrokenPriority, Dependency, Priority, PrioritySignals
from appserver.h2.pure.reader import Broken, Reader
from appserver.h2.pure.schedule import Schedule
from appserver.h2.pure.session import HIGHEST_STREAM, HeldBlock, Session
from appserver.h2.pure.stream import PureStream
from appserver.http.message import DROP_CONNECTION, RESET, Head

__all__ = ["Engine"]


# Frames that wait to be taken: what a peer asks for while it reads nothing. nghttp2 allows 1000 acknowledgements.
MAX_WAITING = 2_000


class Engine:
    """One connection's HTTP/2 (see `h2.engine`)."""

    def __init__(self, owner: EngineOwner, head: Head, peer: Peer, settings: Settings) -> None:
        self.owner = owner
        self.session = Session(settings)
        self.queued = 0
        self.corked = False
        self.max_discard = 0
        self._head = head
        self._peer = peer
        self._max_streams = settings.max_concurrent_streams
        self._growth = WindowGrowth(settings.stream_window, settings.max_window)
        self._reader = Reader()
        self._streams: dict[int, PureStream] = {}
        self._held: list[PureStream] = []
        self.schedule = Schedule()
        self._signals = PrioritySignals(self._max_streams)
        self._last = HIGHEST_STREAM
        self._leaving = False
        self._dead = False
        self._busy = False
        self._blocked = False

    # Bytes in

    def upgrade(self, request: Request, settings: bytes) -> None:
        """Begin with a request that came as HTTP/1.1."""
        self._busy = True
        self.session.upgrade(settings)
        self._reader.highest = 1
        stream = self._streams[1] = PureStream(self, 1, True)
        self._begin(stream, request)
        self._busy = False

    def receive(self, data: bytes | bytearray, size: int) -> None:
        """Parse bytes and make the calls up."""
        if self._dead:
            return
        self._busy = True
        try:
            for frame in self._reader.frames(data if size == len(data) else data[:size]):
                self._take_frame(frame)
                if self._dead:
                    break
                if len(self.session.outbox) > MAX_WAITING:
                    raise Broken(ErrorCodes.ENHANCE_YOUR_CALM, "frames that ask for answers and take none")
        except (Broken, BrokenPriority) as error:
            self._break(error.code, error.reason)
        except ProtocolError as error:
            self._break(error.error_code, str(error))
        finally:
            self._busy = False

    def _take_frame(self, frame: Frame) -> None:
        if isinstance(frame, HeadersFrame):
            self._take_block(frame)
        elif isinstance(frame, DataFrame):
            self._take_data(frame)
        elif isinstance(frame, RstStreamFrame):
            self._take_reset(frame)
        elif isinstance(frame, PriorityFrame | ExtensionFrame):
            self._take_priority(frame)
        elif isinstance(frame, GoAwayFrame):
            self._leaving = True
        else:
            self._take_control(frame)

    def _take_priority(self, frame: PriorityFrame | ExtensionFrame) -> None:
        highest = self.session.highest_inbound_stream_id
        if isinstance(frame, PriorityFrame):
            payload = frame.serialize()[9:]
            stream = self._streams.get(frame.stream_id)
            dependency = self._signals.take_dependency(frame.stream_id, payload, highest)
            if stream is not None and stream.request is not None:
                stream.request.dependency = dependency
            return
        number, priority = self._signals.take_update(frame.stream_id, frame.body, highest, len(self._streams))
        stream = self._streams.get(number)
        if stream is not None and priority is not None:
            if stream.request is not None:
                stream.request.priority = priority
            stream.take_priority(*priority)

    def _take_control(self, frame: Frame) -> None:
        for event in self.session.control(frame):
            if isinstance(event, PingAckReceived):
                if event.ping_data == GROWTH_PING:
                    self._grow_windows()
                else:
                    self.owner.on_pong()
            elif isinstance(event, StreamReset):
                # h2 answered a WINDOW_UPDATE that overflows the stream's window.
                self.owner.on_fault("a stream's window grew above 2**31-1")
                self._lose(self._streams[event.stream_id])
        for stream in self.schedule.parked:
            if self.session.stream_window(stream.id) > 0:
                self.schedule.unpark(stream)

    def _grow_windows(self) -> None:
        window = self._growth.on_pong()
        if window:
            self.session.open_stream_windows(window)
            self.session.open_connection_window(window)

    def _take_block(self, frame: HeadersFrame) -> None:
        if "PRIORITY" in frame.flags and frame.depends_on == frame.stream_id:
            # RFC 9113 5.3.2 deprecates priorities; what RFC 7540 5.3.1 forbids is still nothing a peer may send.
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "a stream that depends on itself")
        ended = "END_STREAM" in frame.flags
        stream = self._streams.get(frame.stream_id)
        if stream is not None and stream.remote_ended:
            raise Broken(ErrorCodes.STREAM_CLOSED, "HEADERS after END_STREAM")
        new = stream is None and self.session.admit(frame.stream_id)
        # Whatever becomes of it, each block is decoded: HPACK's state is the connection's.
        fields = self.session.decode(frame.data)
        if stream is not None:
            self._take_trailers(stream, fields, ended)
            return
        if not new:
            return
        early, dependency = self._signals.on_open(frame.stream_id)
        if frame.stream_id > self._last:
            self.session.skip(frame.stream_id)
        elif len(self._streams) >= self._max_streams:
            self.session.refuse(frame.stream_id)
        else:
            if "PRIORITY" in frame.flags:
                dependency = frame.stream_weight + 1, frame.depends_on
            self._take_request(frame.stream_id, fields, ended, early, dependency)

    def _collect(self, fields: Fields) -> None:
        head = self._head
        head.begin()
        for name, value in fields:
            head.add(name, value)
            if head.verdict == DROP_CONNECTION:
                raise Broken(ErrorCodes.ENHANCE_YOUR_CALM, head.reason)

    def _take_request(
        self, id: int, fields: Fields, ended: bool, early: Priority | None, dependency: Dependency | None
    ) -> None:
        self._collect(fields)
        request = self._head.request(self._peer, ended, "2")
        self.session.open(id, ended)
        stream = self._streams[id] = PureStream(self, id, ended)
        if request is None:
            stream.refuse_head(self._head.verdict, self._head.reason, self._head.refused(self._peer, "2"))
            return
        request.dependency = dependency
        if early is not None:
            request.priority = early  # a frame overrides the field (RFC 9218 7)
        stream.connect = request.protocol is not None
        if not ended:
            stream.meter = self._head.meter(request.length)
        self._begin(stream, request)

    def _begin(self, stream: PureStream, request: Request) -> None:
        stream.request = request
        if request.priority is not None:
            stream.take_priority(*request.priority)
        receiver = self.owner.begin(request, stream)
        if receiver is not None:
            stream.receiver = receiver
        elif not stream.responded:
            stream.reset(Reset.REFUSED_STREAM)

    def _take_trailers(self, stream: PureStream, fields: Fields, ended: bool) -> None:
        self._collect(fields)
        trailers = self._head.trailers()
        # RFC 9113 8.1: a second block without END_STREAM makes the request malformed.
        if trailers is None or not ended:
            stream.refuse_body(RESET)
            return
        self.session.end(stream.id)
        stream.take_end(trailers)

    def _take_data(self, frame: DataFrame) -> None:
        self.session.consume(frame)
        stream = self._streams.get(frame.stream_id)
        size = frame.flow_controlled_length
        if stream is None:
            self.session.credit(size)
            return
        if stream.remote_ended:
            raise Broken(ErrorCodes.STREAM_CLOSED, "DATA after END_STREAM")
        try:
            self.session.take_data(frame)
        except FlowControlError:
            self.owner.on_fault("more DATA than the stream's window allows")
            self.reset(stream, ErrorCodes.FLOW_CONTROL_ERROR)
            self.session.credit(size)
            return
        ended = "END_STREAM" in frame.flags
        stream.remote_ended = ended
        self.session.credit(size - len(frame.data), 0 if ended else stream.id)
        if frame.data:
            stream.take_body(frame.data)
        if ended and not stream.closed:
            stream.take_end([])

    def _take_reset(self, frame: RstStreamFrame) -> None:
        stream = self._streams.get(frame.stream_id)
        if stream is not None:
            self.session.streams[stream.id].stream_reset(frame)
            self._lose(stream)
        elif frame.stream_id > self.session.highest_inbound_stream_id or frame.stream_id % 2 == 0:
            raise Broken(ErrorCodes.PROTOCOL_ERROR, "RST_STREAM on an idle stream")

    # The streams' calls

    def wake(self) -> None:
        """Ask for a flush, unless one follows anyway."""
        if not self._busy and not self.corked:
            self.owner.schedule()

    def queue_interim(self, stream: PureStream, status: int, fields: Fields) -> None:
        """Queue an interim head."""
        self.session.outbox.append(HeldBlock(stream, [(b":status", b"%d" % status), *fields], False))
        self.wake()

    def hold_head(self, stream: PureStream) -> None:
        """Hold the head of an answer until the next take."""
        self._held.append(stream)
        self.wake()

    def queue_body(self, stream: PureStream, size: int) -> None:
        """Count what a stream queued, and let it take its turn."""
        self.queued += size
        if len(stream.queue) >= STREAM_QUEUE:
            stream.writable = False
        elif size and self.queued >= CONNECTION_QUEUE:
            stream.writable = False
            self._blocked = True
        if stream.queue or stream.ended:
            self.schedule.add(stream)
        self.wake()

    def measure(self, size: int) -> None:
        """An application has read `size` bytes: perhaps a window should grow."""
        if self._growth.consume(size):
            self.session.ping(GROWTH_PING)

    def reset(self, stream: PureStream, code: int) -> None:
        """Send RST_STREAM and forget the stream."""
        self.session.reject(stream.id, code)
        self._lose(stream)

    def drop(self, stream: PureStream) -> None:
        """Forget a stream; what its application has not read is credited to the connection."""
        del self._streams[stream.id]
        self.schedule.remove(stream)
        self.session.close(stream.id)
        self.queued -= stream.release()
        self.session.credit(stream.owed)

    def _lose(self, stream: PureStream) -> None:
        self.drop(stream)
        stream.lose()

    # Bytes out

    def take(self, max_bytes: int) -> list[bytes | memoryview]:
        """Return the next output, `max_bytes` and at most a frame more."""
        output: list[bytes | memoryview] = []
        outbox = self.session.outbox
        self._busy = True
        while max_bytes > 0:
            self._queue_heads()
            if outbox:
                frame = outbox.popleft()
                if isinstance(frame, HeldBlock):
                    outbox.extendleft(reversed(self._serialize(frame)))
                else:
                    max_bytes -= len(frame)
                    output.append(frame)
            elif not self._send_next():
                break
        if self._blocked and self.queued <= CONNECTION_QUEUE // 2:
            self._blocked = False
            for stream in list(self._streams.values()):
                stream.check_writable()
        self._busy = False
        return output

    def _queue_heads(self) -> None:
        held, self._held = self._held, []
        for stream in held:
            if stream.head_held:
                self.session.outbox.append(stream.make_head())

    def _serialize(self, block: HeldBlock) -> list[bytes]:
        stream = block.stream
        if stream.closed:
            return []
        if sum(len(name) + len(value) for name, value in block.fields[1:]) > MAX_RESPONSE_HEAD:
            self.reset(stream, Reset.INTERNAL_ERROR)
            return []
        frames = self.session.serialize(stream.id, block.fields, block.end)
        if block.end:
            stream.on_end_sent()
        return frames

    def _send_next(self) -> bool:
        while (stream := self.schedule.next()) is not None:
            size = min(len(stream.queue), self.session.sendable(stream.id))
            if size or not stream.queue:
                self._send(stream, size)
                return True
            if self.session.stream_window(stream.id) > 0:
                break  # the connection's is closed
            self.schedule.park(stream)
        return False

    def _send(self, stream: PureStream, size: int) -> None:
        last = stream.ended and size == len(stream.queue)
        trailers = stream.trailers if last else None
        if size or trailers is None:
            self.session.send_data(stream.id, bytes(stream.queue[:size]), end_stream=last and trailers is None)
        if size:
            self.schedule.on_sent(stream, size)
        if trailers is not None:
            self.session.send_headers(stream.id, trailers, end_stream=True)
        stream.progressed = True
        del stream.queue[:size]
        self.queued -= size
        if not stream.queue:
            self.schedule.remove(stream)
        if last:
            stream.on_end_sent()
        elif self.queued < CONNECTION_QUEUE or not stream.queue:
            # Others, whose windows are closed, may fill the connection's queue.
            stream.check_writable()

    # The end

    @property
    def ended(self) -> bool:
        """Nothing more will be read or written once `take` returns nothing."""
        return self._dead or ((self._leaving or self._last != HIGHEST_STREAM) and not self._streams)

    @property
    def inflight(self) -> int:
        """Open streams."""
        return len(self._streams)

    def expire(self, now: float, stall: float, discard: float) -> None:
        """Reset each stream whose waiting answer stood still, or whose upload was discarded for long enough."""
        moved = self.schedule.has_moved()
        for stream in list(self._streams.values()):
            if not stream.closed:
                # One that others are sent before is not stalled by its client.
                stream.progressed = stream.progressed or (moved and self.session.stream_window(stream.id) > 0)
                stream.expire(now, stall, discard)

    def shutdown_notice(self) -> None:
        """Drain, step one."""
        if self._dead:
            return
        self.session.send_goaway(HIGHEST_STREAM, Reset.NO_ERROR)
        self.session.ping(bytes(8))
        for stream in list(self._streams.values()):
            if stream.receiver is not None and not stream.closed:
                stream.receiver.on_drain()
        self.wake()

    def goaway(self) -> None:
        """Drain, step two."""
        if not self._dead and self._last == HIGHEST_STREAM:
            self._last = self.session.highest_inbound_stream_id
            self.session.send_goaway(self._last, Reset.NO_ERROR)
            self.wake()

    def terminate(self, code: int) -> None:
        """GOAWAY with `code` at once; open streams are lost."""
        if not self._dead:
            self._dead = True
            # RFC 9113 6.8: never higher than what was said before.
            self.session.send_goaway(min(self._last, self._reader.highest), code)
            self._lose_all()
            self.wake()

    def lose(self) -> None:
        """The socket is gone."""
        self._dead = True
        self._lose_all()
        self.session.outbox.clear()

    def _lose_all(self) -> None:
        streams, self._streams = self._streams, {}
        self.schedule.clear()
        self._held.clear()
        self.queued = 0
        for stream in streams.values():
            stream.release()
        for stream in streams.values():
            stream.lose()

    def _break(self, code: int, reason: str) -> None:
        self.owner.on_fault(reason)
        self.terminate(code)
