r"""What every answer of one worker obeys, whoever gives it: an application, or the server itself.

The applications and both protocols answer through here, so that Date, Server and the access log are the same for all.
An `Answer` is the answer to one request; what interface the application speaks is for its subclasses to say.

    HEAD --inform--> HEAD --respond--> BODY --end--> DONE
       |                                |  \--end_content--> TRAILERS --finish--> DONE
       |                                '-- a wrong length, or the application failed --> BROKEN
       |-- the server answers for the application --> DONE              any but these --client gone--> LOST
       '-- open_tunnel --> BODY --close_tunnel--> DONE           BODY --begin_file--> FILE --end_file--> BODY
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus

from appserver.contract import Fields, Observer, Receiver, Request, Reset, Stream
from appserver.errors import BodyTooLong, BodyTooShort, InvalidMessage, error_of
from appserver.http.dates import http_date
from appserver.http.priority import parse_priority
from appserver.http.reply import Reply, has_body

__all__ = ["PHASES", "Answer", "AnswerContext"]

_HEAD = 0
_BODY = 1
_TRAILERS = 2
_FILE = 3
_DONE = 4
_LOST = 5
_BROKEN = 6
PHASES = ("HEAD", "BODY", "TRAILERS", "FILE", "DONE", "LOST", "BROKEN")

_STATUS = "a final response status is 200 to 999, not {}"
_INTERIM = "an interim response status is 100 to 199 and not 101, not {}"
# Interim responses to one request: proxies and clients have bounds of their own, and a loop without an end has none.
MAX_INTERIM = 100

CONTENT_TYPE = (b"content-type", b"text/plain; charset=utf-8")


class AnswerContext:
    """What the answers of one worker have in common: the Date and Server fields (None: not sent), the observer.

    `reply` judges heads; each use of it ends before the next begins.
    """

    __slots__ = ("_has_date", "date", "observer", "reply", "server")

    def __init__(self, has_date: bool = True, server: str = "", observer: Observer | None = None) -> None:
        self._has_date = has_date
        self.date: tuple[bytes, bytes] | None = None
        self.server = (b"server", server.encode("latin-1")) if server else None
        self.observer = observer
        self.reply = Reply()
        self.tick()

    def tick(self) -> None:
        """Renew Date; the worker calls this about once a second (RFC 9110 6.6.1)."""
        if self._has_date:
            self.date = (b"date", http_date(time.time()).encode("ascii"))

    def fields(self) -> Fields:
        """Return the fields that each answer has which the application did not set."""
        return [field for field in (self.date, self.server) if field is not None]

    def answer(self, stream: Stream, request: Request, status: int, more: Fields | None = None) -> int:
        """Answer for the server: a whole response of one line, with `more` fields; return its body's size.

        The observer is not called.
        """
        text = f"{error_of(status).status} {HTTPStatus(status).phrase}\n".encode("ascii")
        fields = [*self.fields(), CONTENT_TYPE, (b"content-length", b"%d" % len(text)), *(more or ())]
        if request.method == "HEAD":
            text = b""
        stream.respond(status, fields, not text)
        if text:
            stream.write(text, True)
        return len(text)

    def refuse(self, stream: Stream, request: Request, status: int, seconds: float = 0.0) -> None:
        """Answer for the server and tell the observer; the reason goes to the log, not to the client."""
        sent = self.answer(stream, request, status)
        if self.observer is not None:
            self.observer.on_done(request, status, sent, seconds)


class Answer(Receiver):
    """The answer to one request: judged head, declared length, phase; the observer is told of its end, once.

    It is a base of what hears the request, so that a request costs one object. `closed` is called at the end.
    `bodiless` says that the head alone is the response (HEAD, 204, 205, 304): body bytes are then dropped.
    `sent` counts body bytes handed to the stream, `remaining` what its content-length leaves (-1: none is declared).
    `trailers_announced` says that the head did so.
    """

    __slots__ = (
        "_began", "_informed", "bodiless", "context", "phase", "remaining", "request", "sent", "status", "stream",
        "trailers_announced",
    )  # fmt: skip

    def open_answer(self, context: AnswerContext, request: Request, stream: Stream) -> None:
        """Begin; made by `__new__` and this, which a compiled caller reaches without packing arguments."""
        self.context = context
        self.request = request
        self.stream = stream
        self.phase = _HEAD
        self.bodiless = False
        self.trailers_announced = False
        self.status: int = 0
        self.sent: int = 0
        self._informed: int = 0
        self.remaining: int = -1
        self._began: float = time.perf_counter() if context.observer is not None else 0.0

    # Head

    def proceed(self) -> None:
        """Ask a client that waits for it to send its body: 100 (Continue), once, and not after the head."""
        request = self.request
        if request.expects and self.phase == _HEAD:
            request.expects = False
            self.stream.inform(100, [])

    def inform(self, status: int, fields: Iterable[Iterable[bytes]]) -> None:
        """Send an interim response (RFC 9110 15.2). Raises InvalidMessage for what must not be sent, and for too many.

        Nothing is sent where the peer cannot have it: over HTTP/1.0, with `early_hints` off, once the head has left.
        100 is sent to a client that waits for it, without fields.
        """
        code = _to_interim(status)
        reply = self.context.reply
        reply.judge(fields, True)
        if code == 100:
            self.proceed()
            return
        self._informed += 1
        if self._informed > MAX_INTERIM:
            raise InvalidMessage(f"more than {MAX_INTERIM} interim responses to one request")
        peer = self.request.peer
        if self.request.version != "1.0" and not self.bodiless and (peer is None or peer.early_hints):
            # RFC 9110 8.6: it has no content, and no length.
            self.stream.inform(code, [pair for pair in reply.fields if pair[0] != b"content-length"])

    def respond(self, status: int, fields: Iterable[Iterable[bytes]], trailers: bool = False) -> None:
        """Send the head, with `trailers` or a Trailer field one that announces them. Raises as `inform` does."""
        code = _to_status(status)
        context = self.context
        request = self.request
        reply = context.reply
        reply.judge(fields, request.version == "2")
        judged = reply.fields
        if not reply.has_date and context.date is not None:
            judged.append(context.date)
        if not reply.has_server and context.server is not None:
            judged.append(context.server)
        self.status = code
        self.remaining = reply.length
        self.bodiless = not has_body(code, request.method == "HEAD")
        if trailers or reply.has_trailer:
            judged = self._announce(judged)
        if reply.length >= 0 and (code == 204 or code == 205):
            # RFC 9110 8.6, 15.3.6: a 204 has none, and the wire frames an empty 205 by itself.
            judged = [pair for pair in judged if pair[0] != b"content-length"]
        self.phase = _BODY
        if reply.priority is not None:
            self._prioritize(reply.priority)
        self.stream.respond(code, judged, self.bodiless)

    def _announce(self, judged: Fields) -> Fields:
        self.trailers_announced = True
        request = self.request
        if not request.trailers_accepted or request.version == "1.0":
            # None will come: the field would promise them (RFC 9110 6.6.2).
            return [pair for pair in judged if pair[0] != b"trailer"]
        if request.version == "1.1" and not self.bodiless:
            # Only a chunked body can have them (RFC 9112 7.1.2); how long it was to be is still measured.
            return [pair for pair in judged if pair[0] != b"content-length"]
        return judged

    def _prioritize(self, value: bytes) -> None:
        # RFC 9218 8: where the application knows better than its client.
        priority = parse_priority(value)
        if priority is not None:
            self.stream.prioritize(priority.urgency, priority.incremental)

    # Body

    def write(self, chunk: bytes) -> None:
        """Send body bytes, more to follow. Raises BodyTooLong after what was declared; the answer is then broken off."""
        size = len(chunk)
        if size == 0 or self.bodiless:
            return
        if self.remaining >= 0:
            if size > self.remaining:
                self._too_long(chunk)
            self.remaining -= size
        self.sent += size
        self.stream.write(chunk, False)

    def end(self, chunk: bytes) -> None:
        """Send the last body bytes. Raises BodyTooLong or BodyTooShort; the answer is then broken off."""
        if not self.bodiless:
            if self.remaining >= 0:
                self._measure_last(chunk)
            self.sent += len(chunk)
            self.stream.write(chunk, True)
        self._close(_DONE)

    def end_content(self, chunk: bytes) -> None:
        """Send the last body bytes before trailers; raises as `end` does. An empty chunk is no write."""
        if not self.bodiless and self.remaining >= 0:
            self._measure_last(chunk)
        self.write(chunk)
        self.phase = _TRAILERS

    def finish(self, trailers: Fields) -> None:
        """End with judged trailers, which only a client hears that wants them (RFC 9110 6.5.1)."""
        if not self.bodiless:
            self.stream.finish(trailers if self.request.trailers_accepted else [])
        self._close(_DONE)

    def _measure_last(self, chunk: bytes) -> None:
        size = len(chunk)
        if size > self.remaining:
            self._too_long(chunk)
        if size < self.remaining:
            missing = self.remaining - size
            self.break_off()
            raise BodyTooShort(f"the body ended {missing} bytes before its content-length")

    def _too_long(self, chunk: bytes) -> None:
        excess = len(chunk) - self.remaining
        if self.remaining:
            self.sent += self.remaining
            self.stream.write(chunk[: self.remaining], False)
        self.break_off()
        raise BodyTooLong(f"the body is longer than its content-length by at least {excess} bytes")

    # A file in the body's place

    def begin_file(self) -> None:
        """The next body bytes are a file's: nobody may write between them."""
        self.phase = _FILE

    def count_file(self, size: int) -> None:
        """The stream has sent bytes of the file by itself."""
        self.sent += size
        if self.remaining >= 0:
            self.remaining -= size

    def end_file(self) -> None:
        """More may follow the file, or there was none."""
        if self.phase == _FILE:
            self.phase = _BODY

    # A tunnel in the answer's place

    def open_tunnel(self, status: int, fields: Fields) -> None:
        """Answer 101, or 2xx to CONNECT, with judged fields: what follows is not HTTP (RFC 9110 9.3.6, 15.2.2)."""
        reply = self.context.reply
        own = [] if reply.has_date else [self.context.date]
        own += [] if reply.has_server else [self.context.server]
        self.status = status
        self.phase = _BODY
        self.stream.respond(status, fields + [field for field in own if field is not None], False)

    def count_sent(self, size: int) -> None:
        """Bytes went into the tunnel."""
        self.sent += size

    def close_tunnel(self) -> None:
        """Both sides are done."""
        if self.phase < _DONE:
            self._close(_DONE)

    def refuse(self, status: int, fields: Fields) -> None:
        """Answer for an application that was never asked, with `fields` besides the usual ones."""
        self.status = status
        self.sent = self.context.answer(self.stream, self.request, status, fields)
        self._close(_DONE)

    # Other ends

    def fail(self, status: int) -> None:
        """Answer for an application that did not, or break off what it began (a head alone may be whole)."""
        if self.phase == _HEAD:
            self.status = status
            self.sent = self.context.answer(self.stream, self.request, status)
            self._close(_DONE)
        elif self.phase < _DONE:
            if self.bodiless:
                self._close(_DONE)
            else:
                self.break_off()

    def cut(self, status: int) -> None:
        """Fail at a stop: what tasks of the application's own still send meets a client that is gone."""
        self.fail(status)
        self.phase = _LOST

    def break_off(self) -> None:
        """Give the stream up; the client must not take what it has for a whole response."""
        self.stream.reset(Reset.INTERNAL_ERROR)
        self._close(_BROKEN)

    def on_lost(self) -> None:
        """The client is gone."""
        if self.phase < _DONE:
            self._close(_LOST)

    def on_refused(self, status: int, sent: int) -> None:
        """The wire has answered for the application, or cut its answer (`status` 0)."""
        if self.phase < _DONE:
            if status:
                self.status = status
                self.sent = sent
            self._close(_LOST)

    def closed(self) -> None:
        """The answer is over, one way or the other: let go of what waits."""
        raise NotImplementedError

    def _close(self, phase: int) -> None:
        self.phase = phase
        self.closed()
        observer = self.context.observer
        if observer is not None:
            observer.on_done(self.request, self.status, self.sent, time.perf_counter() - self._began)


def _to_interim(status: object) -> int:
    if isinstance(status, int) and not isinstance(status, bool) and 100 <= status < 200 and status != 101:
        return int(status)
    raise InvalidMessage(_INTERIM.format(_spelled(status)))


def _to_status(status: object) -> int:
    if type(status) is int and 200 <= status <= 999:
        return status
    if isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 999:
        return int(status)
    raise InvalidMessage(_STATUS.format(_spelled(status)))


def _spelled(status: object) -> str:
    if isinstance(status, int) and not isinstance(status, bool):
        # An integer may be too long to be written out.
        size = status.bit_length()
        return f"{int(status)}" if size <= 64 else f"an integer of {size} bits"
    return repr(status)
