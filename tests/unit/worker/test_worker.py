"""One worker without a process: connections come and go, signals are called by hand, time is the test's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appserver.accepted import Peer
from appserver.apps.interfaces import application
from appserver.config.options import Config, LifespanOptions, LimitOptions, TimeoutOptions
from appserver.errors import StartupError
from appserver.h2 import load_engine
from appserver.http.answer import AnswerContext
from appserver.net.listeners import HTTP1, HTTP2, ListenerSettings
from appserver.net.peer import TrustList
from appserver.worker.connections import Connections
from appserver.worker.pulse import Phase
from appserver.worker.stop import StopRequest
from appserver.worker.worker import CLOSE_SECONDS, Worker
from tests.support.asgi import body, start
from tests.support.clock import ClockLoop
from tests.support.events import EventLog
from tests.support.frames import GET, Client, Data, Wire
from tests.support.transport import MemoryTransport

REQUEST = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
GRACEFUL = 30.0


class App:
    """Answers once the test says so; its lifespan writes down what happens."""

    def __init__(self, loop: ClockLoop) -> None:
        self.go = asyncio.Event()
        self.lived: list[str] = []
        self.scopes: list[Any] = []
        self.stubborn = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        self.scopes.append(scope)
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
        await send(start(200, [(b"content-length", b"5")]))
        await send(body(b"hello"))

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["pool"] = "a pool"
        while True:
            message = await receive()
            self.lived.append(message["type"])
            await send({"type": message["type"] + ".complete"})


class Monitor:
    """Who watches: the phases, and the beats of each."""

    def __init__(self) -> None:
        self.beats: list[tuple[Phase, int]] = []

    def beat(self, phase: Phase) -> None:
        if self.beats and self.beats[-1][0] is phase:
            self.beats[-1] = (phase, self.beats[-1][1] + 1)
        else:
            self.beats.append((phase, 1))


class Site:
    """A worker, what it serves, and its clients."""

    def __init__(self, loop: ClockLoop, app: Any = None, engine: str = "auto", **sections: Any) -> None:
        self.loop = loop
        self.app = App(loop)
        config = Config(**{"timeout": TimeoutOptions(graceful=GRACEFUL), **sections})
        self.answers = AnswerContext()
        target = application("auto", app or self.app, "app", self.answers, config.lifespan)
        self.connections = Connections(config, loop, load_engine(engine)[0], target, self.answers)
        self.monitor, self.stop = Monitor(), StopRequest()
        self.worker = Worker(
            config.server, config.timeout, target, self.answers, self.connections, [], self.monitor, self.stop
        )
        self.serving = loop.create_task(self.worker.serve(0.0))
        loop.turn()

    def connect(self, first: bytes = b"", protocols: tuple[str, ...] = (HTTP2, HTTP1)) -> MemoryTransport:
        transport = MemoryTransport(self.loop)
        peer = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")
        transport.connect(self.connections.front(peer, ListenerSettings(TrustList([]), protocols)))
        if first:
            self.say(transport, first)
        return transport

    def say(self, transport: MemoryTransport, data: bytes) -> bytes:
        self.loop.call_soon(transport.say, data)
        self.loop.turn()
        return transport.fresh()

    def signal(self) -> None:
        self.stop.request("SIGTERM")
        self.loop.turn(24)

    @property
    def over(self) -> bool:
        return self.serving.done() and self.serving.result() is None


Serve = Callable[..., Site]


@pytest.fixture
def loop() -> Iterator[ClockLoop]:
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


@pytest.fixture
def log() -> Iterator[EventLog]:
    log = EventLog()
    log.open()
    yield log
    log.shut()


@pytest.fixture
def serve(loop: ClockLoop, monkeypatch: pytest.MonkeyPatch) -> Serve:
    # The tests' own garbage is still to be collected.
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "collect", lambda generation=2: 0)
    return lambda *arguments, **options: Site(loop, *arguments, **options)


def test_a_life(serve: Serve, log: EventLog) -> None:
    site = serve()
    assert log.names == ["READY"]
    assert site.app.lived == ["lifespan.startup"]
    site.signal()

    assert log.names == ["READY", "STOPPING"]
    assert site.app.lived == ["lifespan.startup", "lifespan.shutdown"]
    assert site.over


def test_both_protocols_reach_the_application(serve: Serve) -> None:
    site = serve()
    site.app.go.set()
    old, new = site.connect(), site.connect()
    client, wire = Client(), Wire()

    answer = site.say(old, REQUEST)
    frames = wire.read(site.say(new, client.greet() + client.headers(1, GET, end=True)))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nhello")
    assert any(isinstance(frame, Data) and frame.body == b"hello" for frame in frames)
    assert [scope["http_version"] for scope in site.app.scopes] == ["1.1", "2"]
    assert [scope["state"] for scope in site.app.scopes] == [{"pool": "a pool"}] * 2


def test_http_1_may_be_switched_off(serve: Serve) -> None:
    site = serve()

    assert site.say(site.connect(protocols=(HTTP2,)), REQUEST).startswith(b"HTTP/1.1 505 ")
    assert site.app.scopes == []


def test_more_connections_than_the_limit_are_closed(serve: Serve) -> None:
    site = serve(limit=LimitOptions(connections=2))
    first, second, third = site.connect(), site.connect(REQUEST), site.connect()
    site.loop.turn()
    assert [transport.aborted for transport in (first, second, third)] == [False, False, True]

    first.hang_up()
    site.loop.turn()
    assert not site.connect().aborted


def test_a_connection_that_says_nothing_is_closed_by_the_tick(serve: Serve) -> None:
    site = serve()
    silent = site.connect()
    for _ in range(7):
        site.loop.advance(1.0)

    assert silent.aborted


def test_date_is_renewed_by_the_tick(serve: Serve) -> None:
    site = serve()
    site.worker._answers.date = None
    site.loop.advance(1.1)

    assert site.worker._answers.date is not None


# Stopping


def test_a_stop_waits_for_what_is_in_flight(serve: Serve, log: EventLog) -> None:
    site = serve()
    asking = site.connect(REQUEST)
    site.signal()
    site.loop.advance(GRACEFUL - 1)
    assert not site.serving.done()
    assert site.app.lived == ["lifespan.startup"]

    site.app.go.set()
    site.loop.turn()

    assert b"connection: close\r\n" in asking.written
    assert asking.written.endswith(b"hello")
    site.loop.advance(2 * CLOSE_SECONDS)
    assert site.over
    assert site.app.lived == ["lifespan.startup", "lifespan.shutdown"]
    assert log.names == ["READY", "STOPPING"]


def test_a_request_on_its_way_at_the_stop_is_answered(serve: Serve) -> None:
    site = serve()
    site.app.go.set()
    late = site.connect()
    site.signal()

    answer = site.say(late, REQUEST)

    assert answer.endswith(b"hello")
    assert b"connection: close\r\n" in answer
    site.loop.advance(CLOSE_SECONDS)
    assert site.over


def test_the_graceful_bound_cuts(serve: Serve, log: EventLog) -> None:
    site = serve()
    asking = site.connect(REQUEST)
    site.signal()
    site.loop.advance(GRACEFUL + 0.1)
    for _ in range(4):
        site.loop.advance(CLOSE_SECONDS)

    assert site.over
    assert asking.closing
    assert log.names == ["READY", "STOPPING", "FORCED"]
    assert vars(log.records[-1])["values"] == {"reason": "the graceful bound is over", "inflight": 1}
    assert site.app.lived == ["lifespan.startup", "lifespan.shutdown"]


def test_a_second_signal_cuts_at_once(serve: Serve, log: EventLog) -> None:
    site = serve()
    site.connect(REQUEST)
    site.signal()
    site.signal()
    for _ in range(4):
        site.loop.advance(CLOSE_SECONDS)

    assert site.over
    assert log.names == ["READY", "STOPPING", "FORCED"]
    assert vars(log.records[-1])["values"] == {"reason": "a second signal", "inflight": 1}


def test_an_application_that_will_not_be_cut_is_left(serve: Serve) -> None:
    site = serve()
    site.app.stubborn = True
    asking = site.connect(REQUEST)
    site.signal()
    site.signal()
    for _ in range(4):
        site.loop.advance(CLOSE_SECONDS)

    assert site.over
    assert asking.closing
    site.app.go.set()
    site.loop.turn()


def test_a_client_that_takes_nothing_does_not_hold_up_a_cut(serve: Serve) -> None:
    site = serve()
    site.app.go.set()
    stuck = site.connect()
    stuck.stuck = True
    client = Client()
    site.say(stuck, client.greet() + client.headers(1, GET, end=True))
    site.signal()
    site.signal()
    for _ in range(4):
        site.loop.advance(CLOSE_SECONDS)

    assert site.over


def test_a_stop_during_startup(serve: Serve, log: EventLog) -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        await asyncio.Event().wait()

    site = serve(app)
    assert log.names == []
    site.signal()

    assert site.over
    assert heard == ["lifespan.startup"]
    assert log.names == ["STOPPING"]


def test_a_startup_that_fails_ends_the_worker(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise LookupError("no database")

    site = serve(app, lifespan=LifespanOptions(mode="on"))

    with pytest.raises(StartupError):
        site.serving.result()


def test_only_idle_connections_at_the_bound_are_nothing_to_warn_of(serve: Serve, log: EventLog) -> None:
    site = serve(timeout=TimeoutOptions(graceful=0.4, drain_idle=1.0))
    idle = site.connect()
    site.signal()
    assert not idle.closing
    site.loop.advance(0.5)
    site.loop.advance(CLOSE_SECONDS)

    assert site.over
    assert idle.closing
    assert log.names == ["READY", "STOPPING"]


def test_a_connection_that_comes_during_the_drain_is_drained_too(serve: Serve) -> None:
    site = serve()
    site.app.go.set()
    holding = site.connect()
    site.signal()
    late = site.connect()

    assert b"connection: close\r\n" in site.say(late, REQUEST)
    holding.hang_up()
    site.loop.advance(CLOSE_SECONDS)
    assert site.over
