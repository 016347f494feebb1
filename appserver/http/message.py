# cython: boundscheck=False, wraparound=False
"""One request head being received: its fields are judged here for every engine and both protocols.

A field is judged once (`judge`) and may be kept by an engine for its repetitions; a `Head` then takes
the judged fields of one block in order and makes the `Request`, or says what is wrong with it.
The engines' own validation is switched off: nghttp2 and h2 disagree on 33 of 134 cases.

Verdicts: OK, RESET (h2: the stream is reset, h1: 400), DROP_CONNECTION (the peer is abusive), or the
HTTP status to answer with.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from appserver.accepted import Peer, Trust
from appserver.contract import Fields, Request
from appserver.http.grammar import TARGET_BAD, VALUE_BAD, is_authority, is_token

__all__ = ["DROP_CONNECTION", "OK", "RESET", "Field", "Head", "Limits", "Meter", "judge", "parse_length", "recall"]

OK = 0
RESET = 1
DROP_CONNECTION = 2

# What a field is to the rules below.
_PLAIN = 0
_COOKIE = 1
_HOST = 2
_LENGTH = 3
_TE = 4
_CONNECTION = 5
_CODING = 6
_EXPECT = 7
_FORWARDED = 8
_DROPPED = 9
_METHOD = 10
_PATH = 11
_SCHEME = 12
_AUTHORITY = 13
_PROTOCOL = 14
_SINGLE = 15
_HOP = 16
_BAD = 17

_KINDS: dict[bytes, int] = {
    b"cookie": _COOKIE,
    b"host": _HOST,
    b"content-length": _LENGTH,
    b"te": _TE,
    b"connection": _CONNECTION,
    b"transfer-encoding": _CODING,
    b"keep-alive": _HOP,
    b"proxy-connection": _HOP,
    b"upgrade": _HOP,
    b"expect": _EXPECT,
    b"x-forwarded-for": _FORWARDED,
    b"x-forwarded-proto": _FORWARDED,
    b"forwarded": _FORWARDED,
    # RFC 9113 3.2.1: means nothing without an upgrade, and no application should see it.
    b"http2-settings": _DROPPED,
    b"content-type": _SINGLE,
    b":method": _METHOD,
    b":path": _PATH,
    b":scheme": _SCHEME,
    b":authority": _AUTHORITY,
    b":protocol": _PROTOCOL,
}
# CGI folding makes X_Forwarded_For equal to X-Forwarded-For (CVE-2026-39858, CVE-2026-52845).
_PROTECTED = frozenset(
    name
    for name in (
        *(name for name, kind in _KINDS.items() if kind != _SINGLE and b":" not in name),
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-server",
        b"x-real-ip",
        b"content-type",
        b"authorization",
        b"proxy",
    )
)
_METHODS: dict[bytes, str] = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")
}
_SCHEMES: dict[bytes, str] = {b"http": "http", b"https": "https"}
VALUE_TABLE = VALUE_BAD
TARGET_TABLE = TARGET_BAD
_NONE = (None,) * 4
_JUDGED: dict[tuple[bytes, bytes], Field] = {}
_MOST_JUDGED = 1_024
_MOST_CRUMBS = 256
_HARD = 4  # this many times a soft limit ends the connection, as Go's http2 does


class Limits:
    """What a request may hold; `path` is 414, `body` 413, the others 431; four times a head's ends the connection.

    `discard` bytes of an upload are read on after its answer (0: none), then its stream is reset.
    """

    __slots__ = ("body", "count", "discard", "field", "path", "size")

    def __init__(self, path: int, count: int, field: int, size: int, body: int, discard: int = 1_048_576) -> None:
        self.path = path
        self.count = count
        self.field = field
        self.size = size
        self.body = body
        self.discard = discard


class Field:
    """One field, judged and digested once, however often an engine repeats it.

    `pair` is what an application would see, `size` what RFC 9113 10.5.1 counts, `verdict` and `reason` what
    is wrong with it by itself. The rest depends on the kind: `text` is a method, scheme or decoded path,
    `raw` and `query` the halves of a path, `number` a content-length.
    """

    __slots__ = ("kind", "number", "pair", "query", "raw", "reason", "size", "text", "value", "verdict")

    def __init__(self, kind: int, name: bytes, value: bytes) -> None:
        self.kind = kind
        self.pair = (name, value)
        self.value = value
        self.size = len(name) + len(value) + 32
        self.verdict = OK
        self.reason: str = ""
        self.text: str = ""
        self.raw: bytes = b""
        self.query: bytes = b""
        self.number: int = -1

    def fail(self, verdict: int, reason: str) -> None:
        """Say what is wrong with this field."""
        self.verdict = verdict
        self.reason = reason


def judge(name: bytes, value: bytes) -> Field:
    """Judge one field; `name` must be lower-case on the h2 wire (RFC 9113 8.2.1), h1 lowers it before."""
    kind = _KINDS.get(name, -1)
    if kind < 0:
        kind = _BAD if not is_token(name) or name != name.lower() else _PLAIN
        if kind == _PLAIN and b"_" in name and name.replace(b"_", b"-") in _PROTECTED:
            kind = _DROPPED
    field = Field(kind, name, value)
    if kind == _PATH:
        _judge_target(field, value)
    elif kind == _BAD or (value and _bad_value(value)):
        if kind == _PLAIN or kind == _COOKIE:
            field.kind = _BAD
        field.fail(RESET, "a field name or value that HTTP does not allow")
    elif kind == _METHOD:
        _judge_method(field, value)
    elif kind == _SCHEME:
        _judge_scheme(field, value)
    elif kind == _AUTHORITY or kind == _HOST:
        field.pair = (b"host", value)
        _judge_authority(field, value)
    elif kind == _LENGTH:
        field.number = parse_length(value)
        if field.number < 0:
            field.fail(RESET, "a content-length that is no number")
    return field


def recall(name: bytes, value: bytes) -> Field:
    """Judge a field, or return it from what the process has judged: connections share what they repeat."""
    field = _JUDGED.get((name, value))
    if field is None:
        field = judge(name, value)
        if len(_JUDGED) >= _MOST_JUDGED:
            _JUDGED.clear()
        _JUDGED[name, value] = field
    return field


def _judge_method(field: Field, method: bytes) -> None:
    name = _METHODS.get(method)
    if name is not None:
        field.text = name
    elif is_token(method):
        field.text = method.decode("ascii")
    else:
        field.fail(RESET, "a method that is no token")


def _judge_scheme(field: Field, scheme: bytes) -> None:
    name = _SCHEMES.get(scheme)
    if name is not None:
        field.text = name
    else:
        field.fail(400 if is_token(scheme) else RESET, "a scheme other than http and https")


def _judge_authority(field: Field, authority: bytes) -> None:
    if is_authority(authority):
        return
    hostile = not authority or authority.translate(None, b"/?#@\\ ") != authority
    field.fail(RESET if hostile else 400, "an authority that is no host[:port]")


def _judge_target(field: Field, target: bytes) -> None:
    if not target or (target[0] != 47 and target != b"*"):
        field.fail(RESET, "a path that does not begin with /")
        return
    mark = -1
    at = 0
    escaped = False
    for byte in target:
        if TARGET_TABLE[byte]:
            if byte == 35:
                field.fail(400, "a fragment in the target")
            else:
                field.fail(RESET, "a control character or space in the target")
            return
        if mark < 0:
            if byte == 63:
                mark = at
            elif byte == 37 or byte >= 128:
                escaped = True
        at += 1
    raw = target if mark < 0 else target[:mark]
    field.raw = raw
    field.query = b"" if mark < 0 else target[mark + 1 :]
    # ASGI wants text: bytes that are no UTF-8 become U+FFFD; raw_path keeps them.
    field.text = unquote_to_bytes(raw).decode("utf-8", "replace") if escaped else raw.decode("ascii")


def _bad_value(value: bytes) -> bool:
    # RFC 9113 8.2.1: no CR, LF, NUL anywhere, no SP or HTAB at the ends.
    first = value[0]
    last = value[len(value) - 1]
    if first == 32 or first == 9 or last == 32 or last == 9:
        return True
    for byte in value:
        if VALUE_TABLE[byte]:
            return True
    return False


def parse_length(value: bytes) -> int:
    """Return a content-length (RFC 9110 8.6: 1*DIGIT) of at most 18 digits, or -1."""
    size = len(value)
    if size == 0 or size > 18:
        return -1
    length = 0
    for byte in value:
        if byte < 48 or byte > 57:
            return -1
        length = length * 10 + byte - 48
    return length


class Meter:
    """Counts a request body against its declared length and the limit; 0: no limit."""

    __slots__ = ("length", "limit", "received")

    def __init__(self, length: int, limit: int) -> None:
        self.length = length
        self.limit = limit
        self.received = 0

    def take(self, size: int) -> int:
        """Count `size` more bytes; return OK, RESET (more than declared) or 413."""
        self.received += size
        if self.length >= 0 and self.received > self.length:
            return RESET
        if self.limit and self.received > self.limit:
            return 413
        return OK

    def end(self) -> int:
        """The body is over; return RESET if bytes are missing (RFC 9113 8.1.1)."""
        return RESET if self.length >= 0 and self.received != self.length else OK


class Head:
    """Collects the fields of one block. One per connection serves: blocks never interleave.

    `h2` selects the rules of RFC 9113 over those of RFC 9112. `connection`, `codings` and `expect`
    are what HTTP/1.1 framing needs: the values of Connection, Transfer-Encoding and Expect.
    """

    __slots__ = (
        "_authority",
        "_count",
        "_crumbs",
        "_forwarded",
        "_host",
        "_hosts",
        "_length",
        "_limits",
        "_method",
        "_path",
        "_protocol",
        "_regular",
        "_scheme",
        "_single",
        "_size",
        "_te",
        "codings",
        "connection",
        "expect",
        "fields",
        "h2",
        "reason",
        "verdict",
    )

    def __init__(self, limits: Limits, h2: bool) -> None:
        self._limits = limits
        self.h2 = h2
        self.begin()

    def begin(self) -> None:
        """Forget the last block."""
        self.fields: Fields = []
        self.verdict: int = 0
        self.reason: str = ""
        self._method: Field | None = None
        self._path: Field | None = None
        self._scheme: Field | None = None
        self._authority: Field | None = None
        self._protocol = False
        self._host: Field | None = None
        self._hosts = 0
        self._length: int = -1
        self._count = 0
        self._size = 0
        self._crumbs: list[bytes] | None = None
        self._te = False
        self._forwarded = False
        self._single = False
        self._regular = False
        self.expect: bytes | None = None
        self.connection: list[bytes] | None = None
        self.codings: list[bytes] | None = None

    def fail(self, verdict: int, reason: str) -> None:
        """Keep the first verdict, unless a later one ends the connection."""
        if self.verdict == 0 or verdict == DROP_CONNECTION:
            self.verdict = verdict
            self.reason = reason

    def meter(self, length: int) -> Meter:
        """Return what counts the body of a request that declared `length`."""
        return Meter(length, self._limits.body)

    # Collecting

    def add(self, name: bytes, value: bytes) -> None:
        """Judge the next field of the block and take it; `name` is lower-case, `value` without blanks around it."""
        self.take(judge(name, value))

    def take(self, field: Field) -> None:
        """Take the next field of the block, judged before; after a verdict it is only counted."""
        kind = field.kind
        self._size += field.size
        if self._size > self._limits.size:
            self._too_large()
        if kind >= _METHOD and kind <= _PROTOCOL:
            self._add_pseudo(kind, field)
            return
        self._regular = True
        if kind != _COOKIE:
            self._count += 1
            if self._count > self._limits.count:
                self._too_many(self._count, self._limits.count, "more fields than limit.request_fields")
        if field.size - 32 > self._limits.field:
            self.fail(431, "a field is longer than limit.field_size")
        if self.verdict:
            if self.verdict != DROP_CONNECTION and kind == _COOKIE:
                self._add_crumb(b"")
            return
        if kind == _PLAIN:
            self.fields.append(field.pair)
        elif kind == _COOKIE:
            self._add_crumb(field.value)
        else:
            self._add_special(kind, field)

    def _too_large(self) -> None:
        if self._size > self._limits.size * _HARD:
            self.fail(DROP_CONNECTION, "a head far larger than limit.head_size")
        else:
            self.fail(431, "the head is larger than limit.head_size")

    def _too_many(self, count: int, limit: int, reason: str) -> None:
        self.fail(DROP_CONNECTION if count > limit * _HARD else 431, reason)

    def _add_crumb(self, value: bytes) -> None:
        if self._crumbs is None:
            self._crumbs = []
        self._crumbs.append(value)
        if len(self._crumbs) > _MOST_CRUMBS:
            self._too_many(len(self._crumbs), _MOST_CRUMBS, "too many cookie fields")

    def _add_pseudo(self, kind: int, field: Field) -> None:
        if self._regular:
            self.fail(RESET, "a pseudo field after a regular one")  # RFC 9113 8.3
            return
        if field.verdict:
            self.fail(field.verdict, field.reason)
        if kind == _METHOD:
            twice = self._method is not None
            self._method = field
        elif kind == _PATH:
            twice = self._path is not None
            self._path = field
        elif kind == _SCHEME:
            twice = self._scheme is not None
            self._scheme = field
        elif kind == _AUTHORITY:
            twice = self._authority is not None
            self._authority = field
            self.fields.append(field.pair)
        else:
            twice = self._protocol
            self._protocol = True
        if twice:
            self.fail(RESET, "a pseudo field twice")

    def _add_special(self, kind: int, field: Field) -> None:
        if field.verdict:
            self.fail(field.verdict, field.reason)
        elif kind == _HOST:
            self._hosts += 1
            self._host = field
        elif kind == _LENGTH:
            # RFC 9110 8.6 lets a recipient merge equal repetitions; smugglers are why we do not.
            if self._length >= 0:
                self.fail(RESET, "content-length twice")
            self._length = field.number
            self.fields.append(field.pair)
        elif kind == _SINGLE:
            if self._single:
                self.fail(RESET, "content-type twice")
            self._single = True
            self.fields.append(field.pair)
        elif kind == _EXPECT:
            self.expect = field.value.lower()
            self.fields.append(field.pair)
        elif kind == _FORWARDED:
            self._forwarded = True
            self.fields.append(field.pair)
        elif kind != _DROPPED:
            self._add_hop(kind, field)

    def _add_hop(self, kind: int, field: Field) -> None:
        value = field.value
        if kind == _TE:
            if self.h2 and value != b"trailers":
                self.fail(RESET, "te is not trailers")  # RFC 9113 8.2.2
            self._te = self._te or b"trailers" in value
        elif self.h2:
            self.fail(RESET, "a connection-specific field")
        elif kind == _CONNECTION:
            self.connection = [value] if self.connection is None else [*self.connection, value]
        elif kind == _CODING:
            self.codings = [value] if self.codings is None else [*self.codings, value]
        self.fields.append(field.pair)

    # Finishing

    def line(self, method: Field, scheme: Field, path: Field, authority: Field | None) -> None:
        """HTTP/1.1: what stands for the pseudo fields; `authority` is that of an absolute-form target."""
        self._method = method
        self._scheme = scheme
        self._path = path
        if method.verdict:
            self.fail(method.verdict, method.reason)
        if scheme.verdict:
            self.fail(scheme.verdict, scheme.reason)
        if path.verdict:
            self.fail(path.verdict, path.reason)
        if authority is not None:
            self._authority = authority
            self.fields.insert(0, authority.pair)
            if authority.verdict:
                self.fail(authority.verdict, authority.reason)

    def request(self, peer: Peer, ends: bool, version: str) -> Request | None:
        """Return the request; None if `verdict` and `reason` say what is wrong with it."""
        method = self._method
        path = self._path
        scheme = self._scheme
        if method is None or scheme is None or path is None:
            self._incomplete()
        else:
            self._judge_whole(method, path, ends)
        if self.verdict:
            return None
        host = self._name_host(version)
        if self.verdict or method is None or scheme is None or path is None:
            return None
        if self._crumbs is not None:
            # RFC 9113 8.2.3: crumbs become one field before they leave HTTP/2.
            self.fields.append((b"cookie", self._crumbs[0] if len(self._crumbs) == 1 else b"; ".join(self._crumbs)))
        request = Request.__new__(Request)
        request.method = method.text
        request.target = path.value
        request.path = path.text
        request.raw_path = path.raw
        request.query = path.query
        request.scheme = scheme.text
        request.authority = host
        request.fields = self.fields
        request.version = version
        request.peer = peer
        request.client = peer.client
        request.protocol = None
        request.length = self._length
        request.ends = ends
        request.trailers_accepted = self._te
        request.forwarded = self._forwarded
        request.expects = self.expect is not None and self.expect == b"100-continue" and not ends
        if self._forwarded and peer.trust is not None:
            self._forward(request, peer.trust)
        return request

    def refused(self, peer: Peer, version: str) -> Request:
        """Return what is known of a request that is never dispatched, for the log; the rest is empty."""
        request = Request()
        request.peer = peer
        request.client = peer.client
        request.scheme = peer.scheme
        request.version = version
        if self._method is not None and not self._method.verdict:
            request.method = self._method.text
        if self._path is not None and not self._path.verdict:
            request.target = self._path.value
            request.path = self._path.text
            request.raw_path = self._path.raw
            request.query = self._path.query
        return request

    def _forward(self, request: Request, trust: Trust) -> None:
        client, scheme = trust.resolve(self.fields)
        if client is not None:
            request.client = client
        if scheme is not None:
            request.scheme = scheme

    def _judge_whole(self, method: Field, path: Field, ends: bool) -> None:
        # What no field shows by itself.
        if method.text == "CONNECT":
            self.fail(501, "CONNECT is not supported")
        elif self._protocol:
            self.fail(RESET, ":protocol without CONNECT")
        elif path.raw == b"*" and method.text != "OPTIONS":
            self.fail(RESET, "a path that does not begin with /")
        elif path.size - 37 > self._limits.path:
            self.fail(414, "the target is longer than limit.request_line")
        elif ends and self._length > 0:
            self.fail(RESET, "a content-length without a body")
        elif self._limits.body and self._length > self._limits.body:
            self.fail(413, "the body is longer than limit.request_body")

    def _incomplete(self) -> None:
        if self._method is not None and self._method.text == "CONNECT":
            self.fail(501, "CONNECT is not supported")
        else:
            self.fail(RESET, "a pseudo field is missing")

    def _name_host(self, version: str) -> bytes:
        authority = self._authority
        host = self._host
        if self._hosts > 1:
            self.fail(RESET, "host twice")
        elif authority is not None:
            if host is not None and host.value != authority.value and host.value.lower() != authority.value.lower():
                self.fail(400, "host differs from the authority")
            elif host is None and not self.h2 and version != "1.0":
                self.fail(400, "no host")  # RFC 9112 3.2: beside an absolute-form target, too
            return authority.value
        elif host is not None:
            self.fields.insert(0, host.pair)
            return host.value
        elif version != "1.0":
            self.fail(400, "neither :authority nor host" if self.h2 else "no host")
        return b""

    def trailers(self) -> Fields | None:
        """Return the block as trailers (RFC 9110 6.5); None if `verdict` is set.

        What frames or routes a message is refused or dropped, never merged into the head.
        """
        pseudo = (self._method, self._path, self._scheme, self._authority)
        if pseudo != _NONE or self._protocol or self._length >= 0 or self.codings is not None:
            self.fail(RESET, "a field that trailers must not hold")
        if self._hosts and not self.h2:
            self.fail(RESET, "host in trailers")
        if self.verdict:
            return None
        return [pair for pair in self.fields if pair[0] not in _PROTECTED]
