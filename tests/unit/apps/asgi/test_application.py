"""`AsgiApplication`: `begin` runs nothing, `start` does; and its life."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appserver.apps.asgi.application import CANCEL_SECONDS, AsgiApplication
from appserver.config.options import LifespanOptions
from appserver.contract import Application, Receiver
from appserver.errors import StartupError
from appserver.http.answer import AnswerContext
from tests.support.asgi import body, make_request, start
from tests.support.clock import ClockLoop
from tests.support.streams import RecordingStream


def serve(loop: ClockLoop, app: Any, mode: str = "off") -> AsgiApplication:
    application = AsgiApplication(app, AnswerContext(has_date=False), LifespanOptions(mode=mode))
    loop.finish(application.startup())
    return application


def test_a_request_is_taken_and_then_run(loop: ClockLoop) -> None:
    scopes: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send(start(200))
        await send(body(b"hello"))

    application, stream = serve(loop, app), RecordingStream()
    assert isinstance(application, Application)

    receiver = application.begin(make_request(path="/x"), stream)
    loop.turn()
    assert isinstance(receiver, Receiver)
    assert scopes == []

    loop.call_soon(receiver.start)
    loop.turn()
    assert [scope["path"] for scope in scopes] == ["/x"]
    assert stream.said == [("respond", 200, [], False), ("write", b"hello", True)]


def test_requests_are_exchanges_of_their_own(loop: ClockLoop) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start(200))
        await send(body(scope["path"].encode()))

    application = serve(loop, app)
    streams = [RecordingStream() for _ in range(3)]
    receivers = [
        application.begin(make_request(path=f"/{number}"), stream) for number, stream in enumerate(streams)
    ]
    for receiver in reversed(receivers):
        loop.call_soon(receiver.start)
    loop.turn()

    assert [stream.body for stream in streams] == [b"/0", b"/1", b"/2"]


# Its life


class Life:
    """An application whose requests wait until the test lets them go."""

    def __init__(self, loop: ClockLoop, mode: str = "on") -> None:
        self.loop, self.heard, self.states = loop, [], []  # type: tuple[ClockLoop, list[str], list[Any]]
        self.gate = asyncio.Event()
        self.ignores_cancel = False
        self.application = serve(loop, self, mode)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["pool"] = "a pool"
            for phase in ("startup", "shutdown"):
                self.heard.append((await receive())["type"])
                await send({"type": f"lifespan.{phase}.complete"})
            return
        self.states.append(scope.get("state"))
        await send(start(200))
        await send(body(b"answered"))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.heard.append("cancelled")
            if self.ignores_cancel:
                await self.gate.wait()
            raise

    def ask(self) -> RecordingStream:
        stream = RecordingStream()
        receiver = self.application.begin(make_request(), stream)
        self.loop.call_soon(receiver.start)
        self.loop.turn()
        return stream


def test_startup_and_shutdown_are_the_lifespans(loop: ClockLoop) -> None:
    life = Life(loop)
    assert life.heard == ["lifespan.startup"]
    life.gate.set()
    life.ask()
    loop.finish(life.application.shutdown())

    assert life.heard == ["lifespan.startup", "lifespan.shutdown"]
    assert life.states == [{"pool": "a pool"}]


def test_a_startup_that_fails(loop: ClockLoop) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(StartupError, match="no database"):
        serve(loop, app, "on")


def test_a_request_is_busy_beyond_its_answer(loop: ClockLoop) -> None:
    life = Life(loop)
    assert life.application.busy() == 0
    loop.finish(life.application.wait_idle())
    assert life.ask().ended
    life.ask()
    assert life.application.busy() == 2
    idle = loop.create_task(life.application.wait_idle())
    loop.turn()
    assert not idle.done()

    life.gate.set()
    loop.turn()

    assert idle.done()
    assert life.application.busy() == 0


def test_who_became_busy_meanwhile_is_waited_for(loop: ClockLoop) -> None:
    life = Life(loop)
    life.ask()
    idle = loop.create_task(life.application.wait_idle())
    loop.turn()
    first, life.gate = life.gate, asyncio.Event()
    life.ask()
    first.set()
    loop.turn()
    assert not idle.done()

    life.gate.set()
    loop.turn()

    assert idle.done()


def test_cancel_lets_each_see_it(loop: ClockLoop) -> None:
    life = Life(loop)
    life.ask()
    life.ask()
    loop.finish(life.application.cancel())

    assert life.heard[1:] == ["cancelled", "cancelled"]
    assert life.application.busy() == 0
    loop.finish(life.application.cancel())


def test_cancel_waits_for_nobody_longer_than_its_bound(loop: ClockLoop) -> None:
    life = Life(loop)
    life.ignores_cancel = True
    life.ask()
    cancelling = loop.create_task(life.application.cancel())
    loop.turn()
    assert not cancelling.done()

    loop.advance(CANCEL_SECONDS)

    assert cancelling.done()
    assert life.application.busy() == 1
