r"""One ASGI WebSocket: what `receive()` and `send()` do, as phase tables.

The frames are `ws.session`'s, a refusal is an `Answer` like any other.

    send     CONNECTING --accept--> OPEN --close--> CLOSED
               |--close (403)-------------------------^
               '--http.response.start--> DENIAL --last body--> CLOSED
             any but CLOSED --client gone, its close, its fault, a drain--> GONE

    receive  websocket.connect, messages, one websocket.disconnect

CLOSED is the application's doing, what it sends then is its mistake; in GONE its sends raise ClientDisconnected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from appserver.apps.asgi.awaitables import Message
from appserver.apps.asgi.conversation import BURST_BYTES, MESSAGE_BYTES, Conversation, is_disconnect
from appserver.apps.asgi.host import Host
from appserver.contract import Fields, Request, Stream
from appserver.errors import (
    ClientDisconnected,
    InvalidMessage,
    RequestRefused,
    Stopping,
    UnexpectedMessage,
    status_of,
)
from appserver.events import Event
from appserver.http.answer import PHASES
from appserver.ws import handshake as handshakes
from appserver.ws.closing import (
    ABNORMAL,
    INTERNAL_ERROR,
    MAX_REASON,
    NO_STATUS,
    NORMAL,
    SERVICE_RESTART,
    is_sendable,
)
from appserver.ws.deflate import negotiate
from appserver.ws.handshake import Handshake
from appserver.ws.session import CLOSED as SESSION_CLOSED
from appserver.ws.session import OPEN as SESSION_OPEN
from appserver.ws.session import Session

__all__ = ["WebSocket"]

_DONE = PHASES.index("DONE")

_CONNECTING = 0
_OPEN = 1
_DENIAL = 2
_CLOSED = 3
_GONE = 4
STATES = ("CONNECTING", "OPEN", "DENIAL", "CLOSED", "GONE")

_ACCEPT = 1
_REJECT = 2
_DENY = 3
_SEND = 4
_CLOSE = 5
_DENIAL_BODY = 6
SEND: tuple[dict[str, int], ...] = (
    {"websocket.accept": _ACCEPT, "websocket.close": _REJECT, "websocket.http.response.start": _DENY},  # CONNECTING
    {"websocket.send": _SEND, "websocket.close": _CLOSE},  # OPEN
    {"websocket.http.response.body": _DENIAL_BODY},  # DENIAL
)

# What `receive` tells next.
_CONNECT = 0
_MESSAGES = 1
_NOTHING = 2

_TEXT = 1
_BINARY = 2
_SESSION_OPEN = SESSION_OPEN
_SESSION_CLOSED = SESSION_CLOSED
RESTARTS = "the server restarts"


class WebSocket(Conversation):
    """One WebSocket on the application's side."""

    __slots__ = ("_admitted", "_draining", "_early", "_handshake", "_input_ended", "_next", "_session", "_state", "code", "reason")

    def open(self, host: Host, request: Request, stream: Stream) -> None:
        """Set it up: a constructor that the compiled build calls without a tuple."""
        self.open_conversation(host, request, stream)
        self._handshake: Handshake | None = None
        self._session: Session | None = None
        self._state: int = _CONNECTING
        self._next: int = _CONNECT
        self.code: int = ABNORMAL
        self.reason: str = ""
        # What a client sends before it was accepted.
        self._early: list[bytes] = []
        self._input_ended = False
        self._draining = self._admitted = False

    # Called by the wire

    def start(self) -> None:
        """Judge the handshake, and run the application."""
        if self.phase >= _DONE:
            return
        try:
            handshake = handshakes.judge(self.request)
            self.host.admission.enter(self.request)
        except RequestRefused as error:
            self._refuse(error)
            return
        self._handshake = handshake
        self._admitted = True
        self.run(self.host.scopes.build_websocket(self.request, handshake.subprotocols))

    def _refuse(self, error: RequestRefused) -> None:
        client = self.request.client
        Event.PEER_BROKE_PROTOCOL.log(client=f"{client[0]}:{client[1]}" if client else "unix", reason=error)
        self.refuse(error.status, handshakes.refusal_fields(self.request, error))

    def on_body(self, chunk: bytes) -> None:
        """Take bytes of the tunnel."""
        session = self._session
        if session is not None:
            session.receive(chunk)
            if session.messages and self.receive_waiters is not None:
                self.wake_receivers()
            if session.state != _SESSION_OPEN:
                self._follow()
        elif self.phase >= _DONE:
            self.stream.grant(len(chunk))
        else:
            self._early.append(chunk)

    def on_end(self, trailers: Fields) -> None:
        """The client ends its half."""
        self._input_ended = True
        if self._session is not None:
            self._session.end_input()
            self._follow()

    def on_writable(self) -> None:
        """There is room again for a waiting `send`."""
        if self._session is not None:
            self._session.relieve()
        if self.send_waiter is not None:
            self.wake_senders()

    def on_drain(self) -> None:
        """The server stops: close with 1012, so that the client comes back elsewhere."""
        self._draining = True
        if self._session is not None:
            self._session.close(SERVICE_RESTART, RESTARTS)
            self._follow()

    def on_lost(self) -> None:
        """The client is gone."""
        if self._session is not None:
            self._session.lose()
            self._follow()
        else:
            Conversation.on_lost(self)

    def tick(self, now: float) -> None:
        """Check what is due; called about once a second while it is open."""
        if self._session is not None:
            self._session.tick(now)
            self._follow()

    def _follow(self) -> None:
        """Go where the session has gone."""
        session = self._session
        assert session is not None
        if session.state == _SESSION_OPEN:
            if session.messages and self.receive_waiters is not None:
                self.wake_receivers()
            return
        if self._state == _OPEN:
            self._state = _GONE
            self.code = session.code
            self.reason = session.reason
        if session.state == _SESSION_CLOSED:
            self.close_tunnel()
        self._wake_all()

    # Receiving

    def next_message(self) -> Message | None:
        """Return what there is to tell; None if there is nothing yet, or nothing any more."""
        if self._next == _MESSAGES:
            session = self._session
            if session is not None and not session.messages and self._state == _OPEN:
                # Nothing is left to answer: what the client asked for behind its last message may happen.
                session.conclude()
                if session.state != _SESSION_OPEN:
                    self._follow()
            if session is not None and session.messages and self._state != _CLOSED:
                message = session.take()
                if session.state != _SESSION_OPEN:
                    self._follow()
                if type(message) is str:
                    return {"type": "websocket.receive", "text": message}
                return {"type": "websocket.receive", "bytes": message}
            if self._state >= _CLOSED:
                self._next = _NOTHING
                return {"type": "websocket.disconnect", "code": self.code, "reason": self.reason}
        elif self._next == _CONNECT:
            self._next = _MESSAGES
            return {"type": "websocket.connect"}
        return None

    def wait_for_message(self) -> Awaitable[None]:
        """Return what ends when there may be something to tell, or raises ClientDisconnected: there never will be."""
        return self._refuse_to_tell() if self._next == _NOTHING else self.receive_waiter()

    async def _refuse_to_tell(self) -> None:
        # An application that swallows the error must not keep the loop to itself.
        await asyncio.sleep(0)
        raise ClientDisconnected("websocket.disconnect was received before; nothing follows it")

    # Sending

    def take_message(self, anything: Message) -> Coroutine[Any, Any, None] | None:
        """Do what `send` is asked; return what it must wait for: the client, the connection, or its turn."""
        state = self._state
        if state >= _CLOSED:
            return self._send_after_end(anything)
        message = anything if type(anything) is dict else dict(anything)
        table = SEND[state]
        step = table.get(message["type"], 0)
        if step == _SEND:
            return self._send_data(message)
        if step == _ACCEPT:
            self._accept(message)
        elif step == _CLOSE:
            self._send_close(message)
        elif step == _REJECT:
            self.respond(403, [])
            self.end(b"")
        elif step == _DENY:
            self.respond(message["status"], message.get("headers", ()))
            self._state = _DENIAL
        elif step == _DENIAL_BODY:
            return self._send_denial(message)
        else:
            raise UnexpectedMessage(f"{message['type']!r} in phase {STATES[state]}; allowed: {', '.join(table)}")
        return None

    def _accept(self, message: dict[str, Any]) -> None:
        request = self.request
        handshake = self._handshake
        assert handshake is not None
        reply = self.context.reply
        reply.judge(message.get("headers", ()), request.version == "2")
        fields = reply.fields
        settings = self.host.sessions
        agreement = None
        if settings.deflate is not None and handshake.extensions:
            agreement = negotiate(handshake.extensions, settings.deflate)
        status, judged = handshakes.accepted(request, handshake, message.get("subprotocol"), agreement, fields)
        self._state = _OPEN
        self.open_tunnel(status, judged)
        now: float = self.host.loop.time()  # type: ignore[union-attr] # runs in it
        self._session = Session(self.stream, settings, agreement, now)
        self.host.websockets.add(self)
        self._begin_session()

    def _begin_session(self) -> None:
        """Do what came before the handshake was accepted."""
        session = self._session
        assert session is not None
        early = self._early
        self._early = []
        for chunk in early:
            session.receive(chunk)
        if self._draining:
            session.close(SERVICE_RESTART, RESTARTS)
        if self._input_ended:
            session.end_input()
        self._follow()

    def _send_data(self, message: dict[str, Any]) -> Coroutine[Any, Any, None] | None:
        data = message.get("bytes")
        if data is None:
            opcode = _TEXT
            payload = _encode(message.get("text"))
        else:
            opcode = _BINARY
            payload = data if type(data) is bytes else _to_bytes(data)
        session = self._session
        assert session is not None
        session.send(opcode, payload)
        size = len(payload)
        self.count_sent(size)
        self.burst += size + MESSAGE_BYTES
        if self.burst > BURST_BYTES or not self.stream.writable:
            return self.wait_for_room()
        return None

    def _send_close(self, message: dict[str, Any]) -> None:
        code = message.get("code", NORMAL)
        code = NORMAL if code is None else code
        if type(code) is not int or (code != NO_STATUS and not is_sendable(code)):
            raise InvalidMessage(f"a close code is 1000 to 1014 without 1004 and 1006, or 3000 to 4999, not {code!r}")
        reason = message.get("reason") or ""
        if type(reason) is not str or len(reason.encode("utf-8", "replace")) > MAX_REASON:
            raise InvalidMessage(f"a close reason is a str of at most {MAX_REASON} bytes of UTF-8")
        self._end_session(code, reason)

    def _end_session(self, code: int, reason: str) -> None:
        """The application ends it."""
        self._state = _CLOSED
        self.code = code
        self.reason = reason
        session = self._session
        assert session is not None
        session.close(code, reason)
        self._follow()

    def _send_denial(self, message: dict[str, Any]) -> Coroutine[Any, Any, None] | None:
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = _to_bytes(body)
        if not message.get("more_body", False):
            self.end(body)
            return None
        self.write(body)
        self.burst += len(body) + MESSAGE_BYTES
        return self.wait_for_room() if self.burst > BURST_BYTES or not self.stream.writable else None

    async def _send_after_end(self, message: Message) -> None:
        await asyncio.sleep(0)
        if self._state == _GONE:
            raise ClientDisconnected("the client is gone")
        raise UnexpectedMessage(f"{message['type']!r} in phase {STATES[self._state]}; allowed: nothing")

    # Ending

    def _wake_all(self) -> None:
        if self.receive_waiters is not None:
            self.wake_receivers()
        if self.send_waiter is not None:
            self.wake_senders()

    def closed(self) -> None:
        """The answer is over: what the client is owed is granted, who waits is woken."""
        if self._state < _CLOSED:
            # A refusal is the application's; else the client has left.
            self._state = _CLOSED if self.phase == _DONE else _GONE
        self.host.websockets.discard(self)
        if self._admitted:
            self._admitted = False
            self.host.admission.leave(self.request)
        early = self._early
        if early:
            self._early = []
            self.stream.grant(sum([len(chunk) for chunk in early]))
        self._wake_all()

    def is_over(self) -> bool:
        """It was closed, refused, or is lost."""
        return self._state >= _CLOSED

    def is_lost(self) -> bool:
        """It was not the application that ended it."""
        return self._state == _GONE

    def on_returned(self) -> None:
        """An application that returns has no more to say."""
        if self._state == _OPEN:
            self._end_session(NORMAL, "")
        elif self._state < _CLOSED:
            self.on_error(UnexpectedMessage(f"the application returned in phase {STATES[self._state]}"))

    def on_error(self, error: BaseException) -> None:
        """Close with 1011, or refuse with 500; a client that left is no error."""
        stopping = isinstance(error, Stopping)
        if not stopping and not (self._state == _GONE and is_disconnect(error)):
            self.host.report(self.request, error)
        if self._state == _OPEN:
            self._end_session(SERVICE_RESTART if stopping else INTERNAL_ERROR, RESTARTS if stopping else "")
        elif self._state < _CLOSED:
            if stopping:
                self._state = _GONE
                self.cut(status_of(error))
            else:
                self.fail(status_of(error))


def _encode(text: object) -> bytes:
    if type(text) is not str:
        raise InvalidMessage(f"websocket.send needs bytes, or text that is a str, not {type(text).__name__}")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidMessage("a text with a lone surrogate cannot be sent") from error


def _to_bytes(data: object) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise InvalidMessage(f"bytes are bytes, not {type(data).__name__}")
