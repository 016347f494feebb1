"""One HTTP/1.1 request after another, cut out of the bytes of a connection.

Owns httptools (llhttp, strict) and the policy it lacks. Owns no socket and makes no call up:

    feed(data, at)   takes from `at` to the end of a head, a body or the data; returns where it stopped
    request          set at the end of a head
    body             the pieces of the body since they were last taken
    complete         the message is whole and `trailers` are known; `next` goes on to the one behind it
    status, reason   how to refuse what was sent; nothing is parsed after that

Data is cut where a head, a chunk line or a body ends, so no byte behind a message reaches llhttp before
`next`. A body with a content-length needs no parser and passes by llhttp uncopied.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from appserver.accepted import Peer
from appserver.contract import Fields, Request
from appserver.h1.recall import Recall
from appserver.http.message import DROP_CONNECTION, RESET, Field, Head, Limits, Meter, judge

__all__ = ["Parser"]

CRLF = b"\r\n"
HEAD_END = b"\r\n\r\n"
CR = 13
LF = 10

# Bytes of chunk extensions of one chunk and of one body, of all trailers; fields of the trailers.
EXTENSION = 1_024
EXTENSIONS = 16_384
TRAILERS = 8_192
TRAILER_FIELDS = 32
# A chunk line without extension: the CRLF of the data before it, 16 digits, CRLF.
CHUNK_LINE = 20
# The longest request line and block of fields that a connection keeps for the next head.
KEPT_LINE = 256
KEPT_BLOCK = 2_048
# Pieces of chunks from this size on are not copied for llhttp.
COPIED = 4_096


class Parser:
    """The requests of one connection, one at a time."""

    __slots__ = (
        "_authority", "_carriage", "_execute_raw", "_extensions", "_head", "_head_size", "_in_chunk", "_kept_block", "_kept_line",
        "_limits", "_line", "_lined", "_meter", "_method", "_moved", "_peer", "_quick", "_recall", "_run", "_scheme",
        "_sized", "_spent", "_tail", "_target", "_trailer", "_upgraded", "_version", "begun", "body", "complete",
        "persistent", "reason", "remaining", "request", "status", "trailers",
    )  # fmt: skip

    def __init__(self, limits: Limits, peer: Peer) -> None:
        self._limits = limits
        self._peer = peer
        self._scheme = judge(b":scheme", peer.scheme.encode("ascii"))
        self._kept_line = b""
        self._kept_block = b""
        self._recall = Recall()
        self._head = Head(limits, False)
        self._quick: int = min(limits.path, limits.size)
        self._carriage = False
        self.status: int = 0
        self.reason = ""
        self.body: list[bytes] = []
        self.trailers: Fields = []
        self._renew()
        self.next()

    def next(self) -> None:
        """Forget the message that is complete, and expect the one behind it."""
        if self._spent or self._recall.misread:
            self._renew()
        self._head.begin()
        self._recall.rewind()
        self.request: Request | None = None
        self.begun = False
        self.complete = False
        self.persistent = True
        self.remaining: int = 0
        self._upgraded = False
        self._lined = False
        self._line = b""
        self._tail = b""
        self._head_size: int = 0

    def _renew(self) -> None:
        self._execute_raw = HttpRequestParser(self).feed_data
        self._spent = False

    def close(self) -> None:
        """Let llhttp go; it holds on to this parser."""
        self._execute_raw = _closed

    def fail(self, status: int, reason: str) -> None:
        """Keep the first failure."""
        if not self.status:
            self.status = status
            self.reason = reason

    def feed(self, data: bytes, at: int) -> int:
        """Take what belongs to the next part of the message; `at` is below len(data), nothing failed."""
        if self.request is None:
            return self._feed_head(data, at)
        if self._meter is None:
            return self._feed_length(data, at)
        return self._feed_chunks(data, at)

    def _execute(self, piece: bytes | memoryview) -> bool:
        try:
            self._execute_raw(piece)
        except HttpParserUpgrade:
            # llhttp takes the rest for another protocol, and skips a body: this parser is of no more use.
            self._upgraded = True
            self._spent = True
        except HttpParserError as error:
            self.fail(400, str(error))
            return False
        return True

    # Called by llhttp

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head or of the trailers."""
        field = self._recall.field(name, value)
        if self.request is None:
            self._head.take(field)
        else:
            self._trailing().take(field)

    def on_body(self, piece: bytes) -> None:
        """Data of a chunk."""
        self._moved = True
        self.body.append(piece)
        if self._meter is not None and self._meter.take(len(piece)):
            self.fail(413, "the body is longer than limit.request_body")

    def on_chunk_header(self) -> None:
        """The line with the size of a chunk has ended."""
        self._sized = True

    def on_message_complete(self) -> None:
        """The message has ended, as llhttp sees it."""
        self.complete = True

    # Head

    def _feed_head(self, data: bytes, at: int) -> int:
        if not self.begun:
            if data[at] <= CR or self._carriage:
                at = self._skip_blank(data, at)
                if self.status or at == len(data):
                    return at
            self.begun = True
            end = data.find(HEAD_END, at) + 4
            if end >= 4 and end - at <= self._quick:
                self._take_head(data, at, end)
                return end
        return self._feed_part(data, at)

    def _take_head(self, data: bytes, at: int, end: int) -> None:
        """A whole head in one read; one that the connection has sent before is not parsed again."""
        text = data
        stop = at
        while text[stop] != CR:
            stop += 1
        line = text[at:stop]
        block = text[stop:end] if end - stop <= KEPT_BLOCK else b""
        if block and block == self._kept_block:
            if line == self._kept_line:
                self.complete = True
            elif not self._execute(line + HEAD_END):
                return
            self._recall.replay(self._head)
            self._finish_head(line)
            return
        self._kept_block = b""
        if self._execute(data if end - at == len(data) else text[at:end]):
            self._finish_head(line)
            # What bears on framing or on the connection is parsed each time.
            if self.complete and not self._spent and self._head.connection is None and self._recall.hold():
                self._kept_block = block

    def _skip_blank(self, data: bytes, at: int) -> int:
        # RFC 9112 2.2: empty lines before a request line are ignored, each a whole CRLF.
        while at < len(data):
            byte = data[at]
            if self._carriage != (byte == LF):
                self.fail(400, "an empty line before the request that is not CRLF")
                break
            if byte != CR and byte != LF:
                break
            self._carriage = byte == CR
            at += 1
        return at

    def _feed_part(self, data: bytes, at: int) -> int:
        """Feed a head that comes in several reads or is long: up to each limit, so that a split changes nothing."""
        self._kept_block = b""
        end = self._find_end(data, at)
        stop = end if end else len(data)
        if not self._lined:
            at = self._feed_line(data, at, stop)
        if self._lined and at < stop and not self.status:
            most = max(0, self._limits.size + 4 - self._head_size)
            piece = data[at:stop] if stop - at <= most else data[at : at + most]
            self._head_size += len(piece)
            if self._execute(piece) and len(piece) < stop - at:
                self.fail(431, "the head is larger than limit.head_size")
        if end and not self.status:
            self._finish_head(self._line)
        return stop

    def _find_end(self, data: bytes, at: int) -> int:
        """Return where the head ends in `data`, 0 if it does not."""
        tail = self._tail
        if tail:
            seam = (tail + data[at : at + 3]).find(HEAD_END)
            if seam >= 0:
                return at + seam + 4 - len(tail)
        end = data.find(HEAD_END, at)
        if end >= 0:
            return end + 4
        last = tail + data[max(at, len(data) - 3) :]
        self._tail = last[max(0, len(last) - 3) :]
        return 0

    def _feed_line(self, data: bytes, at: int, stop: int) -> int:
        most = self._limits.path + 2 - len(self._line)
        piece = data[at:stop] if stop - at <= most else data[at : at + most]
        if not self._execute(piece):
            return stop
        line = self._line + piece
        mark = line.find(CRLF)
        if mark >= 0:
            self._lined = True
            self._head_size = len(line) - mark - 2
            line = line[:mark]
        elif len(line) == self._limits.path + 2:
            self.fail(414, "the request line is longer than limit.request_line")
        self._line = line
        return at + len(piece)

    def _finish_head(self, line: bytes) -> None:
        if line != self._kept_line:
            self._kept_line = b""
            if not self._read_line(line):
                return
        head = self._head
        head.line(self._method, self._scheme, self._target, self._authority)
        request = head.request(self._peer, False, self._version)
        if request is not None:
            self._frame(request)
        elif head.verdict == RESET:
            self.fail(400, head.reason)
        else:
            self.fail(431 if head.verdict == DROP_CONNECTION else head.verdict, head.reason)

    def _read_line(self, line: bytes) -> bool:
        # llhttp lets doubled spaces and any digits of a version pass.
        words = line.split(b" ")
        if len(words) != 3:
            self.fail(400, "a request line that is not a method, a target and a version")
            return False
        method, target, version = words
        if version != b"HTTP/1.1" and version != b"HTTP/1.0":
            self.fail(505 if version.startswith(b"HTTP/") else 400, "a version other than HTTP/1.0 and 1.1")
            return False
        if method == b"CONNECT":
            self.fail(501, "CONNECT is not supported")
            return False
        self._version = "1.1" if version == b"HTTP/1.1" else "1.0"
        self._method = judge(b":method", method)
        self._authority: Field | None = None
        if not target.startswith(b"/"):
            target = self._split_absolute(method, target)
        self._target = judge(b":path", target)
        self._kept_line = line if len(line) <= KEPT_LINE else b""
        return True

    def _split_absolute(self, method: bytes, target: bytes) -> bytes:
        """Return the origin-form of an absolute-form target and keep its authority (RFC 9112 3.2.2)."""
        scheme, mark, rest = target.partition(b"://")
        if not mark or scheme.lower() not in (b"http", b"https"):
            return target
        cut = min([at for at in (rest.find(b"/"), rest.find(b"?"), rest.find(b"#"), len(rest)) if at >= 0])
        self._authority = judge(b":authority", rest[:cut])
        path = rest[cut:]
        if path.startswith(b"/"):
            return path
        return b"*" if method == b"OPTIONS" and not path else b"/" + path

    # Framing

    def _frame(self, request: Request) -> None:
        """Decide how the body ends (RFC 9112 6.3); llhttp must agree."""
        head = self._head
        self._meter: Meter | None = None
        if head.codings is not None:
            if not self._frame_chunks(request):
                return
        elif request.length > 0:
            self.remaining = request.length
            self.trailers = []
            self._spent = True
        elif not self.complete:
            return self.fail(400, "a head that llhttp did not take for whole")
        else:
            request.ends = True
        if request.ends or request.version == "1.0":
            request.expects = False
        if self._upgraded and not request.ends and not self._keep_body(request):
            return
        self.complete = request.ends
        if head.connection is not None or request.version == "1.0":
            self._read_connection(request)
        self.request = request

    def _frame_chunks(self, request: Request) -> bool:
        codings = self._head.codings
        assert codings is not None
        coding = codings[0].lower()
        if len(codings) > 1 or request.version == "1.0" or request.length >= 0:
            self.fail(400, "transfer-encoding twice, with content-length or in HTTP/1.0")
        elif coding != b"chunked":
            names = [name.strip() for name in coding.split(b",")]
            known = names.pop() == b"chunked" and all(names) and b"chunked" not in names
            self.fail(501 if known else 400, "a transfer-encoding other than chunked")
        else:
            self._meter = Meter(-1, self._limits.body)
            self._trailer: Head | None = None
            self.trailers = []
            self._run: int = 0
            self._extensions: int = 0
            self._moved = False
            self._sized = False
            self._in_chunk = False
            return True
        return False

    def _keep_body(self, request: Request) -> bool:
        """An upgrade was asked for with a body, which llhttp would skip (CVE-2026-58055)."""
        for name, value in request.fields:
            if name == b"upgrade" and b"websocket" in value.lower():
                self.fail(400, "a WebSocket handshake with a body")
                return False
        if self._meter is not None:
            self._renew()
            # A head of our own brings the new llhttp to where the body begins.
            kept = self._head
            self._head = Head(self._limits, False)
            self._execute(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
            self._head = kept
        return True

    def _read_connection(self, request: Request) -> None:
        values = self._head.connection
        options = [] if values is None else [option.strip() for option in b",".join(values).lower().split(b",")]
        self.persistent = b"close" not in options and (request.version != "1.0" or b"keep-alive" in options)
        if options != [b"keep-alive"]:
            # llhttp may have read these otherwise, and would take nothing behind this message.
            self._spent = True

    # Body

    def _feed_length(self, data: bytes, at: int) -> int:
        size = len(data) - at
        if size > self.remaining:
            size = self.remaining
        self.body.append(data if size == len(data) else data[at : at + size])
        self.remaining -= size
        if not self.remaining:
            self.complete = True
        return at + size

    def _feed_chunks(self, data: bytes, at: int) -> int:
        # A CRLF may be split over two reads; then its LF is a piece of its own.
        stop = at + 1 if data[at] == LF else _line_end(data, at)
        while True:
            size = stop - at
            if self._execute(data[at:stop] if size < COPIED else memoryview(data)[at:stop]):
                self._account(size)
            at = stop
            if at == len(data) or self.complete or self.status:
                break
            stop = _line_end(data, at)
        if self.complete and self._trailer is not None and not self.status:
            self._finish_trailers(self._trailer)
        return at

    def _account(self, size: int) -> None:
        """Bound what is not data: chunk extensions and trailers."""
        if self._moved:
            self._moved = False
            self._in_chunk = False
            self._run = 0
            return
        self._run += size
        if self._sized:
            self._sized = False
            self._in_chunk = True
            if self._run > CHUNK_LINE:
                self._extensions += self._run - CHUNK_LINE
                if self._run > CHUNK_LINE + EXTENSION or self._extensions > EXTENSIONS:
                    self.fail(400, "too long chunk extensions")
            self._run = 0
        elif self._in_chunk:
            if self._run > TRAILERS:
                self.fail(431, "too long trailers")
        elif self._run > CHUNK_LINE + EXTENSION:
            self.fail(400, "too long chunk extensions")

    def _trailing(self) -> Head:
        if self._trailer is None:
            limits = self._limits
            self._trailer = Head(Limits(limits.path, TRAILER_FIELDS, limits.field, TRAILERS, 0), False)
        return self._trailer

    def _finish_trailers(self, trailer: Head) -> None:
        trailers = trailer.trailers()
        if trailers is not None:
            self.trailers = trailers
        else:
            self.fail(400 if trailer.verdict == RESET else 431, trailer.reason)


def _line_end(data: bytes, at: int) -> int:
    # One byte is found at the speed of memory, two are not.
    mark = data.find(b"\r", at)
    while mark >= 0 and mark + 1 < len(data):
        if data[mark + 1] == LF:
            return mark + 2
        mark = data.find(b"\r", mark + 1)
    return len(data)


def _closed(data: object) -> None:
    raise HttpParserError("the connection is closed")
