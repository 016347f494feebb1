"""One worker without a process: connections come and go, signals are called by hand, time is the test's."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appserver.apps.loader import Loaded
from appserver.config.options import Config, LifespanOptions, LimitOptions, ServerOptions, TimeoutOptions
from appserver.errors import StartupError
from appserver.events import Event
from appserver.h2 import load_engine
from appserver.worker.worker import CUT_SECONDS, Worker, _run_through
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


class Site:
    """A worker, what it serves, and its clients."""

    def __init__(self, loop: ClockLoop, app: Any = None, engine: str = "auto", **sections: Any) -> None:
        self.loop = loop
        self.app = App(loop)
        config = Config(timeout=TimeoutOptions(graceful=GRACEFUL), **sections)
        self.worker = Worker(config, Loaded(app or self.app, "app"), load_engine(engine)[0], [], loop)
        self.serving = loop.create_task(self.worker.serve(0.0))
        loop.turn()

    def connect(self, first: bytes = b"") -> MemoryTransport:
        transport = MemoryTransport(self.loop)
        transport.connect(self.worker._front())
        if first:
            self.say(transport, first)
        return transport

    def say(self, transport: MemoryTransport, data: bytes) -> bytes:
        self.loop.call_soon(transport.say, data)
        self.loop.turn()
        return transport.fresh()

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.worker._on_signal(number)
        self.loop.turn()

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
    site = serve(server=ServerOptions(http1=False))

    assert site.say(site.connect(), REQUEST).startswith(b"HTTP/1.1 505 ")
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
    site.loop.advance(2 * CUT_SECONDS)
    assert site.over
    assert site.app.lived == ["lifespan.startup", "lifespan.shutdown"]
    assert log.names == ["READY", "STOPPING"]


def test_a_request_on_its_way_at_the_stop_is_answered(serve: Serve) -> None:
    site = serve()
    site.app.go.set()
    late = site.connect()
    site.signal(signal.SIGINT)

    answer = site.say(late, REQUEST)

    assert answer.endswith(b"hello")
    assert b"connection: close\r\n" in answer
    site.loop.advance(CUT_SECONDS)
    assert site.over


def test_the_graceful_bound_cuts(serve: Serve, log: EventLog) -> None:
    site = serve()
    asking = site.connect(REQUEST)
    site.signal()
    site.loop.advance(GRACEFUL + 0.1)
    for _ in range(4):
        site.loop.advance(CUT_SECONDS)

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
        site.loop.advance(CUT_SECONDS)

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
        site.loop.advance(CUT_SECONDS)

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
        site.loop.advance(CUT_SECONDS)

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


# What goes wrong elsewhere


def test_a_fault_in_a_background_task_is_told(serve: Serve, loop: ClockLoop, log: EventLog) -> None:
    site = serve()
    error = LookupError("in the background")
    loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": error})

    assert log.names == ["READY", "APPLICATION_TASK_FAILED"]
    assert not site.serving.done()


def test_a_fault_of_our_own_is_told_as_that(serve: Serve, loop: ClockLoop, log: EventLog) -> None:
    serve()
    loop.call_exception_handler({"message": "Fatal error", "exception": LookupError(), "protocol": object()})

    assert log.names == ["READY", "INTERNAL_ERROR"]


@pytest.mark.parametrize("number", [3, None])
def test_an_application_that_exits_in_a_task_does_not_end_the_loop(
    loop: ClockLoop, log: EventLog, number: int | None
) -> None:
    went_on: list[bool] = []

    async def exits() -> None:
        raise SystemExit(number)

    async def serve() -> None:
        task = asyncio.ensure_future(exits())
        await asyncio.wait({task})
        task.exception()
        went_on.append(True)

    loop.add_signal_handler(signal.SIGINT, went_on.clear)  # as a worker that serves has one
    _run_through(loop, loop.create_task(serve()))
    loop.remove_signal_handler(signal.SIGINT)

    assert went_on == [True]
    assert log.only(Event.APPLICATION_EXIT) == {"code": number}


def test_what_ends_the_worker_ends_the_loop(loop: ClockLoop) -> None:
    async def serve() -> None:
        raise StartupError("no")

    with pytest.raises(StartupError):
        _run_through(loop, loop.create_task(serve()))
