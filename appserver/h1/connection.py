r"""One HTTP/1.1 connection: the socket's side of a reader of requests and of one stream at a time.

Owns the transport, its pauses, what waits behind the request in progress, and the deadlines. Its states are in `states`.
A request behind one in progress is not even parsed: its bytes wait, and above a bound the socket does.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import struct

from appserver.accepted import Peer, Registry
from appserver.config.options import Http1Options, TimeoutOptions
from appserver.contract import Application, Receiver, Request
from appserver.events import Event
from appserver.h1 import deadlines, states
from appserver.h1.chunks import ChunkReader
from appserver.h1.deadlines import Deadline
from appserver.h1.head import HeadReader
from appserver.h1.states import move
from appserver.h1.stream import Http1Stream, Wire
from appserver.http.answer import AnswerContext
from appserver.http.message import Limits

__all__ = ["Connection"]

# The transport's own buffer: above, streams are not writable; below, they are again.
WRITE_HIGH = 262_144
WRITE_LOW = 65_536
# Output queued in one turn of the loop before it goes to the transport; pieces from PIECE on are not copied.
QUEUE = 65_536
PIECE = 8_192
# Output after which a stream that never had to wait lets others have a turn.
TURN = 1_048_576
# Body bytes owed to the peer, or bytes behind the request in progress, above which the socket is not read. Each
# piece counts for PIECE_OVERHEAD more: many small ones are much memory.
OWED_HIGH = 262_144
OWED_LOW = 131_072
PIECE_OVERHEAD = 64
WAITING = 65_536
# struct linger: on, no seconds.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

# The compiled build compares C integers.
IDLE = states.IDLE
HEAD = states.HEAD
BODY = states.BODY
ANSWERING = states.ANSWERING
DISCARDING = states.DISCARDING
TUNNEL = states.TUNNEL
CLOSING = states.CLOSING
CLOSED = states.CLOSED
FIRST_BYTES = states.FIRST_BYTES
REQUEST = states.REQUEST
REQUEST_AND_BODY = states.REQUEST_AND_BODY
BODY_ENDS = states.BODY_ENDS
ANSWER_ENDS = states.ANSWER_ENDS
UPGRADED = states.UPGRADED
CLOSES = states.CLOSES
GONE = states.GONE

WAITS = {
    IDLE: deadlines.IDLE,
    HEAD: deadlines.HEAD,
    ANSWERING: deadlines.NOTHING,
    DISCARDING: deadlines.LAST_BYTES,
    TUNNEL: deadlines.NOTHING,
    CLOSING: deadlines.LAST_BYTES,
    CLOSED: deadlines.NOTHING,
}


class Connection(Wire):
    """An asyncio protocol, set on the transport once the first bytes have shown HTTP/1."""

    __slots__ = (
        "_answers", "_application", "_body_left", "_call_later", "_call_soon", "_chunks", "_context", "_deadline", "_discarded",
        "_drain_idle", "_draining", "_eof", "_eof_sent", "_head", "_is_chunked", "_max_discard", "_max_requests", "_owed",
        "_paused", "_pieces", "_proceeding", "_reading", "_reading_paused", "_received", "_receiver", "_registry", "_rest", "_scheduled",
        "_served", "_state", "_stream", "_turn", "_write", "_writelines", "_written", "_yielding", "peer", "transport",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        peer: Peer,
        application: Application,
        answers: AnswerContext,
        limits: Limits,
        options: Http1Options,
        timeouts: TimeoutOptions,
        registry: Registry,
    ) -> None:
        Wire.__init__(self)
        transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)
        self.transport = transport
        self.peer = peer
        self._write = transport.write
        # asyncio's (3.12, 3.13) never says pause_writing, and goes on to watch the descriptor of a closed transport.
        self._writelines = None if isinstance(transport, asyncio.Transport) else transport.writelines
        self._call_soon = registry.loop.call_soon
        self._call_later = registry.loop.call_later
        # The loop's, not a request's: what is started from within a request must not inherit its variables.
        self._context = contextvars.copy_context()
        self._application = application
        self._answers = answers
        self._registry = registry
        self._deadline = Deadline(timeouts)
        self._drain_idle: float = timeouts.drain_idle
        self._max_requests: int = options.max_requests
        self._max_discard: int = limits.discard
        self._state: int = IDLE
        self._head = HeadReader(limits, peer)
        self._chunks = ChunkReader(limits, self._head.fields)
        self._stream: Http1Stream | None = None
        self._receiver: Receiver | None = None
        self._rest = b""
        self._is_chunked = False
        self._reading = self._scheduled = self._proceeding = self._yielding = False
        self._paused = self._reading_paused = False
        self._eof = self._eof_sent = self._draining = False
        self._body_left: int = 0
        self._served: int = 0
        self._owed: int = 0
        self._pieces: int = 0
        self._discarded: int = 0
        self._received: int = 0
        self._written: int = 0
        self._turn: int = 0

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
        self._reading = True
        self._consume(data)
        self._reading = False
        if self.out:
            self.flush()
        if self._eof:
            self._end_input()

    def eof_received(self) -> bool:
        """Half-close (RFC 9112 9.6): whole requests are still answered; one cut short is lost."""
        self._eof = True
        # What waits for its turn is parsed first.
        return self._proceeding or self._end_input()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, and with it the request in progress."""
        self._move(GONE)
        self._rest = b""
        self._lose()
        self._registry.closed(self)

    def pause_writing(self) -> None:
        """The transport is full."""
        self._paused = True
        if self._stream is not None:
            self._stream.writable = False

    def resume_writing(self) -> None:
        """The transport has room."""
        self._paused = False
        self._let_write()

    def _let_write(self) -> None:
        if self._stream is not None and not self._paused and not self._yielding:
            self._stream.writable = True
            if self._receiver is not None:
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
        if self._owed > OWED_HIGH or len(self._rest) > WAITING:
            self._govern()

    def _read_head(self, data: bytes, at: int) -> int:
        head = self._head
        at = head.read(data, at)
        request = head.request
        if request is not None:
            return self._begin(request, data, at)
        if head.status:
            self._refuse(head.status, head.reason)
        elif head.has_begun(data, at):
            self._move(FIRST_BYTES)
        return at

    def _begin(self, request: Request, data: bytes, at: int) -> int:
        self._served += 1
        stream = Http1Stream.__new__(Http1Stream)
        stream.open(self, request, not self._paused and not self._yielding)
        self._stream = stream
        receiver = self._application.begin(request, stream)
        self._receiver = receiver
        if request.ends:
            self._move(REQUEST)
        else:
            self._move(REQUEST_AND_BODY)
            self._is_chunked = self._head.is_chunked
            self._body_left = 0 if self._is_chunked else request.length
            self._discarded = 0
            if self._is_chunked:
                self._chunks.begin()
            if at < len(data):
                at = self._read_body(data, at)
        # Not if what came with the head was refused, or answered.
        if self._receiver is receiver:
            receiver.start()
        return at

    def _read_body(self, data: bytes, at: int) -> int:
        before = at
        body = b""
        if self._is_chunked:
            chunks = self._chunks
            at = chunks.read(data, at)
            if chunks.pieces:
                body = chunks.take()
            done = chunks.is_done
        else:
            at = min(len(data), before + self._body_left)
            self._body_left -= at - before
            done = self._body_left == 0
            if self._state == BODY:
                body = data if at - before == len(data) else data[before:at]
        self._received += at - before
        if self._state == DISCARDING:
            self._discarded += at - before
        elif body:
            if self._stream is not None:
                self._stream.awaits = False
            self._pass_on(body)
        if self._is_chunked and self._chunks.status:
            self._refuse(self._chunks.status, self._chunks.reason)
        elif done and self._state < CLOSING:
            self._end_body()
        elif self._discarded > self._max_discard:
            self._close(True)
        return at

    def _end_body(self) -> None:
        receiver = self._receiver
        self._move(BODY_ENDS)
        if self._state == IDLE:
            self._next()
        elif receiver is not None:
            receiver.on_end(self._chunks.trailers if self._is_chunked else [])

    def _pass_on(self, body: bytes) -> None:
        receiver = self._receiver
        if receiver is not None:
            self._owed += len(body)
            self._pieces += 1
            receiver.on_body(body)

    def _next(self) -> None:
        self._head.next()
        if self._draining:
            self._await_last()

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
        self._govern()

    def _govern(self) -> None:
        """Read the socket, or let the peer wait."""
        owed = self._owed + self._pieces * PIECE_OVERHEAD
        full = owed > (OWED_LOW if self._reading_paused else OWED_HIGH) or len(self._rest) > WAITING
        if full != self._reading_paused and self._state < CLOSING and not self._eof:
            self._reading_paused = full
            if full:
                self.transport.pause_reading()
            else:
                self._context.copy().run(self.transport.resume_reading)

    # Called by the stream

    def is_persistent(self) -> bool:
        """Tell whether the connection may go on after this response."""
        return (
            self._head.is_persistent
            and not self._draining
            and (not self._max_requests or self._served < self._max_requests)
            and self._body_left <= self._max_discard
        )

    def schedule(self) -> None:
        """Send once in this turn of the loop, or at once if much is queued."""
        if self.queued >= QUEUE:
            self.flush()
        elif not self._scheduled and not self._reading:
            self._scheduled = True
            self._call_soon(self._flush_scheduled)

    def answered(self, persistent: bool) -> None:
        """The response is whole: go on with the next request, or close."""
        whole = self._state == ANSWERING
        self._stream = None
        self._receiver = None
        self._owed = 0
        self._pieces = 0
        if not persistent or not (whole or self._max_discard):
            self._close(not whole)
            return
        self._move(ANSWER_ENDS)
        if whole:
            self._next()
        if not self._reading:
            self.flush()
            if self._rest and whole:
                self._schedule_rest()
            elif self._eof:
                self._close(False)
            if self._reading_paused:
                self._govern()

    def upgraded(self) -> None:
        """From here on bytes pass both ways as they are."""
        self._move(UPGRADED)
        self.schedule()
        if not self._reading and (self._rest or self._eof):
            self._schedule_rest()

    def half_ended(self) -> None:
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
        self._stream = None
        self._receiver = None
        self._close(False)

    def broken_off(self, abruptly: bool) -> None:
        """Close without the end of the response."""
        whole = self._state == ANSWERING
        self._stream = None
        self._receiver = None
        if abruptly:
            self.flush()
            self._move(CLOSES)
            # abort() alone is a FIN to the peer, if it has nothing unread: to it the end of a whole body.
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.abort()
        else:
            self._close(not whole)

    def granted(self, size: int) -> None:
        """The application has taken body bytes."""
        self._owed -= size
        if self._owed <= 0:
            self._pieces = 0
        if self._reading_paused:
            self._govern()

    # Writing

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Hand all output to the transport; the only place that writes."""
        out = self.out
        if not out:
            return
        large = self.queued >= QUEUE
        self.out = []
        self.queued = 0
        if self._state == CLOSED:
            return
        if not large:
            data = out[0] if len(out) == 1 else b"".join(out)
            self._written += len(data)
            self._write(data)
        elif not self.transport.is_closing():
            self._flush_large(out)
        elif self._stream is not None:
            # The socket is gone, the loop will say so: until then nobody may go on writing.
            self._stream.writable = False

    def _flush_large(self, out: list[bytes]) -> None:
        pieces: list[bytes] = []
        small: list[bytes] = []
        size = 0
        for piece in out:
            size += len(piece)
            if len(piece) < PIECE:
                small.append(piece)
                continue
            if small:
                pieces.append(b"".join(small))
                small = []
            pieces.append(piece)
        if small:
            pieces.append(b"".join(small))
        self._written += size
        if self._writelines is not None:
            self._writelines(pieces)
        else:
            for piece in pieces:
                self._write(piece)
        self._turn += size
        if self._turn >= TURN and self._stream is not None and not self._paused:
            # A client as fast as the application would keep the loop to these two.
            self._stream.writable = False
            self._yielding = True
            self._call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._turn = 0
        self._yielding = False
        self._let_write()

    # Closing

    def _lose(self) -> None:
        stream = self._stream
        receiver = self._receiver
        self._stream = None
        self._receiver = None
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
        self._stream = None
        self._receiver = None
        self._head.is_persistent = False
        if stream is not None:
            stream.lose()
        if self._state <= HEAD:
            request = self._head.refused()
            self._answers.refuse(self._make_own(request), request, status)
        elif receiver is not None and stream is not None and not stream.responded:
            request = stream.request
            sent = self._answers.answer(self._make_own(request), request, status)
            receiver.on_refused(status, sent)
        else:
            if receiver is not None:
                receiver.on_lost()
            if stream is not None and stream.is_cut_unseen():
                self.broken_off(True)
            else:
                self._close(True)

    def _make_own(self, request: Request) -> Http1Stream:
        stream = Http1Stream.__new__(Http1Stream)
        stream.open(self, request, True)
        return stream

    def _close(self, linger: bool) -> None:
        """Send what is queued and close; `linger` while the client may still be sending.

        A close with unread bytes would be a reset, and might destroy the answer on its way.
        """
        if self._state >= CLOSING:
            return
        self.flush()
        self._move(CLOSES)
        self._rest = b""
        if self.transport.is_closing():
            return
        if linger and not self._eof and self.transport.can_write_eof():
            if self._reading_paused:
                self._reading_paused = False
                self._context.copy().run(self.transport.resume_reading)
            self.transport.write_eof()
        else:
            self.transport.close()

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
            self._await_last()

    def _await_last(self) -> None:
        """A client cannot know that we stop: what it has sent by now is still answered."""
        self._call_later(self._drain_idle, self._end_idle)

    def _end_idle(self) -> None:
        if self._state == IDLE and not self._proceeding:
            self._close(False)

    def terminate(self) -> None:
        """Cut the request in progress: 503 if nothing was answered."""
        if self._state == BODY or self._state == ANSWERING:
            self._cut(503)
        else:
            self._lose()
            self._close(False)

    def abort(self) -> None:
        """Close the socket at once."""
        self.transport.abort()

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
        if self._paused and state < CLOSING:
            return deadlines.READER
        if state == BODY:
            held = self._owed > 0 or (self._stream is not None and self._stream.awaits)
            return deadlines.NOTHING if held else deadlines.BODY
        return WAITS[state]

    def _expire(self, waiting: int) -> None:
        if waiting == deadlines.IDLE:
            self._close(False)
        elif waiting == deadlines.HEAD or waiting == deadlines.BODY:
            what = "request head" if waiting == deadlines.HEAD else "request body"
            self._refuse(408, f"the {what} came too slowly")
        else:
            self.abort()
