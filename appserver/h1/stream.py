r"""One response on the HTTP/1.1 wire: its head, its framing, and whether the connection may go on.

    WAITING --respond--> RESPONDING --last write, finish--> gone
       \--respond with 101--> TUNNEL --last write, finish--> gone
    any --reset, lose--> gone; every later call is a quiet no-op

Framing (RFC 9112 6): the application's content-length, else chunked, else (HTTP/1.0) the end of the connection;
a tunnel has none.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from appserver.contract import Fields, File, Request, Stream
from appserver.errors import InvalidMessage
from appserver.h1.transfer import FileTransfer
from appserver.h1.wire import Wire
from appserver.http.grammar import parse_length

__all__ = ["Http1Stream", "status_line"]

COLON = b": "
CRLF = b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
EMPTY = b"content-length: 0\r\n"
# The end of a head: what the connection does after the response.
GOES_ON = b"\r\n"
CLOSES = b"connection: close\r\n\r\n"
KEEPS_ALIVE = b"connection: keep-alive\r\n\r\n"
UPGRADES = b"connection: upgrade\r\n\r\n"
# What a queued piece costs beside its bytes: many small ones are much memory.
PIECE_OVERHEAD = 64

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


class Http1Stream(Stream):
    """The handle by which an application answers one HTTP/1.1 request.

    `awaits` is set while the client holds its body back for a 100 (Continue); `responded` once a head is out.
    """

    __slots__ = (
        "_bodiless", "_chunked", "_ended", "_left", "_line", "_persistent", "_size", "_size_line", "_tunnel", "_wire", "awaits",
        "request", "responded",
    )  # fmt: skip

    def open(self, wire: Wire, request: Request, writable: bool) -> None:
        """Begin; made by `__new__` and this, which a compiled caller reaches without packing arguments."""
        self.writable = writable
        self.awaits = request.expects
        self.responded = False
        self._wire: Wire | None = wire
        self.request = request
        self._left: int = -1
        self._chunked = False
        self._bodiless = False
        self._tunnel = False
        self._ended = False
        self._persistent = True
        self._size: int = 0
        self._size_line = b""
        self._line: bytes | None = None

    # Head

    def inform(self, status: int, fields: Fields) -> None:
        """Send an interim response; HTTP/1.0 knows none, and 100 only helps who waits for it."""
        wire = self._wire
        if wire is None or self._tunnel or status == 101 or self.request.version == "1.0":
            return
        if self.responded:
            self._inform_late(wire, status, fields)
            return
        if status == 100:
            if not self.awaits:
                return
            self.awaits = False
        wire.out.append(status_line(status))
        self._append(wire.out, fields)
        wire.out.append(CRLF)
        wire.schedule()

    def _inform_late(self, wire: Wire, status: int, fields: Fields) -> None:
        # Before the head if that has not left; it begins with the last piece that is its status line.
        out = wire.out
        for at in range(len(out) - 1, -1, -1):
            if out[at] is self._line:
                interim = [status_line(status)]
                self._append(interim, fields)
                interim.append(CRLF)
                out.insert(at, b"".join(interim))
                return

    def respond(self, status: int, fields: Fields, end: bool) -> None:
        """Send the response head; the framing fields of its connection are added here."""
        wire = self._wire
        if wire is None or self.responded:
            return
        if status == 101:
            self._upgrade(wire, fields)
            return
        self.responded = True
        out = wire.out
        line = LINES.get(status)
        if line is None:
            line = status_line(status)
        self._line = line
        out.append(line)
        # A client that was not told to go on may or may not send its body (RFC 9110 10.1.1); one that was refused an
        # upgrade may have sent what is no HTTP.
        persistent = wire.is_persistent() and not self.awaits and self.request.protocol is None
        length = -1
        for pair in fields:
            name = pair[0]
            value = pair[1]
            if name == b"content-length":
                if status == 204 or status == 205:
                    continue
                length = parse_length(value)
            elif name == b"connection":
                persistent = persistent and b"close" not in value.lower()
                continue
            out.append(name)
            out.append(COLON)
            out.append(value)
            out.append(CRLF)
        self._persistent = persistent
        self._frame(out, status, length, end)
        if end:
            self._end()
        else:
            wire.schedule()

    def _frame(self, out: list[bytes], status: int, length: int, end: bool) -> None:
        request = self.request
        old = request.version == "1.0"
        if status == 204 or status == 304 or request.method == "HEAD":
            self._bodiless = True
        elif status == 205:
            # RFC 9110 15.3.6: nothing, and the client must know.
            self._bodiless = True
            out.append(EMPTY)
        elif length >= 0:
            self._left = length
        elif end:
            out.append(EMPTY)
        elif old:
            self._persistent = False
        else:
            self._chunked = True
            out.append(CHUNKED)
        if not self._persistent:
            out.append(CLOSES)
        else:
            out.append(KEEPS_ALIVE if old else GOES_ON)

    def _upgrade(self, wire: Wire, fields: Fields) -> None:
        request = self.request
        if not request.ends or request.version == "1.0" or b"upgrade" not in [pair[0] for pair in request.fields]:
            raise InvalidMessage("101 answers an HTTP/1.1 request with an upgrade field and no body")
        self.responded = True
        self._tunnel = True
        wire.out.append(status_line(101))
        self._append(wire.out, [pair for pair in fields if pair[0] != b"connection"])
        wire.out.append(UPGRADES)
        wire.upgraded()

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
        if wire is None or not self.responded or self._ended:
            return
        size = len(chunk)
        if size and not self._bodiless:
            out = wire.out
            if self._chunked:
                if size != self._size:
                    # Streams mostly come in pieces of one size.
                    self._size = size
                    self._size_line = b"%x\r\n" % size
                out.append(self._size_line)
                out.append(chunk)
                out.append(CRLF)
            else:
                if self._left >= 0:
                    if size > self._left:
                        self._persistent = False
                        size = self._left
                        chunk = chunk[:size]
                    self._left -= size
                out.append(chunk)
            wire.queued += size + PIECE_OVERHEAD
        if end:
            self._end()
        elif size:
            if self._tunnel:
                wire.push()
            else:
                wire.schedule()

    def send_file(
        self, file: File, offset: int, size: int, count: Callable[[int], None]
    ) -> Coroutine[Any, Any, int] | None:
        """Return what sends it with sendfile(2); not in chunks, and not through TLS."""
        wire = self._wire
        if wire is None or not self.responded or self._ended or self._bodiless or self._chunked or self._tunnel:
            return None
        if not wire.sends_files or 0 <= self._left < size:
            return None
        return FileTransfer(wire, self, file, offset, size, count).run()

    def file_sent(self, size: int) -> None:
        """So many bytes of a file have gone to the socket."""
        if self._left >= 0:
            self._left -= size
        if self._wire is not None:
            self._wire.file_sent(size)

    def finish(self, trailers: Fields) -> None:
        """End the body with trailers, for a client that wants them and a body that can have them."""
        wire = self._wire
        if wire is None or not self.responded or self._ended:
            return
        if self._chunked and trailers and self.request.trailers_accepted:
            self._chunked = False
            wire.out.append(b"0\r\n")
            self._append(wire.out, trailers)
            wire.out.append(CRLF)
        self._end()

    def _end(self) -> None:
        wire = self._wire
        assert wire is not None
        self._ended = True
        if self._tunnel:
            wire.tunnel_half_closed()
            return
        self._wire = None
        if self._chunked:
            wire.out.append(LAST_CHUNK)
        if self._left > 0:
            # Shorter than promised: the client must not wait for the rest, nor take the next head for it.
            wire.aborted(False)
        else:
            wire.response_complete(self._persistent)

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
            wire.stop_transfer()
            wire.aborted(self.is_cut_unseen())

    def is_cut_unseen(self) -> bool:
        """Tell whether the client would take the end of the connection, now, for the end of a whole body."""
        return self.responded and not self._chunked and self._left < 0

    def lose(self) -> None:
        """The connection has given this stream up."""
        if self._wire is not None:
            self._wire.stop_transfer()
        self._wire = None
