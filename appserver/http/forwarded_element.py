# cython: boundscheck=False, wraparound=False
"""One element of Forwarded (RFC 7239 4), read from the right end of the list: what was appended last is there.

    forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
    forwarded-pair    = token "=" ( token / quoted-string )
    node              = ( IPv4address / "[" IPv6address "]" / "unknown" / obfnode ) [ ":" ( 1*5DIGIT / obfport ) ]

Reading that way, nothing to the left of an element changes what it says: a client cannot swallow what a proxy appends,
not by a quote that it leaves open either.
"""

from __future__ import annotations

import re

from appserver.http.forwarded import Hop
from appserver.http.grammar import TOKEN_BAD

__all__ = ["ADDRESS", "MALFORMED", "NAMELESS", "ForwardedElement", "parse_node"]

NAMELESS = 0
"""A node that says nothing: left out, unknown or obfuscated (RFC 7239 6.2, 6.3)."""
ADDRESS = 1
MALFORMED = 2

BAD = TOKEN_BAD
MAX_PAIRS = 32
_TAB, _SPACE, _QUOTE, _COMMA, _SEMICOLON, _EQUALS, _BACKSLASH = b'\t ",;=\\'
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_OBFUSCATED = rb"_[A-Za-z0-9._-]+"
# The address itself is judged by `Hop`, which knows them better.
_NODE = re.compile(rb"(\[[^\]]*\]|[0-9.]+)(:(?:[0-9]{1,5}|(" + _OBFUSCATED + rb")))?")
_NAMELESS = re.compile(rb"(?:[Uu][Nn][Kk][Nn][Oo][Ww][Nn]|" + _OBFUSCATED + rb")(?::(?:[0-9]{1,5}|" + _OBFUSCATED + rb"))?")


class ForwardedElement:
    """What one element says; one object serves for many. None where it has no such parameter.

    `is_malformed`: it breaks the grammar, and says nothing. `is_empty`: a list may have such (RFC 9110 5.6.1.2).
    """

    __slots__ = ("_value", "host", "is_empty", "is_malformed", "node", "proto")

    def __init__(self) -> None:
        self._value: bytes = b""
        self.host: bytes | None = None
        self.node: bytes | None = None
        self.proto: bytes | None = None
        self.is_empty = True
        self.is_malformed = False

    def read(self, text: bytes, stop: int) -> int:
        """Read the element that ends before `stop`; return where the one to its left ends, -1 if it is the first."""
        self.host = self.node = self.proto = None
        self.is_malformed = False
        names: list[bytes] = []
        at = _skip_blanks(text, stop)
        while True:
            at = self._read_pair(text, at, names)
            if at > 0 and text[at - 1] == _SEMICOLON and not self.is_malformed:
                at -= 1
                continue
            break
        self.is_empty = not names
        at = _skip_blanks(text, at)
        if at > 0 and text[at - 1] != _COMMA:
            self.is_malformed = True
        if self.is_malformed:
            self.host = self.node = self.proto = None
        return at - 1

    def _read_pair(self, text: bytes, stop: int, names: list[bytes]) -> int:
        """Read the pair that ends before `stop`, which may be empty; return where it begins."""
        at = self._read_value(text, stop)
        if at == stop:
            return at
        end = at - 1
        if end < 0 or text[end] != _EQUALS:
            self.is_malformed = True
            return at
        at = _skip_token(text, end)
        name = text[at:end].lower()
        if not name or name in names or len(names) == MAX_PAIRS:
            self.is_malformed = True
        names.append(name)
        if name == b"for":
            self.node = self._value
        elif name == b"proto":
            self.proto = self._value
        elif name == b"host":
            self.host = self._value
        return at

    def _read_value(self, text: bytes, stop: int) -> int:
        if stop == 0 or text[stop - 1] != _QUOTE:
            at = _skip_token(text, stop)
            self._value = text[at:stop]
            return at
        at = stop - 2
        while at >= 0 and (text[at] != _QUOTE or _is_escaped(text, at)):
            at -= 1
        if at < 0 or _is_escaped(text, stop - 1):
            self.is_malformed = True
            return stop
        self._value = text[at + 1 : stop - 1]
        if b"\\" in self._value:
            self._value = _ESCAPE.sub(rb"\1", self._value)
        return at


def parse_node(hop: Hop, node: bytes | None) -> int:
    """Read who an element is for: ADDRESS (it is in `hop`), NAMELESS or MALFORMED."""
    if node is None:
        return NAMELESS
    if node[:1].isdigit() and node[-1:].isdigit() and b":" not in node:
        return ADDRESS if hop.parse(node, 0, len(node)) else MALFORMED
    if _NAMELESS.fullmatch(node):
        return NAMELESS
    match = _NODE.fullmatch(node)
    if match is None:
        return MALFORMED
    end = match.end(1) if match[3] else len(node)
    return ADDRESS if hop.parse(node, 0, end) else MALFORMED


def _skip_blanks(text: bytes, stop: int) -> int:
    while stop > 0 and (text[stop - 1] == _SPACE or text[stop - 1] == _TAB):
        stop -= 1
    return stop


def _skip_token(text: bytes, stop: int) -> int:
    bad = BAD
    while stop > 0 and bad[text[stop - 1]] == 0:
        stop -= 1
    return stop


def _is_escaped(text: bytes, at: int) -> bool:
    before = at
    while before > 0 and text[before - 1] == _BACKSLASH:
        before -= 1
    return (at - before) % 2 == 1
