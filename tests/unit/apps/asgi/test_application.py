"""`AsgiApplication`: `begin` runs nothing, `start` does."""

from __future__ import annotations

from typing import Any

from appserver.apps.asgi.application import AsgiApplication
from appserver.config.options import LifespanOptions
from appserver.contract import Application, Receiver
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
