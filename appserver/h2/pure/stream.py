"""One stream of the pure engine: the contract's calls down, and what the engine does with its frames.

    request   open --END_STREAM--> remote_ended
    answer    --respond--> head_held --take()--> head sent --end--> ended --last frame--> end_sent
    closed    once both have ended, at a reset by either side, or with the connection

An answer that ends before its request: end_sent, then bytes are discarded up to a bound, then it is reset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appserver.contract import DEFAULT_URGENCY, Fields, Receiver, Request, Reset, Stream
from appserver.h2.engine import ONE_FRAME, STREAM_QUEUE, trailers_only
from appserver.h2.pure.session import HeldBlock
from appserver.http.body import BodyMeter
from appserver.http.message import RESET

if TYPE_CHECKING:
    from appserver.h2.pure.engine import Engine

__all__ = ["PureStream"]


class PureStream(Stream):
    """What the application answers with; `closed` makes each call a quiet no-op."""

    __slots__ = (
        "_incremental_given",
        "_own_incremental",
        "_own_urgency",
        "closed",
        "connect",
        "cycle",
        "discarded",
        "end_sent",
        "ended",
        "engine",
        "fields",
        "head_held",
        "id",
        "incremental",
        "last_size",
        "meter",
        "owed",
        "progressed",
        "queue",
        "receiver",
        "remote_ended",
        "request",
        "responded",
        "stamp",
        "status",
        "trailers",
        "tunnel",
        "urgency",
        "waits_since",
    )

    def __init__(self, engine: Engine, id: int, remote_ended: bool) -> None:
        super().__init__()
        self.engine = engine
        self.id = id
        self.remote_ended = remote_ended
        self.closed = False
        self.responded = False
        self.head_held = False
        self.ended = False
        self.end_sent = False
        # What `schedule` keeps of it.
        self.urgency = DEFAULT_URGENCY
        self.incremental = False
        self.cycle = self.last_size = self.waits_since = 0
        self._incremental_given = False
        self._own_urgency = self._own_incremental = -1
        self.connect = False
        self.tunnel = False
        self.receiver: Receiver | None = None
        self.request: Request | None = None
        self.meter: BodyMeter | None = None
        self.status = 0
        self.fields: Fields = []
        self.trailers: Fields | None = None
        self.queue = bytearray()
        self.owed = 0
        self.discarded = 0
        self.progressed = False
        self.stamp = 0.0

    # The application's calls

    def inform(self, status: int, fields: Fields) -> None:
        """Send an interim response, before the head if that is held."""
        if not self.closed and (not self.responded or self.head_held):
            self.engine.queue_interim(self, status, fields)

    def respond(self, status: int, fields: Fields, end: bool) -> None:
        """Give the response head; it is held until the next take."""
        if self.closed or self.responded:
            return
        self.responded = True
        self.status = status
        self.fields = fields
        self.ended = end
        if self.connect and 200 <= status < 300:
            self.tunnel = True
            self.meter = None
        self.request = None
        self.head_held = True
        self.engine.hold_head(self)

    def write(self, chunk: bytes, end: bool) -> None:
        """Queue body bytes."""
        if self.closed or self.ended or not self.responded:
            return
        self.queue += chunk
        self.ended = end
        if not self._incremental_given and (not end or len(self.queue) > ONE_FRAME):
            # RFC 9218 4.2 would send one answer to its end before the next: to a proxy's other clients that is a stall.
            self._incremental_given = True
            self.engine.schedule.change(self, self.urgency, True)
        self.engine.queue_body(self, len(chunk))

    def finish(self, trailers: Fields) -> None:
        """End the body with trailers."""
        if self.responded and not self.ended:
            self.trailers = trailers or None
            self.write(b"", True)

    def grant(self, size: int) -> None:
        """Credit the peer for bytes the application has read."""
        size = min(size, self.owed)
        if not self.closed and size > 0:
            self.owed -= size
            self._credit(size)
            self.engine.measure(size)
            self.engine.wake()

    def reset(self, reason: int) -> None:
        """Give the stream up."""
        if not self.closed:
            # Asked for by our side: nobody is to be told.
            self.receiver = None
            self.engine.reset(self, reason)
            self.engine.wake()

    def _credit(self, size: int) -> None:
        # A window that nobody may use any more is not opened.
        self.engine.session.credit(size, 0 if self.remote_ended else self.id)

    def prioritize(self, urgency: int, incremental: int) -> None:
        """The application's word, where it has one."""
        if not self.closed:
            self._own_urgency, self._own_incremental = urgency, incremental
            self._incremental_given = self._incremental_given or incremental >= 0
            self._schedule(self.urgency, self.incremental)

    # The peer's frames

    def take_priority(self, urgency: int, incremental: bool) -> None:
        """The client's word, which yields to the application's."""
        self._incremental_given = True
        self._schedule(urgency, incremental)

    def _schedule(self, urgency: int, incremental: bool) -> None:
        schedule = self.engine.schedule
        schedule.prioritized = True
        own = self._own_incremental
        schedule.change(self, urgency if self._own_urgency < 0 else self._own_urgency, incremental if own < 0 else own > 0)

    def take_body(self, chunk: bytes) -> None:
        """Pass on a piece of the request's body, or drop it if nobody wants it."""
        if self.receiver is None or (self.ended and not self.tunnel):
            self._discard(len(chunk))
            return
        self.owed += len(chunk)
        if self.meter is not None:
            verdict = self.meter.take(len(chunk))
            if verdict:
                self.refuse_body(verdict)
                return
        self.receiver.on_body(chunk)

    def _discard(self, size: int) -> None:
        # Credit is given up to the bound; above it the peer's window runs dry until RST_STREAM may be sent.
        self.discarded += size
        if self.discarded <= self.engine.max_discard:
            self._credit(size)
            return
        self.engine.session.credit(size)
        if self.end_sent and not self.remote_ended:
            self.reset(Reset.NO_ERROR)

    def take_end(self, trailers: Fields) -> None:
        """The request is complete: pass it on, unless bytes are missing."""
        receiver = self.receiver
        self.remote_ended = True
        self.request = None
        if receiver is not None and (self.tunnel or not self.ended):
            if self.meter is not None and self.meter.end():
                self.refuse_body(RESET)
                return
            receiver.on_end(trailers)
        if self.end_sent and not self.closed:
            self.engine.drop(self)

    def refuse_body(self, verdict: int) -> None:
        """A body that was announced otherwise or is too long: the exchange is over."""
        receiver, self.receiver = self.receiver, None
        owner = self.engine.owner
        if verdict == RESET:
            owner.on_fault("a body that is not as long as its content-length, or wrong trailers")
            self.reset(Reset.PROTOCOL_ERROR)
        else:
            owner.on_fault("the body is longer than limit.request_body")
            if self.request is not None:
                owner.refuse(self, self.request, verdict, receiver)
                return
            self.reset(Reset.CANCEL)
        if receiver is not None:
            receiver.on_lost()

    def refuse_head(self, verdict: int, reason: str, request: Request) -> None:
        """Answer a wrong request without an application."""
        self.engine.owner.on_fault(reason)
        if verdict == RESET:
            self.reset(Reset.PROTOCOL_ERROR)
        else:
            self.engine.owner.refuse(self, request, verdict, None)

    # The engine's

    def make_head(self) -> HeldBlock:
        """Return the head as it is to be sent, by all that is known now: an answer without a body is one frame."""
        self.head_held = False
        fields = [(b":status", b"%d" % self.status), *self.fields]
        end = self.ended and not self.queue
        if end and self.trailers is not None:
            end = trailers_only(fields)
            if end:
                fields += self.trailers
        return HeldBlock(self, fields, end)

    def check_writable(self) -> None:
        """There is room in the connection's queue: say so if there is in ours."""
        if not self.writable and len(self.queue) <= STREAM_QUEUE // 2:
            self.writable = True
            if self.receiver is not None and not self.closed:
                self.receiver.on_writable()

    def on_end_sent(self) -> None:
        """END_STREAM is on its way: done, or what is left of the upload is discarded within a bound."""
        self.end_sent = True
        self.stamp = 0.0
        self.engine.schedule.remove(self)
        if self.remote_ended:
            self.engine.drop(self)
        elif not self.tunnel and (self.engine.max_discard == 0 or self.discarded > self.engine.max_discard):
            self.reset(Reset.NO_ERROR)

    def expire(self, now: float, stall: float, discard: float) -> None:
        """Give up an answer that stood still for `stall` seconds, or an upload discarded for `discard`."""
        discarding = self.end_sent and not self.remote_ended and not self.tunnel
        waiting = self.responded and not self.end_sent and (self.ended or bool(self.queue))
        if not (discarding or waiting):
            self.stamp = 0.0
        elif not self.stamp or (waiting and self.progressed):
            self.stamp = now
        elif discarding:
            if now - self.stamp >= discard:
                self.reset(Reset.NO_ERROR)
        elif now - self.stamp > stall:
            self.engine.owner.on_fault("a stream's window stays shut")
            self.engine.reset(self, Reset.CANCEL)
            self.engine.wake()
        self.progressed = False

    def release(self) -> int:
        """Let go of everything but the receiver; return the bytes that were queued."""
        queued = len(self.queue)
        self.queue = bytearray()
        self.closed = True
        self.head_held = False
        self.request = None
        self.writable = True
        return queued

    def lose(self) -> None:
        """Tell the application that its client is gone, unless it has nothing more to hear or to say."""
        receiver, self.receiver = self.receiver, None
        if receiver is not None and not (self.ended and (self.remote_ended or not self.tunnel)):
            receiver.on_lost()
