# cython: boundscheck=False, wraparound=False
"""The response head an application sent, judged before any of it reaches a wire.

One `Reply` per application serves: it is used within one call. Nothing that could split a response or
lie about its framing gets past it (RFC 9110 5.5, RFC 9113 8.2.2, RFC 9112 6).
"""

from __future__ import annotations

from collections.abc import Iterable

from appserver.contract import Fields
from appserver.errors import InvalidMessage
from appserver.http.grammar import TOKEN_BAD, VALUE_BAD, parse_length

__all__ = ["Reply", "has_body"]

NAME_TABLE = bytes(1 if TOKEN_BAD[byte] or 65 <= byte <= 90 else 0 for byte in range(256))
VALUE_TABLE = VALUE_BAD

_DATE = 1
_SERVER = 2
_LENGTH = 3
_CONNECTION = 4
_DROPPED = 5
_SPECIAL: dict[bytes, int] = {
    b"date": _DATE,
    b"server": _SERVER,
    b"content-length": _LENGTH,
    b"connection": _CONNECTION,
    # Framing and the connection are ours, in both protocols.
    b"transfer-encoding": _DROPPED,
    b"keep-alive": _DROPPED,
    b"proxy-connection": _DROPPED,
    b"upgrade": _DROPPED,
}
# Most names cannot be special by their length alone.
LENGTH_TABLE = bytes(any(len(name) & 31 == size for name in _SPECIAL) for size in range(32))


def has_body(status: int, head: bool) -> bool:
    """Tell whether a response may carry a body (RFC 9110 6.4.1)."""
    return not (head or status == 204 or status == 304 or status < 200)


class Reply:
    """The judged fields of one response: lower-case, hop-by-hop fields gone.

    `length` is its content-length or -1; `dated` and `served` say that Date and Server are there.
    """

    __slots__ = ("dated", "fields", "length", "served")

    def __init__(self) -> None:
        self.fields: Fields = []
        self.length: int = -1
        self.dated: bool = False
        self.served: bool = False

    def judge(self, fields: Iterable[Iterable[bytes]], h2: bool) -> None:
        """Judge `fields` into `self.fields`; raise InvalidMessage for what must not be sent."""
        self.length = -1
        self.dated = False
        self.served = False
        judged: Fields = []
        for field in fields:
            name, value = field
            if type(name) is not bytes or type(value) is not bytes:
                name, value = _to_bytes(name, value)
            if _bad(name, NAME_TABLE) or not name:
                name = _lower(name)
            if _bad(value, VALUE_TABLE):
                raise InvalidMessage(f"a control character in the value of response field {name!r}: {value[:80]!r}")
            if _padded(value):
                value = value.strip(b" \t")
            if LENGTH_TABLE[len(name) & 31]:
                kind = _SPECIAL.get(name)
                if kind is not None and not self._special(kind, value, h2):
                    continue
            if type(field) is tuple and field[0] is name and field[1] is value:
                judged.append(field)
            else:
                judged.append((name, value))
        self.fields = judged

    def _special(self, kind: int, value: bytes, h2: bool) -> bool:
        if kind == _DATE:
            self.dated = True
        elif kind == _SERVER:
            self.served = True
        elif kind == _LENGTH:
            length = parse_length(value)
            if length < 0:
                raise InvalidMessage(f"content-length is no number: {value[:80]!r}")
            if self.length >= 0:
                if self.length != length:
                    raise InvalidMessage(f"two different content-lengths: {self.length} and {length}")
                return False
            self.length = length
        elif kind == _DROPPED or h2:
            return False
        return True


def _bad(text: bytes, table: bytes) -> bool:
    for byte in text:
        if table[byte]:
            return True
    return False


def _padded(text: bytes) -> bool:
    # Blanks around a value are none of it (RFC 9110 5.5); over HTTP/2 they would be malformed (RFC 9113 8.2.1).
    size = len(text)
    if size == 0:
        return False
    first = text[0]
    last = text[size - 1]
    return first == 32 or last == 32 or first == 9 or last == 9


def _lower(name: bytes) -> bytes:
    lowered = name.lower()
    if not lowered or _bad(lowered, NAME_TABLE):
        raise InvalidMessage(f"a response field name that is no token: {name[:80]!r}")
    return lowered


def _to_bytes(name: object, value: object) -> tuple[bytes, bytes]:
    if isinstance(name, bytes | bytearray | memoryview) and isinstance(value, bytes | bytearray | memoryview):
        return bytes(name), bytes(value)
    raise InvalidMessage(f"response fields are pairs of bytes, not {type(name).__name__} and {type(value).__name__}")
