# cython: boundscheck=False, wraparound=False
"""Forwarding fields of one listener: which are believed of a trusted peer, and what of them an application sees.

`message.Head` reads X-Forwarded-For and X-Forwarded-Proto as they pass; what is seldom sent, or is to be taken out, is
looked at here, after the head is whole: so is Forwarded (RFC 7239), where that is the dialect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from appserver.accepted import Forwarding
from appserver.contract import Fields, Request
from appserver.http.forwarded import MAX_HOPS, Hop
from appserver.http.forwarded_element import ADDRESS, MALFORMED, ForwardedElement, parse_node
from appserver.http.grammar import is_authority, parse_port, parse_scheme

__all__ = ["FORWARDING_FIELDS", "ForwardedPolicy", "ForwardingPolicy", "forwarding_policy"]

# By the word that selects it.
SELECTED = {
    "for": b"x-forwarded-for", "proto": b"x-forwarded-proto", "host": b"x-forwarded-host", "port": b"x-forwarded-port",
    "prefix": b"x-forwarded-prefix",
}  # fmt: skip
# No word selects these; they are taken out where the peer is not trusted.
OTHERS = frozenset({b"forwarded", b"x-forwarded-server", b"x-real-ip"})
FORWARDING_FIELDS = OTHERS.union(SELECTED.values())

# Segments of unreserved characters and those that are harmless in a path (RFC 3986 3.3); "." and ".." are none.
_SEGMENT = rb"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:@-]+"
_PREFIX = re.compile(rb"(?:/" + _SEGMENT + rb")+/?")
_PORT_OF_HOST = re.compile(rb":[0-9]*\Z")
DEFAULT_PORTS = {"http": 80, "https": 443}


class ForwardingPolicy(Forwarding):
    """The X-Forwarded-* fields. `selected` are words of SELECTED; with `strip` an application sees none that is not believed."""

    __slots__ = ("_read_here", "_taken", "_taken_of_trusted")

    def __init__(self, selected: Iterable[str], strip: bool) -> None:
        believed = frozenset(SELECTED[word] for word in selected)
        self.reads_for = SELECTED["for"] in believed
        self.reads_proto = SELECTED["proto"] in believed
        self.is_plain = self.reads_for and self.reads_proto
        self._read_here = believed - {SELECTED["for"], SELECTED["proto"]}
        self._take_out(believed, strip)

    def _take_out(self, believed: frozenset[bytes], strip: bool) -> None:
        nothing: frozenset[bytes] = frozenset()
        self._taken = FORWARDING_FIELDS if strip else nothing
        # Of a trusted peer X-Real-IP says what is believed, and nobody here reads it.
        self._taken_of_trusted = FORWARDING_FIELDS - believed - {b"x-real-ip"} if strip else nothing

    def apply(self, request: Request) -> None:
        """Finish a request that has such fields."""
        self._apply(request)

    def _apply(self, request: Request) -> None:
        peer = request.peer
        is_trusted = peer is not None and peer.trust is not None
        if is_trusted and self._read_here:
            self._read(request)
        taken = self._taken_of_trusted if is_trusted else self._taken
        if taken:
            kept = []
            for pair in request.fields:
                if pair[0] not in taken:
                    kept.append(pair)
            request.fields = kept
            request.forwarded = is_trusted

    def _read(self, request: Request) -> None:
        said = {name: self._only(request.fields, name) for name in self._read_here}
        host = said.get(b"x-forwarded-host")
        authority = host if host is not None and is_authority(host) else request.authority
        port = said.get(b"x-forwarded-port")
        number = parse_port(port, 0, len(port)) if port else -1
        if number > 0 and authority:
            bare = _PORT_OF_HOST.sub(b"", authority)
            authority = bare if number == DEFAULT_PORTS.get(request.scheme) else b"%s:%d" % (bare, number)
        if authority and (authority is host or number > 0):
            _replace_host(request, authority)
        prefix = said.get(b"x-forwarded-prefix")
        if prefix is not None and _PREFIX.fullmatch(prefix):
            request.prefix = prefix.rstrip(b"/").decode("ascii")

    @staticmethod
    def _only(fields: Fields, name: bytes) -> bytes | None:
        """Return the value of a field that is there once; two say nothing."""
        values = [value for known, value in fields if known == name]
        return values[0] if len(values) == 1 else None


class ForwardedPolicy(ForwardingPolicy):
    """The field Forwarded (RFC 7239): `for`, `proto` and `host` of the hops that are trusted, as selected."""

    __slots__ = ("_element", "_hop", "_reads_for", "_reads_host", "_reads_proto")

    def __init__(self, selected: Iterable[str], strip: bool) -> None:
        words = frozenset(selected)
        self.reads_for = self.reads_proto = self.is_plain = False  # these are of X-Forwarded-*
        self._reads_for = "for" in words
        self._reads_proto = "proto" in words
        self._reads_host = "host" in words
        believed = frozenset({b"forwarded"} if words else ())
        self._read_here = believed
        self._take_out(believed, strip)
        self._element = ForwardedElement()
        self._hop = Hop()

    def _read(self, request: Request) -> None:
        """Walk from our peer's element to the left, as long as who it is for is trusted.

        The last hop that says so knows best which scheme and host the client used. An element that breaks the grammar
        ends the walk, with nothing of it believed: it was not written by a proxy that speaks this dialect.
        """
        peer = request.peer
        assert peer is not None and peer.trust is not None
        # RFC 9110 5.3: lines of one name are one list.
        text = b",".join([value for name, value in request.fields if name == b"forwarded"])
        element = self._element
        hop = self._hop
        scheme: str | None = None
        host: bytes | None = None
        stop = len(text)
        for _ in range(MAX_HOPS):
            if stop < 0:
                break
            stop = element.read(text, stop)
            kind = MALFORMED if element.is_malformed else parse_node(hop, element.node)
            if kind == MALFORMED:
                break
            if element.is_empty:
                continue
            if element.proto is not None and self._reads_proto:
                said = parse_scheme(element.proto)
                scheme = scheme if said is None else said
            if element.host is not None and self._reads_host and is_authority(element.host):
                host = element.host
            if kind != ADDRESS:
                break
            if self._reads_for:
                request.client = hop.address()
            if not peer.trust.trusts(hop):
                break
        if scheme is not None:
            request.scheme = scheme
        if host is not None:
            _replace_host(request, host)


def forwarding_policy(dialect: str, selected: Iterable[str], strip: bool) -> ForwardingPolicy:
    """Return what is done with forwarding fields in a dialect: `x-forwarded` or `rfc7239`."""
    return (ForwardedPolicy if dialect == "rfc7239" else ForwardingPolicy)(selected, strip)


def _replace_host(request: Request, authority: bytes) -> None:
    """Let the request be for `authority`: it is the host that the client has asked, and its server."""
    match = _PORT_OF_HOST.search(authority)
    port = parse_port(authority, match.start() + 1, len(authority)) if match is not None else 0
    name = authority if match is None else authority[: match.start()]
    request.server = (name.strip(b"[]").decode("ascii"), port if port > 0 else DEFAULT_PORTS[request.scheme])
    request.authority = authority
    fields = request.fields
    if fields and fields[0][0] == b"host":
        fields[0] = (b"host", authority)
    else:
        fields.insert(0, (b"host", authority))
