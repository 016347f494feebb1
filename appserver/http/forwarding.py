# cython: boundscheck=False, wraparound=False
"""Forwarding fields of one worker: which are believed of a trusted peer, and what of them an application sees.

`message.Head` reads X-Forwarded-For and X-Forwarded-Proto as they pass; what is seldom sent, or is to be taken out, is
looked at here, after the head is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from appserver.accepted import Forwarding
from appserver.contract import Fields, Request
from appserver.http.grammar import is_authority, parse_port

__all__ = ["FORWARDING_FIELDS", "ForwardingPolicy"]

# By the word that selects it.
SELECTED = {
    "for": b"x-forwarded-for", "proto": b"x-forwarded-proto", "host": b"x-forwarded-host", "port": b"x-forwarded-port",
    "prefix": b"x-forwarded-prefix",
}  # fmt: skip
# Nothing selects these: they are read by nobody here, and taken out where the peer is not trusted.
NEVER_READ = frozenset({b"forwarded", b"x-forwarded-server", b"x-real-ip"})
FORWARDING_FIELDS = NEVER_READ.union(SELECTED.values())

# Segments of unreserved characters and those that are harmless in a path (RFC 3986 3.3); "." and ".." are none.
_SEGMENT = rb"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:@-]+"
_PREFIX = re.compile(rb"(?:/" + _SEGMENT + rb")+/?")
_PORT_OF_HOST = re.compile(rb":[0-9]*\Z")
DEFAULT_PORTS = {"http": 80, "https": 443}


class ForwardingPolicy(Forwarding):
    """`selected` are words of SELECTED; with `strip` an application sees no field that is not believed."""

    __slots__ = ("_read_here", "_taken", "_taken_of_trusted")

    def __init__(self, selected: Iterable[str], strip: bool) -> None:
        believed = frozenset(SELECTED[word] for word in selected)
        self.reads_for = SELECTED["for"] in believed
        self.reads_proto = SELECTED["proto"] in believed
        self.is_plain = self.reads_for and self.reads_proto
        self._read_here = believed - {SELECTED["for"], SELECTED["proto"]}
        nothing: frozenset[bytes] = frozenset()
        self._taken = FORWARDING_FIELDS if strip else nothing
        # Of a trusted peer X-Real-IP says what X-Forwarded-For says, and nobody here reads it.
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
        if authority != request.authority:
            _replace_host(request, authority)
        prefix = said.get(b"x-forwarded-prefix")
        if prefix is not None and _PREFIX.fullmatch(prefix):
            request.prefix = prefix.rstrip(b"/").decode("ascii")

    @staticmethod
    def _only(fields: Fields, name: bytes) -> bytes | None:
        """Return the value of a field that is there once; two say nothing."""
        values = [value for known, value in fields if known == name]
        return values[0] if len(values) == 1 else None


def _replace_host(request: Request, authority: bytes) -> None:
    request.authority = authority
    fields = request.fields
    if fields and fields[0][0] == b"host":
        fields[0] = (b"host", authority)
    else:
        fields.insert(0, (b"host", authority))
