# cython: boundscheck=False, wraparound=False
r"""One HTTP/1.1 request head after another: bytes in, a judged request out.

Strict to the byte (RFC 9112 2, 3, 5, 6) and resumable at each: a line is taken once it is whole, and the bytes of
one that is not are sent again by the caller together with what follows. The fields are judged by `http.message`; here
are the request line, and what the head says of the body and of the connection.
"""

from __future__ import annotations

import re

from appserver.accepted import Peer
from appserver.contract import Request
from appserver.h1.fields import FieldReader
from appserver.http.field import Field, judge
from appserver.http.grammar import TOKEN_BAD
from appserver.http.limits import Limits
from appserver.http.message import Head
from appserver.http.upgrade import upgrade_settings
from appserver.http.verdicts import DROP_CONNECTION, RESET

__all__ = ["HeadReader"]

CR = 13
LF = 10
SPACE = 32
SLASH = 47
DEL = 127
HTTP_1_1 = b"HTTP/1.1\r\n"
HTTP_1_0 = b"HTTP/1.0\r\n"
VERSION_SIZE = 10
# A version, as far as it is there.
VERSION = re.compile(rb"(?:H(?:T(?:T(?:P(?:/(?:[0-9](?:\.(?:[0-9](?:\r\n?)?)?)?)?)?)?)?)?)?")
BAD = TOKEN_BAD
MALFORMED = RESET
DROPPED = DROP_CONNECTION
# The longest target that is kept to compare the next one with.
MAX_KEPT_TARGET = 256

METHODS: dict[bytes, Field] = {
    name: judge(b":method", name) for name in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE")
}


