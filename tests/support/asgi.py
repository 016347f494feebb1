"""A conversation with one `Exchange`: the test is the application, the wire and the clock.

    talk = converse(method="POST", ends=False)    a request arrived, its application runs and does what we say
    talk.on_body(b"half")                         from the wire
    assert talk.receive() == http_request(b"half", more=True)
    talk.send(start(200)); talk.send(body(b"ok"))
    assert talk.said == [("respond", 200, [], False), ("write", b"ok", True)]
    talk.leave()                                  the application returns; `leave(error)`: it raises
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from appserver.accepted import Peer
from appserver.apps.asgi.host import EAGER, Host
from appserver.apps.asgi.scope import ScopeBuilder
from appserver.contract import Fields, Request
from appserver.http.answer import AnswerContext
from appserver.ws.admission import Admission
from appserver.ws.session import SessionSettings
from tests.support.clock import ClockLoop
from tests.support.streams import RecordingStream

__all__ = [
    "DISCONNECT", "Script", "Talk", "body", "hint", "http_request", "informational", "make_request", "pathsend",
    "start", "trailers", "zerocopysend",
]

DISCONNECT = {"type": "http.disconnect"}

Message = dict[str, Any]
Script = Callable[[Message, Callable[[], Awaitable[Any]], Callable[[Message], Awaitable[None]]], Any]


def start(status: Any = 200, headers: Iterable[Any] = (), **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: Any = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def trailers(headers: Iterable[Any] = (), *, more: bool = False) -> Message:
    return {"type": "http.response.trailers", "headers": headers, "more_trailers": more}


def hint(*links: Any) -> Message:
    return {"type": "http.response.early_hint", "links": links}


def informational(status: Any = 102, headers: Iterable[Any] = ()) -> Message:
    return {"type": "http.response.informational", "status": status, "headers": headers}


def pathsend(path: Any) -> Message:
    return {"type": "http.response.pathsend", "path": path}


def zerocopysend(file: Any, **more: Any) -> Message:
    return {"type": "http.response.zerocopysend", "file": file, **more}


def http_request(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


def make_request(**values: Any) -> Request:
    """Return a GET over HTTP/2; `values` replace its attributes."""
    request = Request()
    request.method, request.target, request.path, request.raw_path = "GET", b"/", "/", b"/"
    request.version, request.ends = "2", True
    request.peer = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")
    request.client = request.peer.client
    for name, value in values.items():
        setattr(request, name, value)
    return request


class Watcher:
    """An observer: what the access log would be told."""

    def __init__(self) -> None:
        self.done: list[tuple[int, int]] = []

    def on_done(self, request: Request, status: int, sent: int, seconds: float) -> None:
        assert seconds >= 0
        self.done.append((status, sent))


class Puppet:
    """An application that waits until the test lets it go."""

    def __init__(self, loop: ClockLoop) -> None:
        self.over: asyncio.Future[None] = loop.create_future()
        self.runs = 0

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        self.runs += 1
        await self.over


class Talk:
    """One exchange between a recording stream and an application, a puppet unless `app` is given."""

    def __init__(
        self, loop: ClockLoop, exchange: Any, app: Script | None = None, *, eager: bool = True,
        sessions: SessionSettings | None = None, admission: Admission | None = None, **request: Any,
    ) -> None:  # fmt: skip
        self.loop = loop
        self.puppet = Puppet(loop)
        self.watcher = Watcher()
        self.answers = AnswerContext(has_date=False, observer=self.watcher)
        self.host = Host(app or self.puppet, self.answers, ScopeBuilder(), sessions, admission)
        self.host.bind(loop, eager and EAGER)
        self.stream = RecordingStream()
        self.request = make_request(**request)
        self.exchange = exchange.__new__(exchange)
        self.exchange.open(self.host, self.request, self.stream)
        self.arrived = 0

    # The wire's side

    def run(self) -> Talk:
        self.loop.call_soon(self.exchange.start)  # within a running loop, as a read is
        self.loop.turn()
        return self

    def on_body(self, data: bytes) -> None:
        self.arrived += len(data)
        self.exchange.on_body(data)
        self.loop.turn()

    def on_end(self, trailers: Fields | None = None) -> None:
        self.exchange.on_end(trailers or [])
        self.loop.turn()

    def on_lost(self) -> None:
        self.stream.lose()
        self.exchange.on_lost()
        self.loop.turn()

    def on_half_closed(self) -> None:
        self.exchange.on_half_closed()
        self.loop.turn()

    def on_refused(self, status: int, sent: int) -> None:
        self.stream.lose()
        self.exchange.on_refused(status, sent)
        self.loop.turn()

    def on_writable(self) -> None:
        self.stream.full_after = None
        self.stream.writable = True
        self.exchange.on_writable()
        self.loop.turn()

    @property
    def said(self) -> list[tuple[Any, ...]]:
        return self.stream.said

    # The application's side

    def receiving(self) -> asyncio.Task[Message]:
        """Call `receive` in a task of its own."""
        return self._within(self.exchange.receive)

    def receive(self) -> Message:
        """Call `receive`, which has something to tell."""
        task = self.receiving()
        assert task.done(), "receive waits"
        return task.result()

    def sending(self, message: Any) -> asyncio.Task[None]:
        """Call `send` in a task of its own."""
        return self._within(self.exchange.send, message)

    def send(self, message: Any) -> None:
        """Call `send`, which has no reason to wait."""
        task = self.sending(message)
        assert task.done(), "send waits"
        task.result()

    def _within(self, call: Callable[..., Awaitable[Any]], *arguments: Any) -> asyncio.Task[Any]:
        async def wait() -> Any:
            return await call(*arguments)

        task = self.loop.create_task(wait())
        self.loop.turn()
        return task

    def leave(self, error: BaseException | None = None) -> None:
        """Let the application return, or raise."""
        if error is None:
            self.puppet.over.set_result(None)
        else:
            self.puppet.over.set_exception(error)
        self.loop.turn()
