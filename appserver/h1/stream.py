"""One response on the HTTP/1.1 wire: its head, its framing, and whether the connection may go on.

    WAITING --respond--> RESPONDING --last write, finish--> gone
        any --reset, lose--> gone; every later call is a quiet no-op

Framing (RFC 9112 6): the application's content-length, else chunked, else (HTTP/1.0) the end of the connection.
"""

from __future__ import annotations

from http import HTTPStatus

from appserver.contract import Fields, Request, Stream
from appserver.http.grammar import parse_length

__all__ = ["Http1Stream", "Wire", "status_line"]

COLON = b": "
CRLF = b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
EMPTY = b"content-length: 0\r\n"
# The end of a head: what the connection does after the response.
GOES_ON = b"\r\n"
CLOSES = b"connection: close\r\n\r\n"
KEEPS_ALIVE = b"connection: keep-alive\r\n\r\n"

LINES: dict[int, bytes] = {}


def status_line(status: int) -> bytes:
    """Return the status line with its CRLF."""
    line = LINES.get(status)
    if line is None:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        line = LINES[status] = b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))
    return line


class Wire:
    """What a stream needs of its connection: `out` is written in one piece, `queued` counts its body bytes."""

    __slots__ = ("out", "queued")

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.queued: int = 0

    def keeps(self) -> bool:
        """Tell whether the connection may go on after this response."""
        raise NotImplementedError

    def schedule(self) -> None:
        """There is output: send it in this turn of the loop."""
        raise NotImplementedError

    def answered(self, keep: bool) -> None:
        """The response is whole."""
        raise NotImplementedError

    def broken_off(self, abruptly: bool) -> None:
        """The response will never be whole; only `abruptly` would the client see that."""
        raise NotImplementedError

    def granted(self, size: int) -> None:
        """The application has taken body bytes."""
        raise NotImplementedError


class Http1Stream(Stream):
    """The handle by which an application answers one HTTP/1.1 request.

    `awaits` is set while the client holds its body back for a 100 (Continue).
    """

    __slots__ = ("_chunked", "_keep", "_left", "_mute", "_request", "_wire", "awaits", "responded")

    def open(self, wire: Wire, request: Request, writable: bool) -> None:
        """Begin; made by `__new__` and this, which a compiled caller reaches without packing arguments."""
        self.writable = writable
        self.awaits = request.expects
        self.responded = False
        self._wire: Wire | None = wire
        self._request = request
        self._left: int = -1
        self._chunked = False
        self._mute = False
        self._keep = True

    # Head

    def inform(self, status: int, fields: Fields) -> None:
        """Send an interim response; HTTP/1.0 knows none, and 100 only helps who waits for it."""
        wire = self._wire
        if wire is None or self.responded or status == 101 or self._request.version == "1.0":
            return
        if status == 100:
            if not self.awaits:
                return
            self.awaits = False
        wire.out.append(status_line(status))
        self._append(wire.out, fields)
        wire.out.append(CRLF)
        wire.schedule()

    def respond(self, status: int, fields: Fields, end: bool) -> None:
        """Send the response head; the framing fields of its connection are added here."""
        wire = self._wire
        if wire is None or self.responded:
            return
        self.responded = True
        out = wire.out
        line = LINES.get(status)
        out.append(status_line(status) if line is None else line)
        # A client that was not told to go on may or may not send its body (RFC 9110 10.1.1).
        keep = wire.keeps() and not self.awaits
        length = -1
        for pair in fields:
            name = pair[0]
            value = pair[1]
            if name == b"content-length":
                if status == 204:
                    continue
                length = parse_length(value)
            elif name == b"connection":
                keep = keep and b"close" not in value.lower()
                continue
            out.append(name)
            out.append(COLON)
            out.append(value)
            out.append(CRLF)
        self._keep = keep
        self._frame(out, status, length, end)
        if end:
            self._end()
        else:
            wire.schedule()

    def _frame(self, out: list[bytes], status: int, length: int, end: bool) -> None:
        request = self._request
        old = request.version == "1.0"
        if status == 204 or status == 304 or request.method == "HEAD":
            self._mute = True
        elif length >= 0:
            self._left = length
        elif end:
            out.append(EMPTY)
        elif old:
            self._keep = False
        else:
            self._chunked = True
            out.append(CHUNKED)
        if not self._keep:
            out.append(CLOSES)
        else:
            out.append(KEEPS_ALIVE if old else GOES_ON)

    def _append(self, out: list[bytes], fields: Fields) -> None:
        for name, value in fields:
            out.append(name)
            out.append(COLON)
            out.append(value)
            out.append(CRLF)

    # Body

    def write(self, chunk: bytes, end: bool) -> None:
        """Queue body bytes; what exceeds the content-length is cut, and the connection closes."""
        wire = self._wire
        if wire is None or not self.responded:
            return
        size = len(chunk)
        if size and not self._mute:
            out = wire.out
            if self._chunked:
                out.append(b"%x\r\n" % size)
                out.append(chunk)
                out.append(CRLF)
            else:
                if self._left >= 0:
                    if size > self._left:
                        self._keep = False
                        size = self._left
                        chunk = chunk[:size]
                    self._left -= size
                out.append(chunk)
            wire.queued += size
        if end:
            self._end()
        elif size:
            wire.schedule()

    def finish(self, trailers: Fields) -> None:
        """End the body with trailers, for a client that wants them and a body that can have them."""
        wire = self._wire
        if wire is None or not self.responded:
            return
        if self._chunked and trailers and self._request.trailers_accepted:
            self._chunked = False
            wire.out.append(b"0\r\n")
            self._append(wire.out, trailers)
            wire.out.append(CRLF)
        self._end()

    def _end(self) -> None:
        wire = self._wire
        assert wire is not None
        self._wire = None
        if self._chunked:
            wire.out.append(LAST_CHUNK)
        if self._left > 0:
            # Shorter than promised: the client must not wait for the rest, nor take the next head for it.
            wire.broken_off(False)
        else:
            wire.answered(self._keep)

    # Flow and failure

    def grant(self, size: int) -> None:
        """Give receive credit back."""
        if self._wire is not None:
            self._wire.granted(size)

    def reset(self, reason: int) -> None:
        """Close the connection, so that the client sees a truncated response."""
        wire = self._wire
        if wire is not None:
            self._wire = None
            # A body that only the end of the connection delimits looks whole unless it is torn off.
            wire.broken_off(self.responded and not self._chunked and self._left < 0)

    def lose(self) -> None:
        """The connection has given this stream up."""
        self._wire = None