class HeadReader:
    """The request heads of one connection, one at a time; `next` goes on to the one behind.

    `request` is set at the end of a head; `is_chunked`, `is_persistent` and the request's `length` are its framing.
    `status` and `reason` are set if it is refused; nothing is read after that.
    With `websocket` a request for that upgrade has it as its `protocol`; with `h2c` one for HTTP/2 sets `h2_settings`, the
    payload of its HTTP2-Settings. Any other Upgrade means nothing.
    """

    __slots__ = (
        "_authority", "_end", "_fields", "_h2c", "_head", "_in_fields", "_mark", "_max_field", "_max_line", "_method", "_peer", "_scheme",
        "_target", "_version", "_websocket", "h2_settings", "is_chunked", "is_persistent", "reason", "request", "status",
    )  # fmt: skip

    def __init__(self, limits: Limits, peer: Peer, websocket: bool = False, h2c: bool = False) -> None:
        self._peer = peer
        self._websocket = websocket
        self._h2c = h2c
        self._max_line: int = limits.path
        self._max_field: int = limits.field
        self._head = Head(limits, False)
        self._method: Field = METHODS[b"GET"]
        self._target: Field | None = None
        # Of an absolute-form target.
        self._scheme: Field | None = None
        self._authority: Field | None = None
        self._fields = FieldReader()
        self.status: int = 0
        self.reason: str = ""
        self.next()

    def next(self) -> None:
        """Expect another head."""
        self._head.begin()
        self._fields.begin()
        self._version = "1.1"
        self._in_fields = False
        # Of a request line that is cut, from its beginning: to where its method and its target were scanned.
        self._mark: int = 0
        self._end: int = 0
        self.request: Request | None = None
        self.h2_settings: bytes | None = None
        self.is_chunked = False
        self.is_persistent = True

    def read(self, data: bytes, at: int) -> int:
        """Take what is whole of `data` from `at` on; return where it stopped: behind the head, or at a line that is cut."""
        if not self._in_fields:
            at = self._read_line(data, at)
            if not self._in_fields or self.status:
                return at
        head = self._head
        fields = self._fields
        whole = fields.read(data, at, head, self._max_field)
        at = fields.at
        if whole:
            self._finish()
        elif fields.refused:
            if head.verdict:
                self._refuse_as_judged()
            else:
                self._fail(400, fields.reason)
        return at

    def has_begun(self, data: bytes, at: int) -> bool:
        """Tell whether a head has begun, of which `data` from `at` on is all that was not taken."""
        return self._in_fields or at < len(data)

    def refused(self) -> Request:
        """Return what is known of the head that was refused, for the log."""
        return self._head.refused(self._peer, self._version)

    def _fail(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        self.is_persistent = False

    def _refuse_as_judged(self) -> None:
        head = self._head
        if head.verdict == MALFORMED:
            self._fail(400, head.reason)
        else:
            self._fail(431 if head.verdict == DROPPED else head.verdict, head.reason)

    # Request line

    def _read_line(self, data: bytes, at: int) -> int:
        """Take empty lines (RFC 9112 2.2) and a request line."""
        text = data
        bad = BAD
        size = len(data)
        while at < size and (text[at] == CR or text[at] == LF):
            if text[at] == LF or (at + 1 < size and text[at + 1] != LF):
                self._fail(400, "an empty line before the request that is not CRLF")
                return at
            if at + 1 == size:
                return at
            at += 2
        stop = min(size, at + self._max_line + 2)
        mark = at + self._mark
        while mark < stop and bad[text[mark]] == 0:
            mark += 1
        end = max(mark + 1, at + self._end)
        while end < stop and text[end] > SPACE and text[end] != DEL:
            end += 1
        if (mark < stop and text[mark] != SPACE) or (end < stop and text[end] != SPACE):
            self._fail(400, "a request line that is not a method, a target and a version")
            if mark < stop and text[mark] == SPACE:
                self._note_line(text[at:mark], text[mark + 1 : end])
            return at
        if end + VERSION_SIZE < stop:
            found = _is_version(data, end + 1)
            if found:
                self._version = "1.1" if found == 1 else "1.0"
                self._take_line(data, at, mark, end)
                return end + 1 + VERSION_SIZE
        if end < stop:
            self._judge_version(text[end + 1 : stop])
        if stop == at + self._max_line + 2 and not self.status:
            self._fail(414, "the request line is longer than limit.request_line")
        if self.status and mark < stop:
            self._note_line(text[at:mark], text[mark + 1 : end])
        self._mark = mark - at
        self._end = min(end, stop) - at
        return at

    def _note_line(self, method: bytes, target: bytes) -> None:
        """Keep what was read of a refused line, for the log."""
        self._head.line(judge(b":method", method), None, judge(b":path", target), None)

    def _judge_version(self, text: bytes) -> None:
        """Refuse what is no version that is served; `text` begins with it, and may be cut."""
        match = VERSION.match(text)
        if match is None or match.end() < min(len(text), VERSION_SIZE):
            self._fail(400, "a request line that does not end with HTTP/1.1 or HTTP/1.0 and CRLF")
        elif len(text) >= VERSION_SIZE:
            self._version = text[5:8].decode("ascii")
            self._fail(505, "a version other than HTTP/1.0 and 1.1")

    def _take_line(self, data: bytes, at: int, mark: int, end: int) -> None:
        text = data
        method = self._method
        if not _is_same(data, at, mark, method.value):
            name = text[at:mark]
            known = METHODS.get(name)
            method = judge(b":method", name) if known is None else known
            self._method = method
        target = self._target
        self._scheme = self._authority = None
        if method.value == b"CONNECT":
            # RFC 9110 9.3.6: its target is an authority.
            self._in_fields = True
            self._head.line(method, None, None, judge(b":authority", text[mark + 1 : end]))
            self._fail(501, "CONNECT is not supported")
            return
        if text[mark + 1] != SLASH or target is None or not _is_same(data, mark + 1, end, target.value):
            origin = text[mark + 1 : end]
            if text[mark + 1] != SLASH:
                origin = self._split_absolute(method, origin)
            target = judge(b":path", origin)
            self._target = target if end - mark <= MAX_KEPT_TARGET else None
        self._in_fields = True
        head = self._head
        head.line(method, self._scheme, target, self._authority)
        if head.verdict:
            self._refuse_as_judged()

    def _split_absolute(self, method: Field, target: bytes) -> bytes:
        """Return the origin-form of an absolute-form target and keep its scheme and authority (RFC 9112 3.2.2)."""
        scheme, mark, rest = target.partition(b"://")
        if not mark or scheme.lower() not in (b"http", b"https"):
            return target
        cut = min([at for at in (rest.find(b"/"), rest.find(b"?"), rest.find(b"#"), len(rest)) if at >= 0])
        self._scheme = judge(b":scheme", scheme)
        self._authority = judge(b":authority", rest[:cut])
        path = rest[cut:]
        if path.startswith(b"/"):
            return path
        return b"*" if method.value == b"OPTIONS" and not path else b"/" + path

    # The end of the head: framing (RFC 9112 6.3), the connection (9.3), upgrades (RFC 9110 7.8)

    def _finish(self) -> None:
        head = self._head
        request = head.request(self._peer, False, self._version)
        if request is None:
            self._refuse_as_judged()
            return
        if head.codings is not None:
            if not self._take_codings(head.codings, request):
                return
        elif request.length <= 0:
            request.ends = True
        if request.ends or self._version == "1.0":
            request.expects = False
        if head.connection is not None or self._version == "1.0":
            self._take_connection(head.connection, request)
        if head.upgrade is not None and (self._websocket or self._h2c):
            self._take_upgrade(head.upgrade, request)
        if not self.status:
            self.request = request

    def _take_upgrade(self, values: list[bytes], request: Request) -> None:
        tokens = [token.strip(b" \t") for token in b",".join(values).lower().split(b",")]
        if self._websocket and b"websocket" in tokens:
            request.protocol = b"websocket"
        elif self._h2c and b"h2c" in tokens and request.ends and self._version == "1.1" and self._head.dropped is not None:
            self.h2_settings = upgrade_settings(self._head.connection or (), [field.pair for field in self._head.dropped])

    def _take_codings(self, codings: list[bytes], request: Request) -> bool:
        coding = codings[0].lower()
        if len(codings) > 1 or self._version == "1.0" or request.length >= 0:
            self._fail(400, "transfer-encoding twice, with content-length or in HTTP/1.0")
        elif coding != b"chunked":
            names = [name.strip(b" \t") for name in coding.split(b",")]
            known = names.pop() == b"chunked" and all(names) and b"chunked" not in names
            self._fail(501 if known else 400, "a transfer-encoding other than chunked")
        else:
            self.is_chunked = True
            return True
        return False

    def _take_connection(self, values: list[bytes] | None, request: Request) -> None:
        joined = b"" if values is None else b",".join(values).lower()
        options = [option.strip(b" \t") for option in joined.split(b",")]
        self.is_persistent = b"close" not in options and (self._version != "1.0" or b"keep-alive" in options)
        if b"upgrade" in options and not request.ends:
            for name, value in request.fields:
                # A client that takes the body for frames, and a server that does not, disagree (CVE-2026-58055).
                if name == b"upgrade" and b"websocket" in value.lower():
                    self._fail(400, "a WebSocket handshake with a body")


def _is_same(data: bytes, at: int, end: int, value: bytes) -> bool:
    if len(value) != end - at:
        return False
    text = data
    for byte in value:
        if text[at] != byte:
            return False
        at += 1
    return True


def _is_version(data: bytes, at: int) -> int:
    """Return 1 for HTTP/1.1, 2 for HTTP/1.0, each with its CRLF, and 0 for anything else."""
    if _is_same(data, at, at + VERSION_SIZE, HTTP_1_1):
        return 1
    return 2 if _is_same(data, at, at + VERSION_SIZE, HTTP_1_0) else 0
