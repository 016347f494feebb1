"""`AsgiApplication`: `begin` runs nothing, `start` does."""

from __future__ import annotations

from typing import Any

from appserver.apps.asgi.application import AsgiApplication
from appserver.apps.asgi.host import Host
from appserver.contract import Application, Receiver
from tests.support.asgi import body, make_request, start
from tests.support.clock import ClockLoop
from tests.support.streams import RecordingStream


def test_a_request_is_taken_and_then_run(loop: ClockLoop) -> None:
    scopes: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send(start(200))
        await send(body(b"hello"))

    application, stream = AsgiApplication(Host(app, loop, dated=False)), RecordingStream()
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

    application = AsgiApplication(Host(app, loop, dated=False))
    streams = [RecordingStream() for _ in range(3)]
    receivers = [
        application.begin(make_request(path=f"/{number}"), stream) for number, stream in enumerate(streams)
    ]
    for receiver in reversed(receivers):
        loop.call_soon(receiver.start)
    loop.turn()

    assert [stream.body for stream in streams] == [b"/0", b"/1", b"/2"]
