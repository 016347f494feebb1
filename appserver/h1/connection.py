r"""One HTTP/1.1 connection: the socket's side of a reader of requests and of one stream at a time.

Owns what waits behind the request in progress, and the deadlines; `Wire` is its transport, `states` are its states.
A request behind one in progress is not even parsed: its bytes wait, and above a bound the socket does.
"""

from __future__ import annotations

import asyncio

from appserver.accepted import Peer, Registry
from appserver.config.options import Http1Options, TimeoutOptions
from appserver.contract import Application, Receiver, Request
from appserver.events import Event
from appserver.h1 import deadlines, states
from appserver.h1.body import BodyReader
from appserver.h1.chunks import ChunkReader
from appserver.h1.deadlines import Deadline
from appserver.h1.head import HeadReader
from appserver.h1.states import move
from appserver.h1.stream import Http1Stream
from appserver.h1.wire import Wire
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits
from appserver.http.upgrade import SWITCHING

__all__ = ["Connection"]

# Bytes behind the request in progress above which the socket is not read.
WAITING = 65_536

# The compiled build compares C integers.
IDLE, HEAD, BODY, ANSWERING, DISCARDING, TUNNEL, CLOSING, CLOSED = states.STATES
FIRST_BYTES, REQUEST, REQUEST_AND_BODY, BODY_ENDS, ANSWER_ENDS, UPGRADED, CLOSES, GONE = states.EVENTS


