r"""One ASGI request: `receive()` and `send()`, as two phase tables.

Owns the response phase and the queue of body bytes. Knows nothing of HTTP versions but their number.

    send     HEAD --start--> BODY --last body--> DONE
              ^ |              \--last body, trailers announced--> TRAILERS --last--> DONE
              '-' early hint        any --client lost, or the application broke off--> GONE

    receive  BODY --http.request, more_body False--> WAIT --response done or client lost--> OVER
             BODY --client lost--> OVER (http.disconnect; a whole body is never claimed)

In GONE `send` is a quiet no-op. `receive` gives one `http.disconnect` for each call made in OVER.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, MutableMapping
from types import CoroutineType
from typing import Any

from appserver.apps.asgi.host import Host
from appserver.apps.asgi.ready import DONE_AWAITABLE, Ready
from appserver.contract import Fields, Receiver, Request, Reset, Stream
from appserver.errors import BodyTooLong, BodyTooShort, InvalidMessage, UnexpectedMessage
from appserver.http.reply import has_body

__all__ = ["Exchange"]

Message = MutableMapping[str, Any]

EAGER = sys.version_info >= (3, 12)

_HEAD = 0
_BODY = 1
_TRAILERS = 2
_DONE = 3
_GONE = 4
_PHASES = ("HEAD", "BODY", "TRAILERS", "DONE", "GONE")

_START = 1
_HINT = 2
_CHUNK = 3
_TRAIL = 4
SEND: tuple[dict[str, int], ...] = (
    {"http.response.start": _START, "http.response.early_hint": _HINT},  # HEAD
    {"http.response.body": _CHUNK},  # BODY
    {"http.response.trailers": _TRAIL},  # TRAILERS
    {},  # DONE
    {},  # GONE
)

_DISCONNECT = "http.disconnect"


class Exchange(Receiver):
    """One request on the application's side."""

    __slots__ = (
        "began",
        "bodiless",
        "chunks",
        "complete",
        "drained",
        "host",
        "left",
        "phase",
        "request",
        "sent",
        "status",
        "stream",
        "task",
        "told",
        "trailers",
        "trailing",
        "waiters",
    )

    def open(self, host: Host, request: Request, stream: Stream) -> None:
        """Set the exchange up: a constructor that the compiled build calls without a tuple."""
        self.host = host
        self.request = request
        self.stream = stream
        self.phase = _HEAD
        self.chunks: list[bytes] | None = None
        self.complete = request.ends
        self.told = False
        self.bodiless = False
        self.trailing = False
        self.trailers: Fields | None = None
        self.left: int = -1
        self.status: int = 0
        self.sent: int = 0
        self.task: asyncio.Task[None] | None = None
        self.waiters: list[asyncio.Future[None]] | None = None
        self.drained: asyncio.Future[None] | None = None
        self.began: float = time.perf_counter() if host.observer is not None else 0.0

    # Called by the wire

    def start(self) -> None:
        """Run the application; eagerly where Python can, so that a quick answer is part of this read."""
        host = self.host
        if self.phase == _GONE:
            return
        try:
            coroutine = host.app(host.scope(self.request), self.receive, self.send)
            if type(coroutine) is not CoroutineType:
                coroutine = _awaited(coroutine)
            if EAGER:
                task = host.task(coroutine, **host.eager)
            else:
                task = host.task(coroutine, loop=host.loop)
        except BaseException as error:  # SystemExit too: an eager task lets it through, a worker must live
            self._failed(error)
            return
        if task.done():
            self._conclude(task)
        else:
            self.task = task
            host.running.add(task)
            task.add_done_callback(self._finished)

    def on_body(self, chunk: bytes) -> None:
        """Queue body bytes until the application reads."""
        if self.phase >= _DONE:
            self.stream.grant(len(chunk))
            return
        if self.chunks is None:
            self.chunks = [chunk]
        else:
            self.chunks.append(chunk)
        if self.waiters is not None:
            self._wake()

    def on_end(self, trailers: Fields) -> None:
        """The body is complete; ASGI has no event for request trailers."""
        self.complete = True
        if self.waiters is not None:
            self._wake()

    def on_writable(self) -> None:
        """There is room again for a waiting `send`."""
        if self.drained is not None:
            self._resume()

    def on_lost(self) -> None:
        """The client is gone: sends become no-ops, receives a disconnect."""
        if self.phase >= _DONE:
            return
        self.phase = _GONE
        self._over()

    # Receiving

    def receive(self) -> Awaitable[Message]:
        """ASGI receive: done at once if there is something to tell."""
        message = self._next()
        if message is not None:
            return Ready(message)
        return self._receive()

    def _next(self) -> Message | None:
        if self.phase >= _DONE:
            return {"type": _DISCONNECT}
        chunks = self.chunks
        if chunks is not None:
            self.chunks = None
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self.told = self.complete
            self.stream.grant(len(body))
            return {"type": "http.request", "body": body, "more_body": not self.complete}
        if self.complete and not self.told:
            self.told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return None

    async def _receive(self) -> Message:
        # Much may have come since it was called, if it is run as a task.
        message = self._next()
        if message is not None:
            return message
        if self.request.expects and self.phase == _HEAD and not self.told:
            self.request.expects = False
            self.stream.inform(100, [])
        while True:
            waiter = self.host.loop.create_future()
            if self.waiters is None:
                self.waiters = [waiter]
            else:
                # A framework that polls for the disconnect cancels one wait after the other.
                self.waiters = [other for other in self.waiters if not other.done()]
                self.waiters.append(waiter)
            await waiter
            message = self._next()
            if message is not None:
                return message

    def _wake(self) -> None:
        waiters = self.waiters
        self.waiters = None
        if waiters is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    # Sending

    def send(self, message: Message) -> Awaitable[None]:
        """ASGI send: done at once unless the client or the connection must catch up."""
        phase = self.phase
        if phase == _GONE:
            return asyncio.sleep(0)  # an endless application must not keep the loop to itself
        if type(message) is not dict:
            message = dict(message)
        table = SEND[phase]
        step = table.get(message["type"], 0)
        if step == _START:
            self._start(message)
        elif step == _CHUNK:
            return self._body(message)
        elif step == _HINT:
            self._hint(message)
        elif step == _TRAIL:
            self._trailers(message)
        else:
            raise UnexpectedMessage(f"{message['type']!r} in phase {_PHASES[phase]}; allowed: {', '.join(table) or 'nothing'}")
        return DONE_AWAITABLE

    def _start(self, message: Message) -> None:
        request = self.request
        host = self.host
        status = message["status"]
        if type(status) is not int or status < 200 or status > 999:
            if not isinstance(status, int) or not 200 <= status <= 999:
                raise InvalidMessage(f"a final response status is 200 to 999, not {status!r}")
            status = int(status)
        reply = host.reply
        reply.judge(message.get("headers", ()), request.version == "2")
        fields = reply.fields
        if not reply.dated and host.date is not None:
            fields.append(host.date)
        if not reply.served and host.server is not None:
            fields.append(host.server)
        self.status = status
        self.left = reply.length
        self.trailing = bool(message.get("trailers", False))
        self.bodiless = not has_body(status, request.method == "HEAD")
        if status == 204 and self.left >= 0:
            # RFC 9110 8.6
            fields = [pair for pair in fields if pair[0] != b"content-length"]
        self.phase = _BODY
        self.stream.respond(status, fields, self.bodiless)

    def _hint(self, message: Message) -> None:
        links = [(b"link", bytes(link)) for link in message.get("links", ())]
        reply = self.host.reply
        reply.judge(links, True)
        if self.request.version != "1.0":
            self.stream.inform(103, reply.fields)

    def _body(self, message: Message) -> Awaitable[None]:
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if type(body) is not bytes:
            body = _to_bytes(body)
        if self.bodiless:
            if not more:
                if self.trailing:
                    self.phase = _TRAILERS
                else:
                    self._done()
            return DONE_AWAITABLE
        stream = self.stream
        size = len(body)
        if self.left >= 0:
            if size > self.left:
                self._too_long(body)
            if not more and size < self.left:
                self._break_off()
                raise BodyTooShort(f"the body ended {self.left - size} bytes before its content-length")
            self.left -= size
        self.sent += size
        if more:
            if size:
                stream.write(body, False)
                if not stream.writable:
                    return self._drain()
        elif self.trailing:
            if size:
                stream.write(body, False)
            self.phase = _TRAILERS
        else:
            stream.write(body, True)
            self._done()
        return DONE_AWAITABLE

    def _too_long(self, body: bytes) -> None:
        excess = len(body) - self.left
        if self.left:
            self.sent += self.left
            self.stream.write(body[: self.left], False)
        self._break_off()
        raise BodyTooLong(f"the body is longer than its content-length by at least {excess} bytes")

    def _trailers(self, message: Message) -> None:
        reply = self.host.reply
        reply.judge(message.get("headers", ()), True)
        if reply.length >= 0:
            raise InvalidMessage("content-length in trailers")
        fields = reply.fields if self.trailers is None else self.trailers + reply.fields
        if message.get("more_trailers", False):
            self.trailers = fields
            return
        if not self.bodiless:
            self.stream.finish(fields if self.request.trailers_accepted else [])
        self._done()

    async def _drain(self) -> None:
        # Several tasks may send; they share the wait, and none may cancel it for the others.
        while not self.stream.writable and self.phase < _DONE:
            if self.drained is None:
                self.drained = self.host.loop.create_future()
            await asyncio.shield(self.drained)

    def _resume(self) -> None:
        drained = self.drained
        self.drained = None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # Ending

    def _done(self) -> None:
        self.phase = _DONE
        self._over()

    def _break_off(self) -> None:
        self.phase = _GONE
        self.stream.reset(Reset.INTERNAL_ERROR)
        self._over()

    def _over(self) -> None:
        if self.chunks is not None:
            owed = sum([len(chunk) for chunk in self.chunks])
            self.chunks = None
            self.stream.grant(owed)
        if self.waiters is not None:
            self._wake()
        if self.drained is not None:
            self._resume()
        host = self.host
        if host.observer is not None:
            host.observer.on_done(self.request, self.status, self.sent, time.perf_counter() - self.began)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if self.task is not None:
            self.task = None
            self.host.running.discard(task)
        self._conclude(task)

    def _conclude(self, task: asyncio.Task[None]) -> None:
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:
            # Not the application's fault if it was cut at a stop.
            self._failed(None if task.cancelling() or self.phase >= _DONE else cancelled)
            return
        if error is not None:
            self._failed(error)
        elif self.phase < _DONE:
            self._failed(UnexpectedMessage(f"the application returned in phase {_PHASES[self.phase]}"))

    def _failed(self, error: BaseException | None) -> None:
        if error is not None:
            self.host.report(self.request, error)
        if self.phase == _HEAD:
            if error is not None:
                self._answer(500, b"Internal Server Error\n")
            else:
                self._answer(503, b"Service Unavailable\n")
        elif self.phase < _DONE:
            if self.bodiless:
                self._done()
            else:
                self._break_off()

    def _answer(self, status: int, text: bytes) -> None:
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
        if self.request.method == "HEAD":
            text = b""
        if self.host.date is not None:
            fields.append(self.host.date)
        if self.host.server is not None:
            fields.append(self.host.server)
        self.status = status
        self.sent = len(text)
        self.stream.respond(status, fields, not text)
        if text:
            self.stream.write(text, True)
        self._done()


async def _awaited(awaitable: Awaitable[None]) -> None:
    # A task takes coroutines only; an application may return anything that can be awaited.
    await awaitable


def _to_bytes(body: object) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise InvalidMessage(f"a response body is bytes, not {type(body).__name__}")
