"""What every answer of one worker obeys, whoever gives it: an application, or the server itself.

The applications and both protocols answer through here, so that Date, Server and the access log are the same for all.
"""

from __future__ import annotations

import time
from http import HTTPStatus

from appserver.contract import Fields, Observer, Request, Stream
from appserver.http.dates import http_date

__all__ = ["AnswerContext"]

CONTENT_TYPE = (b"content-type", b"text/plain; charset=utf-8")


class AnswerContext:
    """What the answers of one worker have in common: the Date and Server fields (None: not sent), the observer."""

    __slots__ = ("_has_date", "date", "observer", "server")

    def __init__(self, has_date: bool = True, server: str = "", observer: Observer | None = None) -> None:
        self._has_date = has_date
        self.date: tuple[bytes, bytes] | None = None
        self.server = (b"server", server.encode("latin-1")) if server else None
        self.observer = observer
        self.tick()

    def tick(self) -> None:
        """Renew Date; called about once a second (RFC 9110 6.6.1)."""
        if self._has_date:
            self.date = (b"date", http_date(time.time()).encode("ascii"))

    def fields(self) -> Fields:
        """Return the fields that each answer has which the application did not set."""
        return [field for field in (self.date, self.server) if field is not None]

    def refuse(self, stream: Stream, request: Request, status: int, seconds: float = 0.0) -> None:
        """Answer for the server: a whole response of one line; the reason goes to the log, not to the client."""
        text = f"{status} {HTTPStatus(status).phrase}\n".encode("ascii")
        fields = [*self.fields(), CONTENT_TYPE, (b"content-length", b"%d" % len(text))]
        if request.method == "HEAD":
            text = b""
        stream.respond(status, fields, not text)
        if text:
            stream.write(text, True)
        if self.observer is not None:
            self.observer.on_done(request, status, len(text), seconds)
