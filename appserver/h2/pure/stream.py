"""One stream of the pure engine: the contract's calls down, and what the engine does with its frames.

Request: open --END_STREAM--> complete. Answer: --respond--> responded --end--> finished --last frame--> sent.
Closed once complete and sent, at a reset by either side, or with the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appserver.contract import Fields, Receiver, Reset, Stream
from appserver.h2.engine import MOST_HEAD, STREAM_QUEUE
from appserver.http.body import BodyMeter
from appserver.http.message import RESET

if TYPE_CHECKING:
    from appserver.h2.pure.engine import Engine

__all__ = ["PureStream"]

_NOTHING = [(b"content-length", b"0")]


class PureStream(Stream):
    """What the application answers with; `closed` makes each call a quiet no-op."""

    __slots__ = (
        "closed",
        "complete",
        "engine",
        "finished",
        "id",
        "meter",
        "moved",
        "owed",
        "queue",
        "receiver",
        "responded",
        "sending",
        "sent",
        "stamp",
        "trailers",
    )

    def __init__(self, engine: Engine, id: int, complete: bool) -> None:
        super().__init__()
        self.engine = engine
        self.id = id
        self.complete = complete
        self.closed = False
        self.responded = False
        self.finished = False
        self.sent = False
        self.sending = False
        self.receiver: Receiver | None = None
        self.meter: BodyMeter | None = None
        self.trailers: Fields | None = None
        self.queue = bytearray()
        self.owed = 0
        self.moved = False
        self.stamp = 0.0

    # The application's calls

    def inform(self, status: int, fields: Fields) -> None:
        """Send an interim response."""
        if not self.closed and not self.responded:
            self._send_head(status, fields, False)

    def respond(self, status: int, fields: Fields, end: bool) -> None:
        """Send the response head."""
        if not self.closed and not self.responded:
            self.responded = True
            self.finished = end
            self._send_head(status, fields, end)

    def _send_head(self, status: int, fields: Fields, end: bool) -> None:
        if sum(len(name) + len(value) for name, value in fields) > MOST_HEAD:
            self.engine.reset(self, Reset.INTERNAL_ERROR)
        else:
            self.engine.session.send_headers(self.id, [(b":status", b"%d" % status), *fields], end_stream=end)
            if end:
                self.engine.end_sent(self)
        self.engine.wake()

    def write(self, chunk: bytes, end: bool) -> None:
        """Queue body bytes."""
        if self.closed or self.finished or not self.responded:
            return
        self.queue += chunk
        self.finished = end
        self.engine.queue(self, len(chunk))
        self.engine.wake()

    def finish(self, trailers: Fields) -> None:
        """End the body with trailers."""
        if not self.finished:
            self.trailers = trailers or None
            self.write(b"", True)

    def grant(self, size: int) -> None:
        """Credit the peer for bytes the application has read."""
        size = min(size, self.owed)
        if not self.closed and size > 0:
            self.owed -= size
            self._credit(size)
            self.engine.wake()

    def reset(self, reason: int) -> None:
        """Give the stream up."""
        if not self.closed:
            # Asked for by our side: nobody is to be told.
            self.finished = True
            self.engine.reset(self, reason)
            self.engine.wake()

    def _credit(self, size: int) -> None:
        # A window that nobody may use any more is not opened.
        self.engine.session.credit(size, 0 if self.complete else self.id)

    # The peer's frames

    def take_body(self, chunk: bytes) -> None:
        """Pass on a piece of the request's body, or give it back if nobody wants it."""
        if self.receiver is None or self.meter is None or self.finished:
            self._credit(len(chunk))
            return
        self.owed += len(chunk)
        verdict = self.meter.take(len(chunk))
        if verdict:
            self.refuse_body(verdict)
        else:
            self.receiver.on_body(chunk)

    def take_end(self, trailers: Fields) -> None:
        """The request is complete: pass it on, unless bytes are missing."""
        receiver = self.receiver
        self.complete = True
        if receiver is not None and self.meter is not None:
            if self.meter.end() and not self.finished:
                self.refuse_body(RESET)
                return
            receiver.on_end(trailers)
        if self.sent and not self.closed:
            self.engine.drop(self)

    def refuse_body(self, verdict: int) -> None:
        """A body that was announced otherwise or is too long: the exchange is over."""
        receiver, self.receiver = self.receiver, None
        if verdict == RESET:
            self.answer(verdict, "a body that is not as long as its content-length, or wrong trailers")
        elif self.responded:
            self.reset(Reset.CANCEL)
        else:
            self.answer(verdict, "the body is longer than limit.request_body")
        if receiver is not None:
            receiver.on_lost()

    def answer(self, verdict: int, reason: str) -> None:
        """Answer a wrong request without an application."""
        self.engine.owner.on_fault(reason)
        if verdict == RESET:
            self.reset(Reset.PROTOCOL_ERROR)
        else:
            self.respond(verdict, _NOTHING, True)

    # The engine's

    def relieve(self) -> None:
        """There is room in the connection's queue: say so if there is in ours."""
        if not self.writable and len(self.queue) <= STREAM_QUEUE // 2:
            self.writable = True
            if self.receiver is not None and not self.closed:
                self.receiver.on_writable()

    def release(self) -> int:
        """Let go of everything; return the bytes that were queued."""
        queued = len(self.queue)
        self.queue = bytearray()
        self.closed = True
        self.writable = True
        return queued
