r"""One ASGI request: what `receive()` and `send()` do, as phase tables.

Owns the queue of body bytes and who waits; the response is `Answer`'s part, whose phases these are. Knows nothing of
HTTP versions.

    send     HEAD --start--> BODY --last body--> DONE
              ^ |            ^ | \--last body, trailers announced--> TRAILERS --last--> DONE
              '-'            | '--a file--> FILE --sent--> as a last body (`files`)
          1xx, in BODY too   '--more_body--'

    receive  BODY --http.request, more_body False--> WAIT --answer over, or client's half closed--> OVER
             BODY --client lost--> OVER (http.disconnect; a whole body is never claimed)

After the client is lost `send` raises ClientDisconnected. `receive` gives one `http.disconnect` for each call in OVER.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from appserver.apps.asgi.awaitables import Message
from appserver.apps.asgi.conversation import BURST_BYTES, MESSAGE_BYTES, Conversation, is_disconnect
from appserver.apps.asgi.files import send_descriptor, send_path
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

_TRAILERS = PHASES.index("TRAILERS")
_DONE = PHASES.index("DONE")
_LOST = PHASES.index("LOST")

_START = 1
_HINT = 2
_CHUNK = 3
_TRAIL = 4
_INFORM = 5
_PATH = 6
_DESCRIPTOR = 7
# What comes after the head is no wrong message, as other servers want it there; it is sent if the head is still here.
_INTERIM = {"http.response.early_hint": _HINT, "http.response.informational": _INFORM}
SEND: tuple[dict[str, int], ...] = (
    {"http.response.start": _START, **_INTERIM},  # HEAD
    {
        "http.response.body": _CHUNK, "http.response.pathsend": _PATH, "http.response.zerocopysend": _DESCRIPTOR,
        **_INTERIM,
    },  # BODY
    {"http.response.trailers": _TRAIL},  # TRAILERS
    {},  # FILE
)  # fmt: skip

_DISCONNECT = "http.disconnect"

# So long an application may send a body that nobody gets (HEAD): it might have no end.
DISCARD_SECONDS = 5.0


class Exchange(Conversation):
    """One request on the application's side."""

    __slots__ = (
        "_body_complete", "_body_received", "_chunks", "_discarding_since", "_disconnect_received", "_half_closed",
        "_request_trailers", "_trailers", "_trailers_promised",
    )  # fmt: skip

    def open(self, host: Host, request: Request, stream: Stream) -> None:
        """Set the exchange up: a constructor that the compiled build calls without a tuple."""
        self.open_conversation(host, request, stream)
        self._chunks: list[bytes] | None = None
        self._body_complete = request.ends
        self._body_received = False
        self._half_closed = False
        self._disconnect_received = False
        self._trailers_promised = False
        self._trailers: Fields | None = None
        self._request_trailers: Fields | None = None
        self._discarding_since: float = 0.0

    # Called by the wire

    def start(self) -> None:
        """Run the application."""
        request = self.request
        if self.phase >= _DONE:
            return
        if request.protocol is not None or request.method == "CONNECT":
            self.on_error(NotServed("ASGI has no tunnels"))
            return
        self.run(self.host.scopes.build(request))

    def on_body(self, chunk: bytes) -> None:
        """Queue body bytes until the application reads."""
        if self.phase >= _DONE:
            self.stream.grant(len(chunk))
            return
        if self._chunks is None:
            self._chunks = [chunk]
        else:
            self._chunks.append(chunk)
        if self.receive_waiters is not None:
            self.wake_receivers()

    def on_end(self, trailers: Fields) -> None:
        """The body is complete; trailers come with its last message."""
        self._body_complete = True
        if trailers:
            self._request_trailers = trailers
        if self.receive_waiters is not None:
            self.wake_receivers()

    def on_half_closed(self) -> None:
        """The client sends nothing more, and may still read: receives give a disconnect, sends go on."""
        self._half_closed = True
        if self.receive_waiters is not None:
            self.wake_receivers()

    def on_writable(self) -> None:
        """There is room again for a waiting `send`."""
        if self.send_waiter is not None:
            self.wake_senders()

    def on_drain(self) -> None:
        """Nothing: an event stream could end here, but ASGI has no word for a stop (a later issue brings one)."""

    # Receiving

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
            if self._body_complete and self._request_trailers is not None:
                return self._last_with_trailers(body)
            return {"type": "http.request", "body": body, "more_body": not self._body_complete}
        if self._body_complete and not self._body_received:
            self._body_received = True
            if self._request_trailers is not None:
                return self._last_with_trailers(b"")
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._half_closed:
            return self._disconnect()
        return None

    def _last_with_trailers(self, body: bytes) -> Message:
        # Our extension http.request.trailers: a key, as frameworks take a message after the last one for a mistake.
        return {"type": "http.request", "body": body, "more_body": False, "trailers": self._request_trailers}

    def _disconnect(self) -> Message | None:
        self.burst += MESSAGE_BYTES
        self._disconnect_received = True
        return {"type": _DISCONNECT} if self.burst <= BURST_BYTES else None

    def wait_for_message(self) -> Awaitable[None]:
        """Return what ends when there may be something to tell."""
        if self.burst > BURST_BYTES:
            # It receives http.disconnect again and again: the loop has a turn.
            self.burst = 0
            return asyncio.sleep(0)
        if not self._body_received:
            self.proceed()
        return self.receive_waiter()

    # Sending

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
            self._trailers_promised = bool(message.get("trailers", False))
            self.respond(message["status"], message.get("headers", ()), self._trailers_promised)
        elif step == _HINT:
            return self._send_interim(103, _to_fields(message.get("links", ())))
        elif step == _INFORM:
            return self._send_interim(message["status"], message.get("headers", ()))
        elif step == _TRAIL:
            self._send_trailers(message)
        elif step == _PATH:
            return send_path(self, message)
        elif step == _DESCRIPTOR:
            return send_descriptor(self, message)
        else:
            raise UnexpectedMessage(f"{message['type']!r} in phase {PHASES[phase]}; allowed: {', '.join(table) or 'nothing'}")
        return None

    def _send_interim(self, status: Any, fields: Any) -> Coroutine[Any, Any, None] | None:
        self.inform(status, fields)
        self.burst += MESSAGE_BYTES
        return self.wait_for_room() if self.burst > BURST_BYTES else None

    def _send_body(self, message: Message) -> Coroutine[Any, Any, None] | None:
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if type(body) is not bytes:
            body = _to_bytes(body)
        if more:
            self.write(body)
            self.burst += len(body) + MESSAGE_BYTES
            if self.bodiless:
                return self._discard(message)
            if self.burst > BURST_BYTES or not self.stream.writable:
                return self.wait_for_room()
        else:
            self.end_part(body)
        return None

    def end_part(self, body: bytes) -> None:
        """Send the last body bytes; trailers may follow them."""
        if self.trailers_announced:
            self.end_content(body)
        else:
            self.end(body)

    def _send_trailers(self, message: Message) -> None:
        reply = self.host.answers.reply
        reply.judge_trailers(message.get("headers", ()))
        fields = reply.fields if self._trailers is None else self._trailers + reply.fields
        if message.get("more_trailers", False):
            self._trailers = fields
            return
        self.finish(fields)

    def _discard(self, message: Message) -> Coroutine[Any, Any, None] | None:
        # The stream is over, the wire will not say when the client goes.
        now: float = self.host.loop.time()  # type: ignore[union-attr] # as above
        if not self._discarding_since:
            self._discarding_since = now
        elif now - self._discarding_since > DISCARD_SECONDS:
            self.on_lost()
            return self._send_after_end(message)
        return self.wait_for_room() if self.burst > BURST_BYTES else None

    async def _send_after_end(self, message: Message) -> None:
        # An application that swallows the error, and has no end, must not keep the loop to itself.
        await asyncio.sleep(0)
        if self.phase == _LOST:
            raise ClientDisconnected("the client is gone")
        raise UnexpectedMessage(f"{message['type']!r} in phase {PHASES[self.phase]}; allowed: nothing")

    # Ending

    def closed(self) -> None:
        """The answer is over: what the client is owed is granted, who waits is woken."""
        chunks = self._chunks
        if chunks is not None:
            self._chunks = None
            self.stream.grant(sum([len(chunk) for chunk in chunks]))
        if self.receive_waiters is not None:
            self.wake_receivers()
        if self.send_waiter is not None:
            self.wake_senders()

    def is_over(self) -> bool:
        """The answer is, one way or the other."""
        return self.phase >= _DONE

    def is_lost(self) -> bool:
        """The client has left before its end."""
        return self.phase == _LOST

    def on_returned(self) -> None:
        """It has answered, or it has not."""
        self._end_without_trailers()
        if self.phase < _DONE:
            # Who was told that the client closed its half may take it for gone.
            left = self._half_closed and self._disconnect_received
            said = f"the application returned in phase {PHASES[self.phase]}"
            self.on_error(ClientDisconnected(said) if left else UnexpectedMessage(said))

    def _end_without_trailers(self) -> None:
        # A Trailer field says what may come; an application that has it from elsewhere sends none, and is done.
        if self.phase == _TRAILERS and not self._trailers_promised:
            self.finish(self._trailers or [])

    def on_error(self, error: BaseException) -> None:
        """Answer for it, or break its answer off; a client that left is no error."""
        self._end_without_trailers()
        left = (self.phase == _LOST or self._half_closed) and is_disconnect(error)
        stopping = isinstance(error, Stopping)
        if not left and not stopping and not isinstance(error, NotServed):
            self.host.report(self.request, error)
        if self.phase < _DONE:
            if stopping:
                self.cut(status_of(error))
            else:
                self.fail(status_of(error))


def _to_fields(links: Any) -> Fields:
    if isinstance(links, str | bytes | bytearray | memoryview):
        raise InvalidMessage(f"links are a list of bytes, not {type(links).__name__}")
    return [(b"link", link) for link in links]


def _to_bytes(body: object) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise InvalidMessage(f"a response body is bytes, not {type(body).__name__}")
