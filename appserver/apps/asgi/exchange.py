r"""One ASGI request: what `receive()` and `send()` do, as phase tables.

Owns the queue of body bytes and who waits; the response is `Answer`'s part, whose phases these are. Knows nothing of
HTTP versions.

    send     HEAD --start--> BODY --last body--> DONE
              ^ |              \--last body, trailers announced--> TRAILERS --last--> DONE
              '-' early hint

    receive  BODY --http.request, more_body False--> WAIT --answer over, or client's half closed--> OVER
             BODY --client lost--> OVER (http.disconnect; a whole body is never claimed)

After the client is lost `send` raises ClientDisconnected. `receive` gives one `http.disconnect` for each call in OVER.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from appserver.apps.asgi.awaitables import Channel, Message, Receiving, Sending
from appserver.apps.asgi.host import Host
from appserver.contract import Fields, Request, Stream
from appserver.errors import (
    ClientDisconnected,
    InvalidMessage,
    NotServed,
    Stopping,
    UnexpectedMessage,
    status_of,
)
from appserver.http.answer import PHASES

__all__ = ["Exchange"]

_DONE = PHASES.index("DONE")
_LOST = PHASES.index("LOST")

_START = 1
_HINT = 2
_CHUNK = 3
_TRAIL = 4
SEND: tuple[dict[str, int], ...] = (
    {"http.response.start": _START, "http.response.early_hint": _HINT},  # HEAD
    {"http.response.body": _CHUNK},  # BODY
    {"http.response.trailers": _TRAIL},  # TRAILERS
)

_DISCONNECT = "http.disconnect"

# An application that never waits yields to the loop after so many bytes; each message counts as some.
BURST_BYTES = 262_144
MESSAGE_BYTES = 4_096
# So long an application may send a body that nobody gets (HEAD): it might have no end.
DISCARD_SECONDS = 5.0


class Exchange(Channel):
    """One request on the application's side."""

    __slots__ = (
        "_body_complete",
        "_body_received",
        "_burst",
        "_chunks",
        "_discarding_since",
        "_disconnect_received",
        "_half_closed",
        "_host",
        "_receive_waiters",
        "_send_waiter",
        "_task",
        "_trailers",
        "_trailers_announced",
    )

    def open(self, host: Host, request: Request, stream: Stream) -> None:
        """Set the exchange up: a constructor that the compiled build calls without a tuple."""
        self.open_channel(host.answers, request, stream)
        self._host = host
        self._chunks: list[bytes] | None = None
        self._body_complete = request.ends
        self._body_received = False
        self._half_closed = False
        self._disconnect_received = False
        self._trailers_announced = False
        self._trailers: Fields | None = None
        self._burst: int = 0
        self._discarding_since: float = 0.0
        self._task: asyncio.Task[None] | None = None
        self._receive_waiters: list[asyncio.Future[None]] | None = None
        self._send_waiter: asyncio.Future[None] | None = None

    # Called by the wire

    def start(self) -> None:
        """Run the application in a task; eagerly where Python can, so that its answer is part of this read."""
        host = self._host
        request = self.request
        if self.phase >= _DONE:
            return
        if request.protocol is not None or request.method == "CONNECT":
            self._fail(NotServed("ASGI has no tunnels"))
            return
        try:
            scope = host.scopes.build(request)
            if host.app_is_coroutine_function:
                coroutine = host.app(scope, self.receive, self.send)
            else:
                coroutine = _call(host.app, scope, self.receive, self.send)
            task = host.task(coroutine)
        except BaseException as error:  # SystemExit too: an eager task lets it through, a worker must live
            self._fail(error)
            return
        if task.done():
            self._conclude(task)
        else:
            self._task = task
            host.running.add(task)
            task.add_done_callback(self._finished)

    def on_body(self, chunk: bytes) -> None:
        """Queue body bytes until the application reads."""
        if self.phase >= _DONE:
            self.stream.grant(len(chunk))
            return
        if self._chunks is None:
            self._chunks = [chunk]
        else:
            self._chunks.append(chunk)
        if self._receive_waiters is not None:
            self._wake_receivers()

    def on_end(self, trailers: Fields) -> None:
        """The body is complete; ASGI has no event for request trailers."""
        self._body_complete = True
        if self._receive_waiters is not None:
            self._wake_receivers()

    def on_half_closed(self) -> None:
        """The client sends nothing more, and may still read: receives give a disconnect, sends go on."""
        self._half_closed = True
        if self._receive_waiters is not None:
            self._wake_receivers()

    def on_writable(self) -> None:
        """There is room again for a waiting `send`."""
        if self._send_waiter is not None:
            self._wake_senders()

    def on_drain(self) -> None:
        """Nothing: an event stream could end here, but ASGI has no word for a stop (a later issue brings one)."""

    # Receiving

    def receive(self) -> Receiving:
        """ASGI receive."""
        receiving = Receiving.__new__(Receiving)
        receiving.open(self)
        return receiving

    def next_message(self) -> Message | None:
        """Return what there is to tell; None if there is nothing, or the loop has waited long enough."""
        if self.phase >= _DONE:
            return self._disconnect()
        chunks = self._chunks
        if chunks is not None:
            self._chunks = None
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._body_received = self._body_complete
            self.stream.grant(len(body))
            return {"type": "http.request", "body": body, "more_body": not self._body_complete}
        if self._body_complete and not self._body_received:
            self._body_received = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._half_closed:
            return self._disconnect()
        return None

    def _disconnect(self) -> Message | None:
        self._burst += MESSAGE_BYTES
        self._disconnect_received = True
        return {"type": _DISCONNECT} if self._burst <= BURST_BYTES else None

    async def wait_for_message(self) -> Message:
        """Wait until there is something to tell."""
        if self._burst > BURST_BYTES:
            # It receives http.disconnect again and again.
            self._burst = 0
            await asyncio.sleep(0)
        elif not self._body_received:
            self.proceed()
        while True:
            message = self.next_message()
            if message is not None:
                return message
            waiter: asyncio.Future[None] = self._host.loop.create_future()  # type: ignore[union-attr] # runs in it
            if self._receive_waiters is None:
                self._receive_waiters = [waiter]
            else:
                # A framework that polls for the disconnect cancels one wait after the other.
                self._receive_waiters = [other for other in self._receive_waiters if not other.done()]
                self._receive_waiters.append(waiter)
            await waiter

    def _wake_receivers(self) -> None:
        waiters = self._receive_waiters
        self._receive_waiters = None
        if waiters is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    # Sending

    def send(self, message: Message) -> Sending:
        """ASGI send."""
        sending = self.spare
        if sending is None:
            sending = Sending.__new__(Sending)
        else:
            self.spare = None
        sending.open(self, message)
        return sending

    def take_message(self, anything: Message) -> Coroutine[Any, Any, None] | None:
        """Do what `send` is asked; return what it must wait for: the client, the connection, or its turn."""
        phase = self.phase
        if phase >= _DONE:
            return self._send_after_end(anything)
        message = anything if type(anything) is dict else dict(anything)
        table = SEND[phase]
        step = table.get(message["type"], 0)
        if step == _CHUNK:
            return self._send_body(message)
        if step == _START:
            self.respond(message["status"], message.get("headers", ()))
            self._trailers_announced = bool(message.get("trailers", False))
        elif step == _HINT:
            self.inform(103, [(b"link", bytes(link)) for link in message.get("links", ())])
        elif step == _TRAIL:
            self._send_trailers(message)
        else:
            raise UnexpectedMessage(f"{message['type']!r} in phase {PHASES[phase]}; allowed: {', '.join(table)}")
        return None

    def _send_body(self, message: Message) -> Coroutine[Any, Any, None] | None:
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if type(body) is not bytes:
            body = _to_bytes(body)
        if more:
            self.write(body)
            self._burst += len(body) + MESSAGE_BYTES
            if self.bodiless:
                return self._discard(message)
            if self._burst > BURST_BYTES or not self.stream.writable:
                return self._wait_for_room()
        elif self._trailers_announced:
            self.end_content(body)
        else:
            self.end(body)
        return None

    def _send_trailers(self, message: Message) -> None:
        reply = self._host.answers.reply
        reply.judge_trailers(message.get("headers", ()))
        fields = reply.fields if self._trailers is None else self._trailers + reply.fields
        if message.get("more_trailers", False):
            self._trailers = fields
            return
        self.finish(fields)

    async def _wait_for_room(self) -> None:
        if self._burst > BURST_BYTES:
            self._burst = 0
            await asyncio.sleep(0)
        # Several tasks may send; they share the wait, and none may cancel it for the others.
        while not self.stream.writable and self.phase < _DONE:
            self._burst = 0
            if self._send_waiter is None:
                self._send_waiter = self._host.loop.create_future()  # type: ignore[union-attr] # as above
            await asyncio.shield(self._send_waiter)
        if self.phase == _LOST:
            raise ClientDisconnected("the client is gone")

    def _discard(self, message: Message) -> Coroutine[Any, Any, None] | None:
        # The stream is over, the wire will not say when the client goes.
        now: float = self._host.loop.time()  # type: ignore[union-attr] # as above
        if not self._discarding_since:
            self._discarding_since = now
        elif now - self._discarding_since > DISCARD_SECONDS:
            self.on_lost()
            return self._send_after_end(message)
        return self._wait_for_room() if self._burst > BURST_BYTES else None

    async def _send_after_end(self, message: Message) -> None:
        # An application that swallows the error, and has no end, must not keep the loop to itself.
        await asyncio.sleep(0)
        if self.phase == _LOST:
            raise ClientDisconnected("the client is gone")
        raise UnexpectedMessage(f"{message['type']!r} in phase {PHASES[self.phase]}; allowed: nothing")

    def _wake_senders(self) -> None:
        waiter = self._send_waiter
        self._send_waiter = None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # Ending

    def closed(self) -> None:
        """The answer is over: what the client is owed is granted, who waits is woken."""
        chunks = self._chunks
        if chunks is not None:
            self._chunks = None
            self.stream.grant(sum([len(chunk) for chunk in chunks]))
        if self._receive_waiters is not None:
            self._wake_receivers()
        if self._send_waiter is not None:
            self._wake_senders()

    def _finished(self, task: asyncio.Task[None]) -> None:
        if self._task is not None:
            self._task = None
            self._host.running.discard(task)
        self._conclude(task)

    def _conclude(self, task: asyncio.Task[None]) -> None:
        phase = self.phase
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:
            # Not the application's fault if it was cut at a stop.
            self._fail(Stopping("cut at a stop") if task.cancelling() or phase >= _DONE else cancelled)
            return
        if error is not None:
            self._fail(error)
        elif phase < _DONE:
            # Who was told that the client closed its half may take it for gone.
            left = self._half_closed and self._disconnect_received
            said = f"the application returned in phase {PHASES[phase]}"
            self._fail(ClientDisconnected(said) if left else UnexpectedMessage(said))

    def _fail(self, error: BaseException) -> None:
        left = (self.phase == _LOST or self._half_closed) and _is_disconnect(error)
        stopping = isinstance(error, Stopping)
        if not left and not stopping and not isinstance(error, NotServed):
            self._host.report(self.request, error)
        if self.phase < _DONE:
            if stopping:
                self.cut(status_of(error))
            else:
                self.fail(status_of(error))


async def _call(app: Callable[..., Any], scope: Message, receive: Any, send: Any) -> None:
    # Within the task: what an application does before there is something to await has its context, too.
    await app(scope, receive, send)


def _is_disconnect(error: BaseException) -> bool:
    """Tell whether an application let pass that its client left: our word for it, a framework's, or a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_disconnect(each) for each in error.exceptions)
    # Starlette's ClientDisconnect is raised without `from`, and on http.disconnect as well.
    named = "disconnect" in type(error).__name__.lower()
    return named or isinstance(error, ClientDisconnected) or isinstance(error.__cause__, ClientDisconnected)


def _to_bytes(body: object) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise InvalidMessage(f"a response body is bytes, not {type(body).__name__}")
