r"""One HTTP/2 connection: the socket's side of an engine, and when to end it.

Owns the transport, its pauses, the drain and the idle clock. Knows no frames and no engine by name.

    OPEN --DRAIN--> NOTIFIED --ACKNOWLEDGED--> DRAINING --END--> CLOSING --LOSS--> LOST
      |                |                                          ^
      '----------------'------------------END---------------------'

DRAIN: GOAWAY as a notice and a PING (RFC 9113 6.8). ACKNOWLEDGED: the PING came back, or a second is over.
END: the engine has nothing more to say (its last stream is done, or the peer broke the protocol).
LOSS: the socket is gone; it may come in each state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from appserver.accepted import Peer, Registry
from appserver.config.options import TimeoutOptions
from appserver.contract import Application, Receiver, Request, Reset, Stream
from appserver.events import Event
from appserver.h2.engine import Engine, Settings
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits
from appserver.http.message import Head

__all__ = ["Connection"]

OPEN = 0
NOTIFIED = 1
DRAINING = 2
CLOSING = 3
LOST = 4

DRAIN = 0
ACKNOWLEDGED = 1
END = 2
LOSS = 3

STAY = -1
MOVES: tuple[tuple[int, ...], ...] = (
    # DRAIN,  ACKNOWLEDGED, END,     LOSS
    (NOTIFIED, STAY,        CLOSING, LOST),  # OPEN
    (STAY,     DRAINING,    CLOSING, LOST),  # NOTIFIED
    (STAY,     STAY,        CLOSING, LOST),  # DRAINING
    (STAY,     STAY,        STAY,    LOST),  # CLOSING
    (STAY,     STAY,        STAY,    STAY),  # LOST
)  # fmt: skip

# Between the two steps of a drain a peer that does not answer PING gets this long.
NOTICE_SECONDS = 1.0
# For the peer to read our last frames before the socket is closed under its own.
LINGER_SECONDS = 1.0
# What one write hands to the transport at most; its own high-water mark then says when to go on.
WRITE_BYTES = 262_144


class Connection:
    """An asyncio protocol, set on the transport once the first bytes have shown HTTP/2."""

    __slots__ = (
        "_answers",
        "_application",
        "_awaits_preface",
        "_began",
        "_begun",
        "_call_soon",
        "_engine",
        "_idle_since",
        "_paused",
        "_read_buffer",
        "_registry",
        "_scheduled",
        "_stalled_at",
        "_state",
        "_timeouts",
        "_unsent",
        "_write",
        "_writelines",
        "peer",
        "transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        peer: Peer,
        application: Application,
        answers: AnswerContext,
        engine: Callable[[object, Head, Peer, Settings], Engine],
        limits: Limits,
        settings: Settings,
        timeouts: TimeoutOptions,
        registry: Registry,
    ) -> None:
        self.transport = transport
        self.peer = peer
        self._write = transport.write
        # asyncio's (3.12, 3.13) never says pause_writing, and goes on to watch the descriptor of a closed transport.
        self._writelines = None if isinstance(transport, asyncio.Transport) else transport.writelines
        self._application = application
        self._answers = answers
        self._registry = registry
        self._timeouts = timeouts
        self._call_soon = registry.loop.call_soon
        self._read_buffer = registry.read_buffer
        self._begun: list[Receiver] = []
        self._began = False
        self._scheduled = False
        self._paused = self._awaits_preface = False
        self._stalled_at: float = 0.0
        self._unsent: int = -1
        self._state = OPEN
        self._idle_since: float = registry.loop.time()
        self._engine = engine(self, Head(limits, True, settings.connect_protocol), peer, settings)
        self._engine.max_discard = limits.discard if timeouts.discard > 0 else 0

    def _move(self, event: int) -> bool:
        """Go where the table says; tell whether that is another state."""
        state = MOVES[self._state][event]
        if state == STAY:
            return False
        self._state = state
        return True

    def upgrade(self, request: Request, settings: bytes) -> None:
        """Begin with a request that came as HTTP/1.1 (`Engine.upgrade`); the answer that switches is on its way.

        Our SETTINGS follow it, all else waits for the client's preface: curl fails if more than 32 KiB come before.
        """
        self._engine.corked = True
        self._engine.upgrade(request, settings)
        self._write(b"".join(self._engine.take(1)))
        self._paused = self._awaits_preface = True
        self._start_begun()

    # Called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing: the front has accepted already."""

    def data_received(self, data: bytes) -> None:
        """Take what the front or asyncio's loop has read."""
        self._receive(data, len(data))

    def get_buffer(self, size_hint: int) -> bytearray:
        """Have uvloop read into the worker's buffer, so that an upload is copied once less."""
        return self._read_buffer

    def buffer_updated(self, size: int) -> None:
        """Take what uvloop has read."""
        self._receive(self._read_buffer, size)

    def _receive(self, data: bytes | bytearray, size: int) -> None:
        """Parse, let the begun requests run, and send all they answered in one write."""
        if self._state >= CLOSING:
            return
        if self._awaits_preface:
            self._paused = self._awaits_preface = False
        engine = self._engine
        engine.corked = True
        engine.receive(data, size)
        self._start_begun()

    def _start_begun(self) -> None:
        if self._begun:
            begun = self._begun
            self._begun = []
            for receiver in begun:
                receiver.start()
                if self._state == NOTIFIED:
                    receiver.on_drain()
        self._engine.corked = False
        self.flush()

    def eof_received(self) -> bool:
        """HTTP/2 has no half-close: a peer that will not read WINDOW_UPDATEs is gone."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone, and with it all open streams."""
        self._move(LOSS)
        self._engine.lose()
        self._registry.closed(self)

    def pause_writing(self) -> None:
        """The transport is full."""
        self._paused = True
        self._unsent = -1

    def resume_writing(self) -> None:
        """The transport has room."""
        self._paused = False
        self.flush()

    # Called by the engine

    def begin(self, request: Request, stream: Stream) -> Receiver | None:
        """Take a request; it runs after the read that carried it."""
        if self._state >= DRAINING:
            return None
        receiver = self._application.begin(request, stream)
        self._begun.append(receiver)
        self._began = True
        return receiver

    def refuse(self, stream: Stream, request: Request, status: int, receiver: Receiver | None) -> None:
        """Answer for the server: one line in the access log, by the application's side if that has begun."""
        if receiver is None:
            self._answers.refuse(stream, request, status)
        else:
            receiver.on_refused(status, self._answers.answer(stream, request, status))

    def schedule(self) -> None:
        """Flush once in this turn of the loop, however many streams wrote."""
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._flush_scheduled)

    def on_pong(self) -> None:
        """The peer has read the notice: every stream it opened before is here."""
        self._go_away()

    def on_fault(self, reason: str) -> None:
        """Log what the peer did wrong."""
        client = self.peer.client
        Event.PEER_BROKE_PROTOCOL.log(client=f"{client[0]}:{client[1]}" if client else "unix", reason=reason)

    # Writing

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Hand the engine's output to the transport until that is full; the only place that writes."""
        if self._state >= CLOSING:
            return
        try:
            self._flush()
        except BaseException:
            # The engine has failed in the middle of a frame: nothing that could follow would be HTTP/2.
            self.transport.abort()
            raise

    def _flush(self) -> None:
        while not self._paused:
            output = self._engine.take(WRITE_BYTES)
            if not output:
                break
            if len(output) == 1:
                self._write(output[0])
                if len(output[0]) < WRITE_BYTES:
                    break  # the engine had no more
            elif self.transport.is_closing():
                break  # the socket is gone, the loop will say so
            elif self._writelines is not None:
                self._writelines(output)
            else:
                self._write(b"".join(output))
        # While the transport is full, the engine may have more to say.
        if not self._paused and self._engine.ended and self._move(END):
            self._close()

    def _close(self) -> None:
        # Closing with unread bytes would reset the connection, and the peer might lose our GOAWAY.
        self._unsent = -1
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._registry.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

    # Called by the worker

    @property
    def inflight(self) -> int:
        """Open streams."""
        return self._engine.inflight

    def tick(self, now: float) -> None:
        """Close what idles or stalls; PING and SETTINGS do not count as life."""
        if self._engine.inflight or self._began:
            self._began = False
            self._idle_since = now
        elif self._state == OPEN and now - self._idle_since > self._timeouts.h2_idle:
            self.drain()
        self._engine.expire(now, self._timeouts.response_stall, self._timeouts.discard)
        if self._paused or self._state == CLOSING:
            self._watch_stall(now)

    def _watch_stall(self, now: float) -> None:
        # Nothing is written meanwhile: what changes is what the peer has taken.
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent = unsent
            self._stalled_at = now
        elif now - self._stalled_at > self._timeouts.response_stall:
            self.abort()

    def drain(self) -> None:
        """Refuse nothing that is under way: GOAWAY in two steps (RFC 9113 6.8)."""
        if self._move(DRAIN):
            self._engine.shutdown_notice()
            self.flush()
            self._registry.loop.call_later(NOTICE_SECONDS, self._go_away)

    def _go_away(self) -> None:
        if self._move(ACKNOWLEDGED):
            self._engine.goaway()
            self.schedule()

    def terminate(self) -> None:
        """Cut open streams with GOAWAY; what the transport still takes is sent."""
        if self._state < CLOSING:
            self._engine.terminate(Reset.NO_ERROR)
            self.flush()

    def abort(self) -> None:
        """Close the socket at once."""
        self.transport.abort()
