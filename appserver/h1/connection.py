r"""One HTTP/1.1 connection: the socket's side of a parser and of one stream at a time.

Owns the transport, its pauses, what waits behind the request in progress, and the idle clocks.

    begin --> IDLE --bytes--> HEAD --whole--> BODY --whole--> ANSWERING --answered--> IDLE (what waited goes next)
                                                \--answered early--> DISCARDING --whole--^
    any --refused, answered with close, client gone, abort()--> CLOSING

A request behind one in progress is not even parsed: its bytes wait, and above a bound the socket does.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import struct

from appserver.accepted import Peer, Registry
from appserver.config.options import Http1Options, TimeoutOptions
from appserver.contract import Application, Receiver
from appserver.events import Event
from appserver.h1.parser import Parser
from appserver.h1.patience import CLIENT_ASKS, CLIENT_READS, CLIENT_SENDS, CLOSING, IDLE, NOTHING, Patience
from appserver.h1.refusal import refusal
from appserver.h1.stream import Http1Stream, Wire
from appserver.http.message import Limits

__all__ = ["Connection"]

# The transport's own buffer: above, streams are not writable; below, they are again.
WRITE_HIGH = 262_144
WRITE_LOW = 65_536
# Body bytes queued in one turn of the loop before they go to the transport; larger pieces are not copied.
QUEUE = 65_536
PIECE = 16_384
# Body bytes owed to the peer, or bytes behind the request in progress, above which the socket is not read.
OWED_HIGH = 262_144
OWED_LOW = 131_072
WAITING = 65_536
# The rest of a body that nobody reads: at most this is read to save the connection.
DISCARD = 65_536
# struct linger: on, no seconds.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(Wire):
    """An asyncio protocol, set on the transport once the first bytes have shown HTTP/1."""

    __slots__ = (
        "_application", "_begun", "_call_soon", "_closing", "_context", "_discarded", "_draining", "_eof", "_held", "_linger",
        "_lost", "_most", "_owed", "_parser", "_patience", "_paused", "_reading", "_received", "_receiver",
        "_registry", "_rest", "_scheduled", "_served", "_stream", "_write", "_written", "peer", "transport",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        peer: Peer,
        application: Application,
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
        self._call_soon = registry.loop.call_soon
        # The loop's, not a request's: what is started from within a request must not inherit its variables.
        self._context = contextvars.copy_context()
        self._application = application
        self._registry = registry
        self._patience = Patience(timeouts)
        self._most: int = options.max_requests
        self._parser = Parser(limits, peer)
        self._stream: Http1Stream | None = None
        self._receiver: Receiver | None = None
        self._rest = b""
        self._begun = False
        self._reading = self._scheduled = self._paused = self._held = False
        self._draining = self._closing = self._linger = self._eof = self._lost = False
        self._served: int = 0
        self._owed: int = 0
        self._discarded: int = 0
        self._received: int = 0
        self._written: int = 0

    # Called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing: the front has accepted already."""

    def data_received(self, data: bytes) -> None:
        """Parse, let the request run, go on with the next; send all the answers in one write."""
        if self._closing:
            return
        if self._rest:
            data = self._rest + data
            self._rest = b""
        self._reading = True
        self._consume(data)
        self._reading = False
        if self._closing or self._eof:
            self._settle()
        elif self.out:
            self.flush()

    def eof_received(self) -> bool:
        """Half-close (RFC 9112 9.6): whole requests are still answered; one cut short is lost."""
        self._eof = True
        if self._closing:
            return False
        if self._stream is None:
            return bool(self._rest)
        if not self._parser.complete:
            self._lose()
            self._close(False)
            return False
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, and with it the request in progress."""
        self._closing = self._lost = True
        self._rest = b""
        self._parser.close()
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
        if self._stream is not None:
            self._stream.writable = True
            if self._receiver is not None:
                self._receiver.on_writable()

    # Reading

    def _consume(self, data: bytes) -> None:
        parser = self._parser
        size = len(data)
        at = 0
        while at < size and not self._closing:
            if parser.complete:
                # Its answer is still being made: what is behind it waits, unparsed.
                self._rest = data if at == 0 else data[at:]
                break
            at = parser.feed(data, at)
            if at < size and parser.request is not None and not parser.complete and not parser.status:
                at = parser.feed(data, at)
            self._advance()
        if self._owed > OWED_HIGH or len(self._rest) > WAITING:
            self._govern()

    def _advance(self) -> None:
        """Pass on what the parser has."""
        parser = self._parser
        request = parser.request
        if parser.status:
            self._refuse(parser.status, parser.reason)
        elif request is not None:
            fresh = not self._begun
            if fresh:
                self._begun = True
                self._served += 1
                stream = Http1Stream.__new__(Http1Stream)
                stream.open(self, request, not self._paused)
                self._stream = stream
                self._receiver = self._application.begin(request, stream)
            receiver = self._receiver
            if receiver is None:
                self._discard()
                return
            if not request.ends:
                self._pass_body(receiver)
            if fresh and self._receiver is receiver:
                receiver.start()

    def _pass_body(self, receiver: Receiver) -> None:
        parser = self._parser
        if parser.body:
            body = parser.body[0] if len(parser.body) == 1 else b"".join(parser.body)
            parser.body = []
            self._owed += len(body)
            self._received += len(body)
            if self._stream is not None:
                self._stream.awaits = False
            receiver.on_body(body)
        if parser.complete and self._receiver is receiver:
            receiver.on_end(parser.trailers)

    def _discard(self) -> None:
        """The request was answered before its body had come: never parse the rest as a request."""
        parser = self._parser
        size = sum([len(piece) for piece in parser.body])
        parser.body = []
        self._discarded += size
        self._received += size
        if self._discarded > DISCARD:
            self._close(True)
        elif parser.complete:
            self._next()

    def _next(self) -> None:
        self._parser.next()
        self._begun = False
        self._discarded = 0

    def _proceed(self) -> None:
        """What waited behind an answered request."""
        if self._stream is None and self._rest:
            data = self._rest
            self._rest = b""
            self.data_received(data)
            self._govern()

    def _govern(self) -> None:
        """Read the socket, or let the peer wait."""
        full = self._owed > (OWED_LOW if self._held else OWED_HIGH) or len(self._rest) > WAITING
        if full != self._held and not self._closing:
            self._held = full
            if full:
                self.transport.pause_reading()
            else:
                self._context.copy().run(self.transport.resume_reading)

    # Called by the stream

    def keeps(self) -> bool:
        """Tell whether the connection may go on after this response."""
        return self._parser.persistent and not self._draining and (not self._most or self._served < self._most)

    def schedule(self) -> None:
        """Send once in this turn of the loop, or at once if much is queued."""
        if self.queued >= QUEUE:
            self.flush()
        elif not self._scheduled and not self._reading:
            self._scheduled = True
            self._call_soon(self._flush_scheduled)

    def answered(self, keep: bool) -> None:
        """The response is whole: go on with the next request, or close."""
        parser = self._parser
        self._stream = None
        self._receiver = None
        self._owed = 0
        if not keep or self._draining or parser.remaining > DISCARD:
            self._close(not parser.complete)
        elif parser.complete:
            self._next()
        if not self._reading and not self._closing:
            self._settle()

    def broken_off(self, abruptly: bool) -> None:
        """Close without the end of the response."""
        self._stream = None
        self._receiver = None
        if abruptly:
            self.flush()
            self._closing = True
            # abort() alone is a FIN to the peer, if it has nothing unread: to it the end of a whole body.
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.abort()
        else:
            self._close(not self._parser.complete)

    def granted(self, size: int) -> None:
        """The application has taken body bytes."""
        self._owed -= size
        if self._held:
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
        self.out = []
        if self._lost:
            return
        if self.queued < QUEUE:
            data = out[0] if len(out) == 1 else b"".join(out)
            self._written += len(data)
            self._write(data)
        elif not self.transport.is_closing():
            self._flush_large(out)
        elif self._stream is not None:
            # The socket is gone, the loop will say so: until then nobody may go on writing.
            self._stream.writable = False
        self.queued = 0

    def _flush_large(self, out: list[bytes]) -> None:
        small: list[bytes] = []
        for piece in out:
            if len(piece) < PIECE:
                small.append(piece)
                continue
            if small:
                self._write_joined(small)
                small = []
            self._written += len(piece)
            self._write(piece)
        if small:
            self._write_joined(small)

    def _write_joined(self, small: list[bytes]) -> None:
        data = b"".join(small)
        self._written += len(data)
        self._write(data)

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
        if not self._begun or (stream is not None and not stream.responded):
            request = self._parser.request
            self.out.append(refusal(status, request is not None and request.method == "HEAD"))
        self._lose()
        self._close(True)

    def _close(self, linger: bool) -> None:
        if not self._closing:
            self._closing = True
            self._linger = linger and not self._eof
            if not self._reading:
                self._shut()

    def _settle(self) -> None:
        """After a read or an answer: send, then close or go on as is due."""
        if self._closing:
            self._shut()
            return
        self.flush()
        if self._stream is None:
            if self._rest:
                self._call_soon(self._proceed, context=self._context.copy())
            elif self._eof:
                self._close(False)
            elif self._held:
                self._govern()

    def _shut(self) -> None:
        self.flush()
        self._rest = b""
        if self._lost or self.transport.is_closing():
            return
        if self._linger and self.transport.can_write_eof():
            if self._held:
                self._held = False
                self.transport.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()

    # Called by the worker

    @property
    def inflight(self) -> int:
        """The request that was begun and is not answered."""
        return 0 if self._stream is None else 1

    def drain(self) -> None:
        """Answer what is in progress or half asked with `connection: close`, then close."""
        self._draining = True
        if self._served and self._stream is None and not self._parser.begun and not self._rest:
            self._close(False)

    def terminate(self) -> None:
        """Cut the request in progress: 503 if nothing was answered."""
        if self._stream is None:
            self._close(False)
        else:
            self._cut(503)

    def abort(self) -> None:
        """Close the socket at once."""
        self.transport.abort()

    def tick(self, now: float) -> None:
        """Close what waited too long for the client."""
        waiting = self._waits_for()
        unsent = self.transport.get_write_buffer_size()
        if waiting in (CLOSING, CLIENT_READS):
            progress = self._written - unsent
        else:
            # A head makes no progress but by its end.
            progress = self._received if waiting == CLIENT_SENDS else self._served
        if self._patience.is_over(waiting, progress, unsent > 0, now):
            self._expire(waiting)

    def _waits_for(self) -> int:
        parser = self._parser
        if self._closing:
            return CLOSING
        if self._paused:
            return CLIENT_READS
        if self._begun:
            if parser.complete or self._owed or (self._stream is not None and self._stream.awaits):
                return NOTHING
            return CLIENT_SENDS
        return CLIENT_ASKS if parser.begun else IDLE

    def _expire(self, waiting: int) -> None:
        if waiting in (CLOSING, CLIENT_READS):
            self.abort()
        elif waiting == IDLE:
            self._close(False)
        else:
            what = "request head" if waiting == CLIENT_ASKS else "request body"
            self._refuse(408, f"the {what} came too slowly")
