"""Lifespan: the phase table, every way to fail in each mode, deadlines, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from appserver.apps.asgi.lifespan import SEND, Lifespan, Phase
from appserver.config.options import LifespanOptions
from appserver.errors import StartupError, UnexpectedMessage
from appserver.events import Event
from tests.support.clock import ClockLoop
from tests.support.events import EventLog

COMPLETE = {"type": "lifespan.startup.complete"}
OVER = {"type": "lifespan.shutdown.complete"}
FAILED = {"type": "lifespan.startup.failed", "message": "no database"}
NOT_OVER = {"type": "lifespan.shutdown.failed", "message": "no goodbye"}

App = Callable[[Any, Any, Any], Any]


def lifespan(app: App, mode: str = "auto", startup: float = 10.0, shutdown: float = 5.0) -> Lifespan:
    return Lifespan(app, LifespanOptions(mode=mode, startup=startup, shutdown=shutdown))


async def well_behaved(scope: Any, receive: Any, send: Any) -> None:
    scope["state"]["pool"] = "a pool"
    assert await receive() == {"type": "lifespan.startup"}
    await send(COMPLETE)
    assert await receive() == {"type": "lifespan.shutdown"}
    await send(OVER)


class Endpoint:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.arguments = scope, receive, send

    def __await__(self) -> Any:
        return well_behaved(*self.arguments).__await__()


def plain_function(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    return well_behaved(scope, receive, send)


@pytest.mark.parametrize("app", [well_behaved, plain_function, Endpoint])
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_life(loop: ClockLoop, log: EventLog, app: App, mode: str) -> None:
    life = lifespan(app, mode)
    phases = [life.phase]
    loop.finish(life.startup())
    phases.append(life.phase)
    assert life.state == {"pool": "a pool"}

    loop.finish(life.shutdown())

    assert [*phases, life.phase] == [Phase.WAITING, Phase.SERVING, Phase.OVER]
    assert log.names == []
    assert not asyncio.all_tasks(loop)


def test_the_scope(loop: ClockLoop) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await well_behaved(scope, receive, send)

    life = lifespan(app)
    loop.finish(life.startup())

    assert seen == [{"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {"pool": "a pool"}}]
    assert life.state is seen[0]["state"]


def test_off_does_not_call_the_application(loop: ClockLoop, log: EventLog) -> None:
    life = lifespan(lambda *_: pytest.fail("it was called"), "off")
    loop.finish(life.startup())
    loop.finish(life.shutdown())

    assert life.phase is Phase.UNSUPPORTED
    assert life.state is None
    assert log.names == []


# The table

TYPES = (
    "lifespan.startup.complete",
    "lifespan.startup.failed",
    "lifespan.shutdown.complete",
    "lifespan.shutdown.failed",
    "lifespan.startup",
    "http.response.start",
    "",
)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind or "empty")
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_each_cell_of_the_table(loop: ClockLoop, phase: Phase, kind: str) -> None:
    life = lifespan(well_behaved)
    life.phase = phase
    if (phase, kind) in SEND:
        loop.finish(life._send({"type": kind}))
        assert life.phase is SEND[phase, kind]
    else:
        with pytest.raises(UnexpectedMessage) as caught:
            loop.finish(life._send({"type": kind}))
        assert str(caught.value) == f"{kind!r} in lifespan phase {phase.value}"
        assert life.phase is phase


def test_the_table_knows_the_messages_of_asgi() -> None:
    assert {kind for _, kind in SEND} == set(TYPES[:4])


# Applications that take no part


def raises_at_call(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("no lifespan here")


async def raises_at_once(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"


async def returns_at_once(scope: Any, receive: Any, send: Any) -> None:
    return


def returns_none(scope: Any, receive: Any, send: Any) -> None:
    return None


async def returns_after_the_event(scope: Any, receive: Any, send: Any) -> None:
    await receive()


async def speaks_http_at_once(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})


async def speaks_http_after_the_event(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200})


WITHOUT = [
    raises_at_call, raises_at_once, returns_at_once, returns_none, returns_after_the_event, speaks_http_at_once,
    speaks_http_after_the_event,
]  # fmt: skip


@pytest.mark.parametrize("app", WITHOUT)
def test_auto_serves_an_application_without_lifespan(loop: ClockLoop, log: EventLog, app: App) -> None:
    life = lifespan(app)
    loop.finish(life.startup())
    loop.finish(life.shutdown())

    assert life.phase is Phase.UNSUPPORTED
    assert life.state is None
    log.only(Event.LIFESPAN_UNSUPPORTED)


@pytest.mark.parametrize("app", WITHOUT)
def test_on_demands_it(loop: ClockLoop, app: App) -> None:
    with pytest.raises(StartupError, match=r"lifespan\.mode is on, but the application does not support lifespan"):
        loop.finish(lifespan(app, "on").startup())


# Startups that fail


async def says_so(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(FAILED)


async def says_so_and_raises(scope: Any, receive: Any, send: Any) -> None:
    await says_so(scope, receive, send)
    raise LookupError("no database")


async def says_so_and_waits(scope: Any, receive: Any, send: Any) -> None:
    await says_so(scope, receive, send)
    await receive()


@pytest.mark.parametrize("app", [says_so, says_so_and_raises, says_so_and_waits])
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_startup_that_says_that_it_failed(loop: ClockLoop, app: App, mode: str) -> None:
    life = lifespan(app, mode)
    with pytest.raises(StartupError, match="the application's startup failed: no database"):
        loop.finish(life.startup())

    assert life.phase is Phase.FAILED
    assert life.state is None
    assert not asyncio.all_tasks(loop)


@pytest.mark.parametrize("message", [{}, {"message": ""}, {"message": None}])
def test_a_failure_without_a_reason(loop: ClockLoop, message: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", **message})

    with pytest.raises(StartupError, match="it gave no reason"):
        loop.finish(lifespan(app).startup())


async def raises_at_startup(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise LookupError("no database")


def test_a_startup_that_raises_is_one_that_lifespan_may_not_stop(loop: ClockLoop) -> None:
    served = lifespan(raises_at_startup)
    loop.finish(served.startup())
    assert (served.phase, served.state) == (Phase.UNSUPPORTED, None)


def test_a_startup_that_raises_where_lifespan_is_demanded(loop: ClockLoop) -> None:
    with pytest.raises(StartupError, match="the application's startup raised") as caught:
        loop.finish(lifespan(raises_at_startup, "on").startup())

    assert isinstance(caught.value.__cause__, LookupError)


def test_a_startup_that_cancels_itself(loop: ClockLoop) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise asyncio.CancelledError

    served = lifespan(app)
    loop.finish(served.startup())
    assert served.phase is Phase.UNSUPPORTED


async def never_starts(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await asyncio.Event().wait()


async def never_starts_and_will_not_be_cancelled(scope: Any, receive: Any, send: Any) -> None:
    try:
        await never_starts(scope, receive, send)
    except asyncio.CancelledError:
        await asyncio.Event().wait()


@pytest.mark.parametrize("app", [never_starts, never_starts_and_will_not_be_cancelled])
def test_a_startup_that_takes_too_long(loop: ClockLoop, log: EventLog, app: App) -> None:
    starting = loop.create_task(lifespan(app, startup=10.0).startup())
    loop.turn()
    loop.advance(9.9)
    assert not starting.done()

    loop.advance(0.2)
    loop.advance(1.0)

    with pytest.raises(StartupError, match=r"lifespan\.startup = 10 s"):
        starting.result()
    log.only(Event.LIFESPAN_SLOW)


def test_a_stop_during_startup_leaves_no_task_behind(loop: ClockLoop, log: EventLog) -> None:
    starting = loop.create_task(lifespan(never_starts).startup())
    loop.turn()
    starting.cancel()
    loop.turn()

    assert starting.cancelled()
    assert not asyncio.all_tasks(loop)
    assert log.names == []


# Shutdowns that fail


def shut_down(loop: ClockLoop, app: App) -> Lifespan:
    life = lifespan(app)
    loop.finish(life.startup())
    assert life.phase is Phase.SERVING
    loop.finish(life.shutdown())
    assert not asyncio.all_tasks(loop)
    return life


def starts_then(*messages: dict[str, Any], error: Exception | None = None, waits: bool = True) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(COMPLETE)
        if waits:
            await receive()
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (starts_then(NOT_OVER), "no goodbye"),
        (starts_then({"type": "lifespan.shutdown.failed"}), "it gave no reason"),
        (starts_then(NOT_OVER, error=LookupError("x")), "no goodbye"),
        (starts_then(error=LookupError("x")), "LookupError('x')"),
        (starts_then(error=LookupError("x"), waits=False), "LookupError('x')"),
        (starts_then(), "the application returned without lifespan.shutdown.complete"),
        (starts_then(waits=False), "the application returned without lifespan.shutdown.complete"),
        (starts_then(COMPLETE), "UnexpectedMessage(\"'lifespan.startup.complete' in lifespan phase serving\")"),
    ],
)
def test_a_shutdown_that_fails_is_logged(loop: ClockLoop, log: EventLog, app: App, reason: str) -> None:
    shut_down(loop, app)

    assert log.only(Event.LIFESPAN_FAILED) == {"phase": "shutdown", "reason": reason}


def test_a_message_in_a_good_shutdown_is_no_failure(loop: ClockLoop, log: EventLog) -> None:
    shut_down(loop, starts_then({**OVER, "message": "goodbye"}))

    assert log.names == []


def test_an_application_that_goes_on_listening_is_put_away(loop: ClockLoop, log: EventLog) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await well_behaved(scope, receive, send)
        await receive()

    shut_down(loop, app)

    assert log.names == []


def test_a_shutdown_that_takes_too_long(loop: ClockLoop, log: EventLog) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(COMPLETE)
        await asyncio.Event().wait()

    life = lifespan(app, shutdown=5.0)
    loop.finish(life.startup())
    stopping = loop.create_task(life.shutdown())
    loop.turn()
    loop.advance(4.9)
    assert not stopping.done()

    loop.advance(0.2)

    assert stopping.result() is None
    assert log.only(Event.LIFESPAN_SLOW) == {"phase": "shutdown", "seconds": 5.0}
    assert not asyncio.all_tasks(loop)


def test_an_application_that_died_while_it_served_is_not_waited_for(loop: ClockLoop, log: EventLog) -> None:
    life = lifespan(starts_then(error=LookupError("in the background"), waits=False))
    loop.finish(life.startup())
    assert life.phase is Phase.SERVING

    loop.finish(life.shutdown())

    log.only(Event.LIFESPAN_FAILED)
    assert isinstance(log.error(), LookupError)


def test_a_second_shutdown_does_nothing(loop: ClockLoop, log: EventLog) -> None:
    life = shut_down(loop, well_behaved)
    loop.finish(life.shutdown())

    assert log.names == []