class Connection(Wire):
    """An asyncio protocol, set on the transport once the first bytes have shown HTTP/1."""

    __slots__ = (
        "_answers", "_application", "_body", "_call_later", "_deadline", "_discarded", "_drain_idle", "_draining", "_eof",
        "_eof_sent", "_head", "_max_discard", "_max_requests", "_proceeding", "_received", "_receiver", "_registry", "_rest",
        "_served", "_state", "_stream", "peer",
    )  # fmt: skip

    def __init__(
        self, transport: asyncio.Transport, peer: Peer, application: Application, answers: AnswerContext, limits: Limits,
        options: Http1Options, timeouts: TimeoutOptions, registry: Registry, websocket: bool = False, h2c_upgrade: bool = False,
    ) -> None:  # fmt: skip
        Wire.__init__(self, transport, registry.loop, peer.tls is None)
        self.peer = peer
        self._call_later = registry.loop.call_later
        self._application = application
        self._answers = answers
        self._registry = registry
        self._deadline = Deadline(timeouts)
        self._drain_idle: float = timeouts.drain_idle
        self._max_requests: int = options.max_requests
        self._max_discard: int = limits.discard if timeouts.discard > 0 else 0
        self._state: int = IDLE
        self._head = HeadReader(limits, peer, websocket, h2c_upgrade)
        self._body = BodyReader(ChunkReader(limits))
        self._stream: Http1Stream | None = None
        self._receiver: Receiver | None = None
        self._rest = b""
        self._proceeding = self._eof = self._eof_sent = self._draining = False
        self._served: int = 0
        self._discarded: int = 0
        self._received: int = 0

    def _move(self, event: int) -> None:
        self._state = move(self._state, event)

    # Called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing: the front has accepted already."""

    def data_received(self, data: bytes) -> None:
        """Parse, let the request run, go on with the next; send all the answers in one write."""
        if self._state >= CLOSING:
            return
        if self._rest:
            data = self._rest + data
            self._rest = b""
        self._corked = True
        self._consume(data)
        self._corked = False
        if self.out:
            self.flush()
        if self._eof:
            self._end_input()

    def eof_received(self) -> bool:
        """Half-close (RFC 9112 9.6): whole requests are still answered; one cut short is lost."""
        if self._eof:
            return self._state < CLOSING  # a loop may say so again, a receiver hears it once
        self._eof = True
        # What waits for its turn is parsed first. A loop's TLS has no half-close: with the client it is over.
        return (self._proceeding or self._end_input()) and self.peer.tls is None

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, and with it the request in progress."""
        self._move(GONE)
        self._lost = True
        self._rest = b""
        self._lose()
        self._registry.closed(self)

    def set_writable(self, writable: bool) -> None:
        """Let the stream in progress write, or wait."""
        if self._stream is not None:
            self._stream.writable = writable
            if writable and self._receiver is not None:
                self._receiver.on_writable()

    # Reading

    def _consume(self, data: bytes) -> None:
        size = len(data)
        at = 0
        while at < size:
            state = self._state
            before = at
            if state <= HEAD:
                at = self._read_head(data, at)
            elif state == BODY or state == DISCARDING:
                at = self._read_body(data, at)
            elif state == TUNNEL:
                self._pass_on(data if at == 0 else data[at:])
                at = size
            if at == before and self._state == state:
                # A line that is cut, or what is behind a request whose answer is still being made.
                break
        if at < size and self._state < CLOSING:
            self._rest = data if at == 0 else data[at:]
        if self.exceeds_credit() or len(self._rest) > WAITING:
            self.update_reading()

    def _read_head(self, data: bytes, at: int) -> int:
        head = self._head
        at = head.read(data, at)
        request = head.request
        if request is not None:
            if head.h2_settings is not None and at == len(data) and self._switch(request, head.h2_settings):
                return at
            return self._begin(request, data, at)
        if head.status:
            self._refuse(head.status, head.reason)
        elif head.has_begun(data, at):
            self._move(FIRST_BYTES)
        return at

    def _switch(self, request: Request, settings: bytes) -> bool:
        """Hand the transport and a request over to HTTP/2; False where that cannot begin in the middle of things."""
        if self._draining or self._eof or self._reading_paused or not self.can_write():
            return False
        self.detach(SWITCHING)
        self._move(GONE)
        self._registry.upgrade(self, self.transport, self.peer, request, settings)
        return True

    def _begin(self, request: Request, data: bytes, at: int) -> int:
        self._served += 1
        stream = Http1Stream.__new__(Http1Stream)
        stream.open(self, request, self.can_write())
        self._stream = stream
        receiver = self._receiver = self._application.begin(request, stream)
        if request.ends:
            self._move(REQUEST)
        else:
            self._move(REQUEST_AND_BODY)
            self._body.begin(self._head.is_chunked, request.length)
            self._discarded = 0
            if at < len(data):
                at = self._read_body(data, at)
        # Not if what came with the head was refused, or answered.
        if self._receiver is receiver:
            receiver.start()
            if self._draining and self._receiver is receiver:
                receiver.on_drain()
        return at

    def _read_body(self, data: bytes, at: int) -> int:
        reader = self._body
        before = at
        at = reader.read(data, at, self._state == BODY)
        self._received += at - before
        if self._state == DISCARDING:
            self._discarded += at - before
        elif reader.taken:
            if self._stream is not None:
                self._stream.awaits = False
            self._pass_on(reader.taken)
        if reader.status:
            self._refuse(reader.status, reader.reason)
        elif reader.is_done and self._state < CLOSING:
            self._end_body(self._receiver)
        elif self._discarded > self._max_discard:
            self._close(True)
        return at

    def _end_body(self, receiver: Receiver | None) -> None:
        self._move(BODY_ENDS)
        if self._state == IDLE:
            self._next()
        elif receiver is not None:
            receiver.on_end(self._body.trailers)

    def _pass_on(self, body: bytes) -> None:
        receiver = self._receiver
        if receiver is not None:
            self.owe(len(body))
            receiver.on_body(body)

    def _next(self) -> None:
        self._head.next()
        if self._draining:
            self._call_later(self._drain_idle, self._drain_idle_over)

    def _end_input(self) -> bool:
        """The client has closed its half, and all it sent is parsed; return whether ours goes on."""
        state = self._state
        receiver = self._receiver
        if state == ANSWERING and receiver is not None:
            receiver.on_half_closed()
        elif state == TUNNEL and receiver is not None:
            receiver.on_end([])
            if self._eof_sent:
                self._close_tunnel()
        else:
            self._lose()
            self._close(False)
        return self._state < CLOSING

    def _schedule_rest(self) -> None:
        if not self._proceeding:
            self._proceeding = True
            self._call_soon(self._proceed, context=self._context.copy())

    def _proceed(self) -> None:
        """What waited behind an answered request, or behind an upgrade."""
        self._proceeding = False
        data = self._rest
        self._rest = b""
        if self._state == ANSWERING:
            self._rest = data
        elif data:
            self.data_received(data)
        elif self._eof and self._state < CLOSING:
            self._end_input()
        self.update_reading()

    def update_reading(self) -> None:
        """Read the socket, or let the peer wait."""
        if self._state < CLOSING and not self._eof:
            # Not before the rest of a line that is cut: that has to come.
            behind = self._state == ANSWERING or self._proceeding
            self.pause_reading(self.exceeds_credit() or (behind and len(self._rest) > WAITING))

    # Called by the stream

    def is_persistent(self) -> bool:
        """Tell whether the connection may go on after this response."""
        return (
            self._head.is_persistent
            and not self._draining
            and (not self._max_requests or self._served < self._max_requests)
            and (self._state != BODY or self._body.left <= self._max_discard > 0)
        )

    def response_complete(self, persistent: bool) -> None:
        """The response is whole: go on with the next request, or close."""
        whole = self._state == ANSWERING
        self._stream = self._receiver = None
        self.clear_owed()
        if not persistent or not (whole or self._max_discard):
            self._close(not whole)
            return
        self._move(ANSWER_ENDS)
        if whole:
            self._next()
        if not self._corked:
            self.flush()
            if self._rest and whole:
                self._schedule_rest()
            elif self._eof:
                self._close(False)
            if self._reading_paused:
                self.update_reading()

    def upgraded(self) -> None:
        """From here on bytes pass both ways as they are."""
        self._move(UPGRADED)
        self.schedule()
        if not self._corked and (self._rest or self._eof):
            self._schedule_rest()

    def tunnel_half_closed(self) -> None:
        """The application ends its half of the tunnel."""
        self._eof_sent = True
        self.flush()
        if self._eof:
            self._close_tunnel()
        elif self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            # Over TLS there is no half: the receiver hears the end of the other one.
            receiver = self._receiver
            self._close_tunnel()
            if receiver is not None:
                receiver.on_end([])

    def _close_tunnel(self) -> None:
        if self._stream is not None:
            self._stream.lose()
        self._stream = self._receiver = None
        self._close(False)

    def aborted(self, abruptly: bool) -> None:
        """Close without the end of the response."""
        whole = self._state == ANSWERING
        self._stream = self._receiver = None
        if abruptly:
            self._move(CLOSES)
            self.reset_transport()
        else:
            self._close(not whole)

    # Closing

    def _lose(self) -> None:
        stream = self._stream
        receiver = self._receiver
        self._stream = self._receiver = None
        if stream is not None:
            stream.lose()
        if receiver is not None:
            receiver.on_lost()

    def _refuse(self, status: int, reason: str) -> None:
        """Answer once, unless the request has its answer already, and close."""
        client = self.peer.client
        Event.PEER_BROKE_PROTOCOL.log(client=f"{client[0]}:{client[1]}" if client else "unix", reason=reason)
        self._cut(status)

    def _cut(self, status: int) -> None:
        stream = self._stream
        receiver = self._receiver
        self._stream = self._receiver = None
        self._head.is_persistent = False
        if stream is not None:
            stream.lose()
        if self._state <= HEAD:
            request = self._head.refused()
            self._answers.refuse(self._make_stream(request), request, status)
        elif receiver is not None and stream is not None and not stream.responded:
            request = stream.request
            sent = self._answers.answer(self._make_stream(request), request, status)
            receiver.on_refused(status, sent)
        else:
            if receiver is not None:
                receiver.on_lost()
            if stream is not None and stream.is_cut_unseen():
                self.aborted(True)
            else:
                self._close(True)

    def _make_stream(self, request: Request) -> Http1Stream:
        stream = Http1Stream.__new__(Http1Stream)
        stream.open(self, request, True)
        return stream

    def _close(self, linger: bool) -> None:
        if self._state < CLOSING:
            self._move(CLOSES)
            self._rest = b""
            self.close_transport(linger and not self._eof)

    # Called by the worker

    @property
    def inflight(self) -> int:
        """Requests that were begun and are not answered."""
        return 0 if self._receiver is None else 1

    def drain(self) -> None:
        """Answer what is in progress, half asked or on its way with `connection: close`, then close."""
        if self._draining or self._state >= CLOSING:
            return
        self._draining = True
        if self._receiver is not None:
            self._receiver.on_drain()
        elif self._state == IDLE:
            self._call_later(self._drain_idle, self._drain_idle_over)

    def _drain_idle_over(self) -> None:
        # A client cannot know that we stop: what it has sent until now was still answered.
        if self._state == IDLE and not self._proceeding:
            self._close(False)

    def terminate(self) -> None:
        """Cut the request in progress: 503 if nothing was answered."""
        if self._state == BODY or self._state == ANSWERING:
            self._cut(503)
        else:
            self._lose()
            self._close(False)

    def tick(self, now: float) -> None:
        """Close what waited too long for the client."""
        waiting = self._waits_for()
        unsent = self.transport.get_write_buffer_size()
        if waiting == deadlines.BODY:
            progress = self._received
        elif waiting == deadlines.READER or waiting == deadlines.LAST_BYTES:
            progress = self._written - unsent
        else:
            # A head makes no progress but by its end.
            progress = self._served
        if self._deadline.is_over(waiting, progress, unsent > 0, now):
            self._expire(waiting)

    def _waits_for(self) -> int:
        state = self._state
        if self.awaits_client() and state < CLOSING:
            return deadlines.READER
        if state == BODY:
            held = self._owed > 0 or (self._stream is not None and self._stream.awaits)
            return deadlines.NOTHING if held else deadlines.BODY
        return deadlines.WAITS[state]

    def _expire(self, waiting: int) -> None:
        if waiting == deadlines.IDLE:
            self._close(False)
        elif waiting == deadlines.HEAD or waiting == deadlines.BODY:
            what = "request head" if waiting == deadlines.HEAD else "request body"
            self._refuse(408, f"the {what} came too slowly")
        else:
            self.abort()
