# cython: boundscheck=False, wraparound=False
"""One request head being received: the one judge of every engine and both protocols.

A `Head` is given the fields of one block in order, each fresh (`add`) or judged before (`take`), and makes
the `Request`, or says what is wrong with it: a verdict (`verdicts`) and its reason.
The engines' own validation is switched off: nghttp2 and h2 disagree on 33 of 134 cases.
"""

from __future__ import annotations

from appserver.accepted import Peer
from appserver.contract import Fields, Request
from appserver.http.body import BodyMeter
from appserver.http.field import Field, classify, judge_as
from appserver.http.grammar import is_field_value, parse_scheme
from appserver.http.limits import Limits
from appserver.http.names import (
    AUTHORITY,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    DROPPED,
    EXPECT,
    FORWARDED,
    FORWARDED_FOR,
    FORWARDED_PROTO,
    HOST,
    METHOD,
    PATH,
    PLAIN,
    PRIORITY,
    PROTECTED,
    SCHEME,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
)
from appserver.http.priority import read_priority
from appserver.http.verdicts import DROP_CONNECTION, OK, RESET

__all__ = ["DROP_CONNECTION", "OK", "RESET", "Head"]

BAD_FIELD = "a field name or value that HTTP does not allow"
CONNECT_REFUSED = "CONNECT is not supported"
MAX_COOKIE_FIELDS = 256
# Past a limit a head is still answered, and decoded to its end; past so many times it ends the connection.
DROP_FACTOR = 4


