# cython: boundscheck=False, wraparound=False
"""The response head an application sent, judged before any of it reaches a wire.

One `Reply` per application serves: it is used within one call. Nothing that could split a response or
lie about its framing gets past it (RFC 9110 5.5, RFC 9113 8.2.2, RFC 9112 6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from appserver.contract import Fields
from appserver.errors import InvalidMessage
from appserver.http.grammar import is_field_name, is_field_value, parse_length

__all__ = ["Reply", "has_body"]

_DATE = 1
_SERVER = 2
_LENGTH = 3
_CONNECTION = 4
_DROPPED = 5
_SECRET = 6
_TRAILER = 7
_PRIORITY = 8
_SPECIAL: dict[bytes, int] = {
    b"date": _DATE,
    b"server": _SERVER,
    b"content-length": _LENGTH,
    b"connection": _CONNECTION,
    b"priority": _PRIORITY,
    # Framing and the connection are ours, in both protocols.
    b"transfer-encoding": _DROPPED,
    b"keep-alive": _DROPPED,
    b"proxy-connection": _DROPPED,
    b"upgrade": _DROPPED,
    b"trailer": _TRAILER,
    b"set-cookie": _SECRET,
    b"cookie": _SECRET,
    b"authorization": _SECRET,
    b"proxy-authorization": _SECRET,
}
# Bytes of a head that is kept for its repetition.
MAX_KNOWN_SIZE = 1_024
# Most names cannot be special by their length alone.
LENGTH_TABLE = bytes(any(len(name) & 31 == size for name in _SPECIAL) for size in range(32))
# What frames, routes, authenticates or describes a message must be known before its content (RFC 9110 6.5.1).
_NOT_IN_TRAILERS = frozenset(
    [
        b"authorization", b"cache-control", b"content-encoding", b"content-length", b"content-range", b"content-type",
        b"cookie", b"expect", b"host", b"max-forwards", b"pragma", b"proxy-authenticate", b"proxy-authorization",
        b"range", b"set-cookie", b"te", b"trailer", b"www-authenticate",
    ]
)  # fmt: skip


def has_body(status: int, head: bool) -> bool:
    """Tell whether a response may carry a body (RFC 9110 6.4.1, 15.3.6)."""
    return not (head or status == 204 or status == 205 or status == 304 or status < 200)


class Reply:
    """The judged fields of one response: lower-case, hop-by-hop fields gone.

    `length` is its content-length or -1; `has_date`, `has_server` and `has_trailer` say that Date, Server and Trailer are
    there; `priority` is the value of Priority (RFC 9218), or None.
    A list of the very tuples of the response before is not judged again; nothing secret is kept for it.
    """

    __slots__ = (
        "_first",
        "_known",
        "_known_fields",
        "_known_h2",
        "_known_has_date",
        "_known_has_server",
        "_known_length",
        "_known_priority",
        "_repeatable",
        "fields",
        "has_date",
        "has_server",
        "has_trailer",
        "length",
        "priority",
    )

    def __init__(self) -> None:
        self.fields: Fields = []
        self.priority: bytes | None = None
        self.length: int = -1
        self.has_date: bool = False
        self.has_server: bool = False
        self.has_trailer: bool = False
        self._first: object = None
        self._repeatable = True
        self._known: list[object] | None = None
        self._known_fields: Fields = []
        self._known_length: int = -1
        self._known_priority: bytes | None = None
        self._known_has_date = False
        self._known_has_server = False
        self._known_h2 = False

    def judge(self, fields: Iterable[Iterable[bytes]], h2: bool) -> None:
        """Judge `fields` into `self.fields`; raise InvalidMessage for what must not be sent."""
        self.has_trailer = False
        if type(fields) is list and self._repeats(fields, h2):
            self.fields = self._known_fields[:]
            self.length = self._known_length
            self.priority = self._known_priority
            self.has_date = self._known_has_date
            self.has_server = self._known_has_server
            return
        self.length = -1
        self.priority = None
        self.has_date = False
        self.has_server = False
        self._repeatable = type(fields) is list
        judged: Fields = []
        for field in fields:
            first, second = field
            is_sound = type(field) is tuple
            if type(first) is bytes and type(second) is bytes:
                name = first
                value = second
            else:
                name, value = _to_bytes(first, second)
                is_sound = False
            if not is_field_name(name):
                name = _lower(name)
                is_sound = False
            if not is_field_value(value):
                value = _strip(name, value)
                is_sound = False
            if LENGTH_TABLE[len(name) & 31]:
                kind = _SPECIAL.get(name)
                if kind is not None and not self._special(kind, value, h2):
                    continue
            self._repeatable = self._repeatable and is_sound
            judged.append(field if is_sound else (name, value))  # type: ignore[arg-type] # a tuple of two bytes
        self.fields = judged
        if self._repeatable and type(fields) is list:
            self._keep(fields, h2)

    def _repeats(self, fields: list[Any], h2: bool) -> bool:
        known = self._known
        if known is None or h2 != self._known_h2 or len(fields) != len(known):
            return False
        for at in range(len(known)):
            if fields[at] is not known[at]:
                return False
        return True

    def _keep(self, fields: list[Any], h2: bool) -> None:
        # Constants of an application repeat from the first field on; what is made for one response never does.
        first = fields[0] if fields else None
        if first is not None and first is self._first and sum([len(name) + len(value) for name, value in fields]) <= MAX_KNOWN_SIZE:
            self._known = fields[:]
            self._known_fields = self.fields[:]
            self._known_length = self.length
            self._known_priority = self.priority
            self._known_has_date = self.has_date
            self._known_has_server = self.has_server
            self._known_h2 = h2
        self._first = first

    def judge_trailers(self, fields: Iterable[Iterable[bytes]]) -> None:
        """Judge `fields` as trailers into `self.fields`; raise InvalidMessage for what no trailers may hold."""
        self.judge(fields, True)
        for name, _ in self.fields:
            if name in _NOT_IN_TRAILERS:
                raise InvalidMessage(f"{name.decode('ascii')} in trailers; send it with the head of the response (RFC 9110 6.5.1)")

    def _special(self, kind: int, value: bytes, h2: bool) -> bool:
        if kind == _DATE:
            self.has_date = True
        elif kind == _SERVER:
            self.has_server = True
        elif kind == _LENGTH:
            length = parse_length(value)
            if length < 0:
                raise InvalidMessage(f"content-length is no number: {value[:80]!r}")
            if self.length >= 0:
                if self.length != length:
                    raise InvalidMessage(f"two different content-lengths: {self.length} and {length}")
                return False
            self.length = length
        elif kind == _SECRET:
            self._repeatable = False
        elif kind == _TRAILER:
            self.has_trailer = True
            self._repeatable = False
        elif kind == _PRIORITY:
            self.priority = value if self.priority is None else self.priority + b", " + value
        elif kind == _DROPPED or h2:
            return False
        return True


def _strip(name: bytes, value: bytes) -> bytes:
    # Blanks around a value are none of it (RFC 9110 5.5); over HTTP/2 they would be malformed (RFC 9113 8.2.1).
    stripped = value.strip(b" \t")
    if not is_field_value(stripped):
        raise InvalidMessage(f"a control character in the value of response field {name!r}: {value[:80]!r}")
    return stripped


def _lower(name: bytes) -> bytes:
    lowered = name.lower()
    if not is_field_name(lowered):
        raise InvalidMessage(f"a response field name that is no token: {name[:80]!r}")
    return lowered


def _to_bytes(name: object, value: object) -> tuple[bytes, bytes]:
    if isinstance(name, bytes | bytearray | memoryview) and isinstance(value, bytes | bytearray | memoryview):
        return bytes(name), bytes(value)
    raise InvalidMessage(f"response fields are pairs of bytes, not {type(name).__name__} and {type(value).__name__}")
