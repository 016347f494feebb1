"""One HTTP/2 connection between a transport, a clock and an engine that does what the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import appserver.h2.connection
from appserver.accepted import Peer
from appserver.config.options import TimeoutOptions
from appserver.contract import Application, Receiver, Request, Reset, Stream
from appserver.events import Event
from appserver.h2.engine import Settings
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits
from tests.support.asgi import make_request
from tests.support.clock import ClockLoop
from tests.support.events import EventLog
from tests.support.plain import plain
from tests.support.streams import RecordingStream
from tests.support.transport import MemoryTransport

MODULES = {"built": appserver.h2.connection, "plain": plain("appserver.h2.connection")}
SOURCE = MODULES["plain"]
LIMITS = Limits(8_190, 100, 16_384, 65_536, 100_000)
TIMEOUTS = TimeoutOptions(response_stall=30.0, h2_idle=120.0)
PEER = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")


class Engine:
    """The seam: `output` is what `take` returns, about as much as it is asked for; `heard` what was called."""

    def __init__(self, owner: Any, head: Any, peer: Peer, settings: Settings) -> None:
        self.owner = owner
        self.corked = False
        self.max_discard = -1
        self.output: list[bytes | memoryview] = []
        self.heard: list[Any] = []
        self.taken = 0
        self.inflight = 0
        self.ended = False
        self.react: Callable[[bytes], None] | None = None

    def say(self, *buffers: bytes | memoryview) -> None:
        """Have output; out of a read, ask for a flush."""
        self.output += buffers
        if not self.corked:
            self.owner.schedule()

    def upgrade(self, request: Request, settings: bytes) -> None:
        assert self.corked
        self.heard.append((request.path, settings))
        assert self.owner.begin(request, RecordingStream()) is not None

    def receive(self, data: bytes | bytearray, size: int) -> None:
        assert self.corked
        data = bytes(data[:size])
        self.heard.append(data)
        if self.react is not None:
            self.react(data)

    def take(self, max_bytes: int) -> list[bytes | memoryview]:
        self.taken += 1
        taken: list[bytes | memoryview] = []
        while self.output and sum(map(len, taken)) < max_bytes:
            taken.append(self.output.pop(0))
        return taken

    def shutdown_notice(self) -> None:
        self.heard.append("notice")
        self.say(b"<notice>")

    def goaway(self) -> None:
        self.heard.append("goaway")
        self.say(b"<goaway>")
        self.ended = not self.inflight

    def terminate(self, code: int) -> None:
        self.heard.append(("terminate", code))
        self.say(b"<terminated>")
        self.ended = True

    def expire(self, now: float, stall: float, discard: float) -> None:
        self.heard.append(("expire", now, stall, discard))

    def lose(self) -> None:
        self.heard.append("lose")


class Call(Receiver):
    """A request: what the connection calls is `start`."""

    def __init__(self, talk: Talk, request: Request) -> None:
        self.talk, self.request = talk, request

    def start(self) -> None:
        assert self.talk.engine.corked
        self.talk.started.append(self.request.path)
        self.talk.engine.say(f"<{self.request.path}>".encode())

    def on_refused(self, status: int, sent: int) -> None:
        self.talk.refused.append((self.request.path, status, sent))

    def on_drain(self) -> None:
        self.talk.drained.append(self.request.path)


class App(Application):
    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    def begin(self, request: Request, stream: Stream) -> Receiver:
        return Call(self.talk, request)


class Talk:
    """The connection, and all that surrounds it."""

    def __init__(self, loop: ClockLoop, module: Any, timeouts: TimeoutOptions = TIMEOUTS, **transport: Any) -> None:
        self.loop = loop
        self.read_buffer = bytearray(100)
        self.started: list[str] = []
        self.drained: list[str] = []
        self.refused: list[tuple[str, int, int]] = []
        self.forgotten: list[Any] = []
        self.transport = MemoryTransport(loop, **transport)
        self.connection = module.Connection(
            self.transport, PEER, App(self), AnswerContext(has_date=False), self.make, LIMITS,
            Settings(100, 65_536, 65_536, 65_536), timeouts, self,
        )  # fmt: skip
        self.transport.connect(self.connection)

    def make(self, *arguments: Any) -> Engine:
        self.engine = Engine(*arguments)
        return self.engine

    def closed(self, connection: object) -> None:
        self.forgotten.append(connection)

    def begin(self, path: str) -> bool:
        """A request arrives within a read; tell whether it was taken."""
        return self.connection.begin(make_request(path=path), RecordingStream()) is not None

    def tick(self, seconds: float = 1.0) -> None:
        self.loop.advance(seconds)
        self.connection.tick(self.loop.time())
        self.loop.turn()

    @property
    def calls(self) -> list[bytes]:
        return self.transport.calls

    @property
    def asked(self) -> list[Any]:
        """What the engine was told to do, reads and clocks aside."""
        return [call for call in self.engine.heard if not isinstance(call, bytes) and call[0] != "expire"]


@pytest.fixture
def loop() -> Iterator[ClockLoop]:
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


@pytest.fixture(params=MODULES)
def connect(request: pytest.FixtureRequest, loop: ClockLoop) -> Callable[..., Talk]:
    return lambda **options: Talk(loop, MODULES[request.param], **options)


Connect = Callable[..., Talk]


# Reading


def test_a_read_is_one_write(connect: Connect) -> None:
    talk = connect()
    talk.engine.react = lambda data: talk.engine.say(b"a", b"b", memoryview(b"c"))
    talk.transport.say(b"frames")

    assert talk.engine.heard == [b"frames"]
    assert talk.calls == [b"abc"]


def test_a_loop_may_read_into_the_workers_buffer(connect: Connect) -> None:
    talk = connect()
    buffer = talk.connection.get_buffer(65_536)
    assert buffer is talk.read_buffer

    for data in (b"frames", b"more"):
        buffer[: len(data)] = data
        talk.connection.buffer_updated(len(data))

    assert talk.engine.heard == [b"frames", b"more"]


def test_requests_run_after_the_read_that_carried_them(connect: Connect) -> None:
    talk = connect()
    order: list[Any] = []

    def two_requests(data: bytes) -> None:
        assert talk.begin("/1")
        assert talk.begin("/2")
        order.append(list(talk.started))

    talk.engine.react = two_requests
    talk.transport.say(b"frames")

    assert order == [[]]
    assert talk.started == ["/1", "/2"]
    assert talk.engine.corked is False
    talk.loop.turn()
    assert talk.transport.written == b"</1></2>"


def test_an_upgraded_request_is_answered_once_its_client_has_spoken(connect: Connect) -> None:
    talk = connect()
    talk.engine.output = [b"<settings>"]

    talk.connection.upgrade(make_request(path="/x"), b"payload")
    talk.loop.turn()

    assert (talk.engine.heard, talk.started, talk.transport.written) == ([("/x", b"payload")], ["/x"], b"<settings>")
    talk.transport.say(b"preface")
    assert talk.transport.written == b"<settings></x>"


def test_a_client_that_asks_for_http2_and_does_not_speak_it_is_cut(connect: Connect) -> None:
    talk = connect()
    talk.engine.output = [b"<settings>"]
    talk.connection.upgrade(make_request(), b"payload")
    for _ in range(32):
        talk.tick()

    assert talk.transport.aborted


def test_a_read_without_an_answer_writes_nothing(connect: Connect) -> None:
    talk = connect()
    talk.transport.say(b"half a frame")
    talk.loop.turn()

    assert talk.calls == []


# Writing


def test_streams_that_write_in_one_turn_are_one_flush(connect: Connect) -> None:
    talk = connect()
    for word in (b"one, ", b"two, ", b"three"):
        talk.engine.say(word)
    assert talk.calls == []

    talk.loop.turn()

    assert talk.calls == [b"one, two, three"]
    assert talk.engine.taken == 2  # several buffers: there may be more

    talk.engine.say(b"again")
    talk.loop.turn()
    assert talk.calls == [b"one, two, three", b"again"]


def test_large_output_goes_piece_by_piece(connect: Connect) -> None:
    talk = connect()
    large = bytes(SOURCE.WRITE_BYTES)
    for _ in range(3):
        talk.engine.output.append(large)
    talk.engine.say(b"rest")
    talk.loop.turn()

    assert [len(call) for call in talk.calls] == [len(large)] * 3 + [4]


def test_a_full_transport_is_left_alone(connect: Connect) -> None:
    talk = connect()
    talk.transport.stuck = True
    large = bytes(SOURCE.WRITE_BYTES)
    talk.engine.output += [large, large]
    talk.engine.say(b"rest")
    talk.loop.turn()
    assert len(talk.calls) == 1

    talk.transport.say(b"WINDOW_UPDATE")
    talk.connection.schedule()
    talk.loop.turn()
    assert len(talk.calls) == 1

    talk.transport.take(len(large))
    assert len(talk.calls) == 2
    talk.transport.take(len(large))
    assert talk.calls == [large, large, b"rest"]


# Closing


def test_the_end_is_a_half_close_and_a_moment_for_the_peer(connect: Connect) -> None:
    talk = connect()

    def fails(data: bytes) -> None:
        talk.engine.say(b"<goaway>")
        talk.engine.ended = True

    talk.engine.react = fails
    talk.transport.say(b"nonsense")
    assert talk.calls == [b"<goaway>"]
    assert talk.transport.eof_written
    assert not talk.transport.closing

    talk.loop.advance(SOURCE.LINGER_SECONDS - 0.1)
    assert not talk.transport.closing
    talk.loop.advance(0.2)
    assert talk.transport.closing
    assert talk.forgotten == [talk.connection]


def test_a_peer_that_closes_in_turn_need_not_wait(connect: Connect) -> None:
    talk = connect()
    talk.engine.ended = True
    talk.transport.say(b"nonsense")
    talk.transport.hang_up()
    talk.loop.turn()
    assert talk.forgotten == [talk.connection]

    talk.loop.advance(SOURCE.LINGER_SECONDS)
    assert talk.forgotten == [talk.connection]


def test_a_transport_without_half_close_is_closed(connect: Connect) -> None:
    talk = connect(half_close=False)
    talk.engine.ended = True
    talk.transport.say(b"nonsense")

    assert talk.transport.closing


def test_after_the_end_nothing_is_read_or_written(connect: Connect) -> None:
    talk = connect()
    talk.engine.ended = True
    talk.transport.say(b"nonsense")
    talk.engine.say(b"too late")
    talk.transport.say(b"more")
    talk.loop.turn()

    assert talk.calls == []
    assert talk.engine.heard == [b"nonsense"]


def test_what_a_full_transport_holds_up_is_sent_before_the_end(connect: Connect) -> None:
    talk = connect()
    talk.transport.stuck = True
    large = bytes(SOURCE.WRITE_BYTES)
    talk.engine.output.append(large)
    talk.engine.say(b"the last frame")
    talk.engine.ended = True
    talk.loop.turn()
    assert not talk.transport.eof_written

    talk.transport.take(len(large))

    assert talk.calls == [large, b"the last frame"]
    assert talk.transport.eof_written


def test_a_peer_that_does_not_take_the_end_is_cut(connect: Connect) -> None:
    talk = connect()
    talk.transport.stuck = True
    talk.engine.say(b"the last frame")
    talk.engine.ended = True
    talk.loop.turn()
    talk.tick(SOURCE.LINGER_SECONDS)
    assert talk.transport.closing

    talk.tick(29.0)
    assert not talk.transport.aborted
    talk.tick(2.0)
    assert talk.transport.aborted
    assert talk.forgotten == [talk.connection]


def test_a_lost_connection_loses_its_streams(connect: Connect) -> None:
    talk = connect()
    talk.transport.abort()
    talk.loop.turn()
    assert talk.engine.heard == ["lose"]
    assert talk.forgotten == [talk.connection]

    talk.engine.say(b"to nobody")
    talk.connection.terminate()
    talk.connection.drain()
    talk.loop.turn()
    assert talk.calls == []
    assert talk.asked == ["lose"]


def test_a_peer_that_hangs_up_is_gone(connect: Connect) -> None:
    talk = connect()
    talk.engine.inflight = 1
    talk.transport.hang_up()
    talk.loop.turn()

    assert talk.engine.heard == ["lose"]


# Draining


def test_a_drain_is_notice_pong_goaway(connect: Connect) -> None:
    talk = connect()
    talk.connection.drain()
    assert talk.calls == [b"<notice>"]
    talk.engine.react = lambda data: talk.engine.owner.on_pong()
    talk.transport.say(b"PING ACK")

    assert talk.asked == ["notice", "goaway"]
    assert talk.calls == [b"<notice>", b"<goaway>"]
    assert talk.transport.eof_written

    talk.loop.advance(SOURCE.NOTICE_SECONDS)
    assert talk.asked == ["notice", "goaway", "lose"]


def test_a_peer_that_does_not_answer_gets_a_second(connect: Connect) -> None:
    talk = connect()
    talk.connection.drain()
    talk.loop.advance(SOURCE.NOTICE_SECONDS - 0.1)
    assert talk.asked == ["notice"]
    talk.loop.advance(0.2)
    assert talk.asked == ["notice", "goaway"]

    talk.engine.owner.on_pong()
    talk.loop.turn()
    assert talk.asked == ["notice", "goaway"]


def test_what_is_in_flight_is_finished(connect: Connect) -> None:
    talk = connect()
    talk.engine.inflight = 1
    talk.connection.drain()
    talk.loop.advance(SOURCE.NOTICE_SECONDS)
    assert talk.asked == ["notice", "goaway"]
    assert not talk.transport.eof_written

    talk.engine.inflight = 0
    talk.engine.ended = True
    talk.engine.say(b"<the answer>")
    talk.loop.turn()

    assert talk.calls == [b"<notice>", b"<goaway>", b"<the answer>"]
    assert talk.transport.eof_written


def test_requests_are_taken_until_the_second_step(connect: Connect) -> None:
    talk = connect()
    talk.engine.inflight = 1
    assert talk.begin("/before")
    talk.connection.drain()
    assert talk.begin("/noticed")
    talk.engine.owner.on_pong()

    assert not talk.begin("/too late")


def test_a_request_that_comes_after_the_notice_hears_of_the_drain(connect: Connect) -> None:
    talk = connect()
    talk.engine.react = lambda data: talk.engine.heard.append(talk.begin("/x"))
    talk.transport.say(b"frames")
    talk.connection.drain()
    assert talk.drained == []  # the engine tells who was there before
    talk.transport.say(b"frames")
    assert (talk.started, talk.drained) == (["/x", "/x"], ["/x"])


def test_a_second_drain_is_none(connect: Connect) -> None:
    talk = connect()
    talk.connection.drain()
    talk.connection.drain()
    talk.loop.advance(SOURCE.NOTICE_SECONDS)
    talk.connection.drain()

    assert talk.asked == ["notice", "goaway"]


def test_a_pong_that_nobody_asked_for(connect: Connect) -> None:
    talk = connect()
    talk.engine.owner.on_pong()

    assert talk.asked == []


# The table


def test_each_state_is_left_for_good(connect: Connect) -> None:
    source = SOURCE
    order = [source.OPEN, source.NOTIFIED, source.DRAINING, source.CLOSING, source.LOST]
    for state in order:
        assert len(source.MOVES[state]) == 4
        for target in source.MOVES[state]:
            assert target == source.STAY or order.index(target) > order.index(state)
        assert state == source.LOST or source.MOVES[state][source.LOSS] == source.LOST


def test_an_engine_that_fails_ends_the_connection(connect: Connect) -> None:
    talk = connect()

    def fails(max_bytes: int) -> list[bytes]:
        raise RuntimeError("half a frame")

    talk.engine.take = fails  # type: ignore[method-assign,assignment] # a fault of ours
    with pytest.raises(RuntimeError, match="half a frame"):
        talk.transport.say(b"frames")
    assert talk.transport.aborted


# Refusing and discarding


def test_the_server_answers_what_the_engine_refuses(connect: Connect) -> None:
    talk = connect()
    stream = RecordingStream()
    talk.connection.refuse(stream, make_request(), 413, None)

    assert stream.said[0][:2] == ("respond", 413)
    assert stream.body.startswith(b"413 ")


def test_an_application_is_told_that_it_was_answered_for(connect: Connect) -> None:
    talk = connect()
    stream = RecordingStream()
    call = Call(talk, make_request(path="/up"))
    talk.connection.refuse(stream, call.request, 413, call)

    assert stream.said[0][:2] == ("respond", 413)
    assert talk.refused == [("/up", 413, len(stream.body))]


@pytest.mark.parametrize(("seconds", "size"), [(5.0, LIMITS.discard), (0.0, 0)])
def test_no_time_to_discard_is_none_to_be_discarded(connect: Connect, seconds: float, size: int) -> None:
    assert connect(timeouts=TimeoutOptions(discard=seconds)).engine.max_discard == size


# Cutting


def test_a_cut_says_goodbye(connect: Connect) -> None:
    talk = connect()
    talk.engine.inflight = 1
    talk.connection.terminate()
    talk.connection.terminate()

    assert talk.asked == [("terminate", Reset.NO_ERROR)]
    assert talk.calls == [b"<terminated>"]
    assert talk.transport.eof_written


def test_an_abort_is_at_once(connect: Connect) -> None:
    talk = connect()
    talk.connection.abort()

    assert talk.transport.aborted


# Clocks


def test_an_idle_connection_is_drained(connect: Connect) -> None:
    talk = connect()
    talk.tick(120.0)
    assert talk.asked == []

    talk.tick(1.0)
    assert talk.asked == ["notice"]


def test_ping_is_no_life(connect: Connect) -> None:
    talk = connect()
    for _ in range(13):
        talk.transport.say(b"PING")
        talk.tick(10.0)

    assert talk.asked[0] == "notice"


def test_a_request_is_life(connect: Connect) -> None:
    talk = connect()
    for _ in range(30):
        talk.begin("/quick")  # answered between two ticks
        talk.transport.say(b"")
        talk.tick(10.0)
    talk.engine.inflight = 1
    for _ in range(30):
        talk.tick(10.0)
    assert talk.asked == []

    talk.engine.inflight = 0
    talk.tick(120.0)
    assert talk.asked == []
    talk.tick(1.0)
    assert talk.asked == ["notice"]


def test_streams_that_wait_for_their_window_are_the_engines(connect: Connect) -> None:
    talk = connect()
    talk.tick()

    assert talk.engine.heard == [("expire", talk.loop.time(), 30.0, 5.0)]


def stuck(connect: Connect) -> Talk:
    talk = connect()
    talk.transport.stuck = True
    talk.engine.inflight = 1
    talk.engine.say(bytes(100_000))
    talk.loop.turn()
    assert talk.transport.paused
    return talk


def test_a_client_that_takes_nothing_is_cut(connect: Connect) -> None:
    talk = stuck(connect)
    for _ in range(31):
        talk.tick()
    assert not talk.transport.aborted

    talk.tick()

    assert talk.transport.aborted


def test_a_client_that_takes_little_is_not(connect: Connect) -> None:
    talk = stuck(connect)
    for _ in range(5):
        talk.tick(29.0)
        talk.transport.take(1)
    assert not talk.transport.aborted


def test_a_client_that_caught_up_has_its_full_time_again(connect: Connect) -> None:
    talk = stuck(connect)
    talk.tick(29.0)
    talk.transport.take(100_000)
    talk.engine.say(bytes(100_000))
    talk.loop.turn()
    talk.tick(29.0)
    talk.tick(29.0)
    assert not talk.transport.aborted

    talk.tick(2.0)
    assert talk.transport.aborted


# Telling


@pytest.mark.parametrize(("client", "name"), [(("192.0.2.1", 4711), "192.0.2.1:4711"), (None, "unix")])
def test_faults_are_logged_with_their_client(connect: Connect, client: Any, name: str) -> None:
    log = EventLog()
    log.open()
    talk = connect()
    talk.connection.peer.client = client
    talk.engine.owner.on_fault("a frame that is none")
    log.shut()
    talk.connection.peer.client = ("192.0.2.1", 4711)

    assert log.only(Event.PEER_BROKE_PROTOCOL) == {"client": name, "reason": "a frame that is none"}


def test_open_streams_are_in_flight(connect: Connect) -> None:
    talk = connect()
    talk.engine.inflight = 7

    assert talk.connection.inflight == 7