class Head:
    """Collects the fields of one block. One per connection serves: blocks never interleave.

    `h2` selects the rules of RFC 9113 over those of RFC 9112; with `connect_protocol` it takes the extended
    CONNECT of RFC 8441. `connection`, `codings`, `expect` and `upgrade` are what HTTP/1.1 needs: the values of
    Connection, Transfer-Encoding, Expect and Upgrade.
    """

    __slots__ = (
        "_authority", "_connect_protocol", "_content_length", "_cookies", "_count", "_forwarded", "_forwarded_for",
        "_forwarded_lines", "_forwarded_more", "_forwarded_proto", "_forwarded_protos", "_has_content_type",
        "_has_regular", "_host", "_hosts", "_limits", "_method", "_path", "_priority", "_protocol", "_scheme", "_size",
        "_trailers_accepted", "codings", "connection", "dropped", "expect", "fields", "h2", "reason", "upgrade",
        "verdict",
    )  # fmt: skip

    def __init__(self, limits: Limits, h2: bool, connect_protocol: bool = False) -> None:
        self._limits = limits
        self.h2 = h2
        self._connect_protocol = connect_protocol
        self.begin()

    def begin(self) -> None:
        """Expect the next block."""
        self.fields: Fields = []
        self.verdict: int = 0
        self.reason: str = ""
        self._method: Field | None = None
        self._path: Field | None = None
        self._scheme: Field | None = None
        self._authority: Field | None = None
        self._protocol: Field | None = None
        self._host: Field | None = None
        self._hosts = self._count = self._size = self._forwarded_protos = 0
        self._content_length: int = -1
        self._cookies: list[bytes] | None = None
        self._trailers_accepted = self._has_content_type = self._has_regular = False
        self._forwarded = self._forwarded_more = False
        self._forwarded_for: bytes | None = None
        self._forwarded_lines: list[bytes] | None = None
        self._forwarded_proto: bytes | None = None
        self._priority: bytes | None = None
        self.expect: bytes | None = None
        self.connection: list[bytes] | None = None
        self.codings: list[bytes] | None = None
        self.upgrade: list[bytes] | None = None
        self.dropped: list[Field] | None = None

    def fail(self, verdict: int, reason: str) -> None:
        """Keep the first verdict, unless a later one ends the connection."""
        if not self.verdict or verdict == DROP_CONNECTION:
            self.verdict = verdict
            self.reason = reason

    def meter(self, length: int) -> BodyMeter:
        """Return what counts the body of a request that declared `length`."""
        return BodyMeter(length, self._limits.body)

    # Collecting

    def add(self, name: bytes, value: bytes) -> None:
        """Take the next field of the block, judged here; `name` is lower-case, `value` without blanks around it."""
        kind = classify(name)
        if kind > FORWARDED:
            self.take(judge_as(kind, name, value))
        elif self._admit(kind, len(name) + len(value) + 32):
            if not is_field_value(value):
                self.fail(RESET, BAD_FIELD)
            elif kind == PLAIN:
                self.fields.append((name, value))
            elif kind == COOKIE:
                self._add_cookie(value)
            else:
                self.fields.append((name, value))
                self._add_forwarded(kind, value)

    def take(self, field: Field) -> None:
        """Take the next field of the block, judged before; after a verdict it is only counted."""
        kind = field.kind
        if kind >= METHOD:
            self._add_pseudo(kind, field)
        elif self._admit(kind, field.size):
            if field.verdict:
                self.fail(field.verdict, field.reason)
            elif kind == PLAIN:
                self.fields.append(field.pair)
            elif kind == COOKIE:
                self._add_cookie(field.value)
            else:
                self._add_special(kind, field)

    def _admit(self, kind: int, size: int) -> bool:
        """Count a regular field; tell whether it is to be looked at."""
        self._has_regular = True
        self._size += size
        if self._size > self._limits.size:
            self._exceed(self._size, self._limits.size, "the head is larger than limit.head_size")
        if kind != COOKIE:
            self._count += 1
            if self._count > self._limits.count:
                self._exceed(self._count, self._limits.count, "more fields than limit.request_fields")
        if size - 32 > self._limits.field:
            self.fail(431, "a field is longer than limit.field_size")
        if not self.verdict:
            return True
        if kind == COOKIE and self.verdict != DROP_CONNECTION:
            self._add_cookie(b"")
        return False

    def _exceed(self, count: int, limit: int, reason: str) -> None:
        self.fail(DROP_CONNECTION if count > limit * DROP_FACTOR else 431, reason)

    def _add_cookie(self, value: bytes) -> None:
        if self._cookies is None:
            self._cookies = [value]
            return
        self._cookies.append(value)
        if len(self._cookies) > MAX_COOKIE_FIELDS:
            self._exceed(len(self._cookies), MAX_COOKIE_FIELDS, "too many cookie fields")

    def _add_forwarded(self, kind: int, value: bytes) -> None:
        self._forwarded = True
        if kind == FORWARDED_FOR:
            if self._forwarded_for is None:
                self._forwarded_for = value
            elif self._forwarded_lines is None:
                self._forwarded_lines = [self._forwarded_for, value]
            else:
                self._forwarded_lines.append(value)
        elif kind == FORWARDED_PROTO:
            self._forwarded_proto = value
            self._forwarded_protos += 1
        else:
            self._forwarded_more = True

    def _add_pseudo(self, kind: int, field: Field) -> None:
        self._size += field.size
        if self._size > self._limits.size:
            self._exceed(self._size, self._limits.size, "the head is larger than limit.head_size")
        if self._has_regular:
            self.fail(RESET, "a pseudo field after a regular one")  # RFC 9113 8.3
            return
        if field.verdict:
            self.fail(field.verdict, field.reason)
        if kind == METHOD:
            twice = self._method is not None
            self._method = field
        elif kind == PATH:
            twice = self._path is not None
            self._path = field
        elif kind == SCHEME:
            twice = self._scheme is not None
            self._scheme = field
        elif kind == AUTHORITY:
            twice = self._authority is not None
            self._authority = field
            self.fields.append(field.pair)
        else:
            twice = self._protocol is not None
            self._protocol = field
        if twice:
            self.fail(RESET, "a pseudo field twice")

    def _add_special(self, kind: int, field: Field) -> None:
        if kind == HOST:
            self._hosts += 1
            self._host = field
            return
        if kind == DROPPED:
            self.dropped = [*(self.dropped or ()), field]
            return
        if kind == CONTENT_LENGTH:
            # RFC 9110 8.6 lets a recipient merge equal repetitions; smugglers are why we do not.
            if self._content_length >= 0:
                self.fail(RESET, "content-length twice")
            self._content_length = field.length
        elif kind == CONTENT_TYPE:
            if self._has_content_type:
                self.fail(RESET, "content-type twice")
            self._has_content_type = True
        elif kind == EXPECT:
            self.expect = field.value.lower()
        elif kind == PRIORITY:
            # RFC 9110 5.3: lines of one name are one list.
            self._priority = field.value if self._priority is None else self._priority + b", " + field.value
        elif kind <= FORWARDED:
            self._add_forwarded(kind, field.value)
        else:
            self._add_hop_by_hop(kind, field.value)
        self.fields.append(field.pair)

    def _add_hop_by_hop(self, kind: int, value: bytes) -> None:
        if kind == TE:
            if self.h2 and value and value != b"trailers":
                self.fail(RESET, "te is not trailers")  # RFC 9113 8.2.2: nothing is no other value
            self._trailers_accepted = self._trailers_accepted or b"trailers" in value
        elif self.h2:
            self.fail(RESET, "a connection-specific field")
        elif kind == CONNECTION:
            self.connection = [value] if self.connection is None else [*self.connection, value]
        elif kind == TRANSFER_ENCODING:
            self.codings = [value] if self.codings is None else [*self.codings, value]
        elif kind == UPGRADE:
            self.upgrade = [value] if self.upgrade is None else [*self.upgrade, value]

    # Finishing

    def line(self, method: Field, scheme: Field | None, path: Field | None, authority: Field | None) -> None:
        """HTTP/1.1: what stands for the pseudo fields; `scheme` and `authority` are those of an absolute-form target.

        A request without `path` reaches nobody.
        """
        self._method = method
        self._scheme = scheme
        self._path = path
        if method.verdict:
            self.fail(method.verdict, method.reason)
        if scheme is not None and scheme.verdict:
            self.fail(scheme.verdict, scheme.reason)
        if path is not None and path.verdict:
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
        forwarding = peer.forwarding
        if method is None or path is None or (self.h2 and self._scheme is None):
            self._judge_incomplete()
            return None
        self._judge_whole(method, path, ends)
        host = self._judge_host(version)
        if self.verdict:
            return None
        if self._cookies is not None:
            # RFC 9113 8.2.3: crumbs become one field before they leave HTTP/2.
            self.fields.append((b"cookie", self._cookies[0] if len(self._cookies) == 1 else b"; ".join(self._cookies)))
        request = Request.__new__(Request)
        request.method = method.text
        _set_target(request, path)
        request.authority = host
        request.fields = self.fields
        request.version = version
        request.peer = peer
        request.prefix = ""
        request.server = request.protocol = request.priority = request.dependency = None
        request.length = self._content_length
        request.ends = ends
        request.trailers_accepted = self._trailers_accepted
        request.forwarded = self._forwarded
        request.expects = self.expect is not None and self.expect == b"100-continue" and not ends
        if self._priority is not None:
            request.priority = read_priority(self._priority)
        if self._protocol is not None:
            # What follows a CONNECT is no content (RFC 9110 9.3.6): it has no length, and nobody waits to send it.
            # Upgrade tokens have no case (RFC 9110 7.8): HAProxy passes on what its client wrote.
            request.protocol = self._protocol.value.lower()
            request.length = -1
            request.expects = False
        self._resolve(request, peer)
        # Not on the road, where a trusted peer sends what was read as it passed, and nothing else of this kind.
        is_road = peer.trust is not None and not self._forwarded_more
        if self._forwarded and forwarding is not None and not (is_road and forwarding.is_plain):
            forwarding.apply(request)
        return request

    def refused(self, peer: Peer, version: str) -> Request:
        """Return what is known of a request that is never dispatched, for the log."""
        request = Request()
        request.peer = peer
        request.version = version
        self._resolve(request, peer)
        if self._method is not None and not self._method.verdict:
            request.method = self._method.text
        if self._path is not None and not self._path.verdict:
            _set_target(request, self._path)
        if self._authority is not None and not self._authority.verdict:
            request.authority = self._authority.value
        request.fields = self.fields
        if self._forwarded_more and peer.forwarding is not None:
            peer.forwarding.apply(request)
        return request

    def _resolve(self, request: Request, peer: Peer) -> None:
        """Say who the client is and which scheme it used; only a trusted peer has a word in it."""
        request.client = peer.client
        request.scheme = peer.scheme
        if peer.trust is None:
            return
        forwarding = peer.forwarding
        if self._scheme is not None and not self._scheme.verdict:
            request.scheme = self._scheme.text
        if self._forwarded_for is not None and (forwarding is None or forwarding.reads_for):
            # RFC 9110 5.3: lines of one name are one list.
            lines = self._forwarded_lines
            client = peer.trust.resolve(self._forwarded_for if lines is None else b",".join(lines))
            if client is not None:
                request.client = client
        proto = self._forwarded_proto
        if proto is not None and self._forwarded_protos == 1 and (forwarding is None or forwarding.reads_proto):
            request.scheme = parse_scheme(proto) or request.scheme

    def _judge_whole(self, method: Field, path: Field, ends: bool) -> None:
        # What no field shows by itself.
        is_tunnel = self._protocol is not None
        if (method.text == "CONNECT") != is_tunnel or (is_tunnel and not self._connect_protocol):
            if method.text == "CONNECT":
                self.fail(501, CONNECT_REFUSED)
            else:
                self.fail(RESET, ":protocol without CONNECT")
        elif path.raw_path == b"*" and method.text != "OPTIONS":
            self.fail(RESET, "a path that does not begin with /")
        elif path.size - 37 > self._limits.path:
            self.fail(414, "the target is longer than limit.request_line")
        elif is_tunnel:
            return
        elif ends and self._content_length > 0:
            self.fail(RESET, "a content-length without a body")
        elif self._limits.body and self._content_length > self._limits.body:
            self.fail(413, "the body is longer than limit.request_body")

    def _judge_incomplete(self) -> None:
        is_extended = self._connect_protocol and self._protocol is not None
        if self._method is not None and self._method.text == "CONNECT" and not is_extended:
            self.fail(501, CONNECT_REFUSED)
        else:
            self.fail(RESET, "a pseudo field is missing")

    def _judge_host(self, version: str) -> bytes:
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
        for pseudo in (self._method, self._path, self._scheme, self._authority, self._protocol):
            if pseudo is not None:
                self.fail(RESET, "a pseudo field in trailers")
        if self._content_length >= 0 or self.codings is not None:
            self.fail(RESET, "a field that trailers must not hold")
        if self._hosts and not self.h2:
            self.fail(RESET, "host in trailers")
        if self.verdict:
            return None
        return [pair for pair in self.fields if pair[0] not in PROTECTED]


def _set_target(request: Request, path: Field) -> None:
    request.target = path.value
    request.path = path.text
    request.raw_path = path.raw_path
    request.query = path.query
