# cython: boundscheck=False, wraparound=False
"""One field of a request head, judged by itself (RFC 9110 5, RFC 9113 8.2 and 8.3).

What stands for a pseudo field in HTTP/1.1, the parts of its request line, is judged under the pseudo field's name.
"""

from __future__ import annotations

from appserver.http.grammar import (
    TARGET_BAD,
    is_authority,
    is_field_name,
    is_field_value,
    is_token,
    parse_length,
    parse_scheme,
    percent_decode,
)
from appserver.http.names import (
    AUTHORITY,
    BAD,
    CONTENT_LENGTH,
    DROPPED,
    HOST,
    KINDS,
    METHOD,
    PATH,
    PLAIN,
    PROTECTED,
    PROTOCOL,
    SCHEME,
)
from appserver.http.verdicts import OK, RESET

__all__ = ["Field", "classify", "judge", "judge_as"]

UNKNOWN = -1
# Pseudo fields but :authority are nothing that an application sees.
NO_PAIR = (b"", b"")
NAMES: dict[bytes, int] = KINDS
METHODS: dict[bytes, str] = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")
}
MAX_METHOD_SIZE = 32

# What a byte of a target is to `_judge_target`.
_QUERY = 1
_ENCODED = 2
_FRAGMENT = 3
_FORBIDDEN = 4
TARGET_TABLE = bytes(
    _FRAGMENT if byte == 0x23
    else _FORBIDDEN if TARGET_BAD[byte]
    else _QUERY if byte == 0x3F
    else _ENCODED if byte == 0x25 or byte >= 0x80
    else 0
    for byte in range(256)
)  # fmt: skip


class Field:
    """One field, judged once, however often an engine repeats it.

    `pair` is what an application would see, `size` what RFC 9113 10.5.1 counts, `verdict` and `reason` what
    is wrong with it by itself. The rest depends on the kind: `text` is a method, scheme or decoded path,
    `raw_path` and `query` the halves of a path, `length` a content-length.
    """

    __slots__ = ("kind", "length", "pair", "query", "raw_path", "reason", "size", "text", "value", "verdict")

    kind: int
    pair: tuple[bytes, bytes]
    value: bytes
    size: int
    verdict: int
    reason: str
    text: str
    raw_path: bytes
    query: bytes
    length: int

    def fail(self, verdict: int, reason: str) -> None:
        """Say what is wrong with this field."""
        self.verdict = verdict
        self.reason = reason


def classify(name: bytes) -> int:
    """Return the kind of a field by its name, which must be lower-case (RFC 9113 8.2.1)."""
    kind = NAMES.get(name, UNKNOWN)
    if kind != UNKNOWN:
        return kind
    if not is_field_name(name):
        return BAD
    if b"_" in name and name.replace(b"_", b"-") in PROTECTED:
        return DROPPED
    return PLAIN


def judge(name: bytes, value: bytes) -> Field:
    """Judge one field; `name` must be lower-case on the h2 wire (RFC 9113 8.2.1), h1 lowers it before."""
    return judge_as(classify(name), name, value)


def judge_as(kind: int, name: bytes, value: bytes) -> Field:
    """Judge one field whose kind is known."""
    field = _make(kind, name, value)
    if kind == PATH:
        _judge_target(field, value)
    elif kind == AUTHORITY or kind == HOST:
        field.pair = (b"host", value)
        _judge_authority(field, value)
    elif kind == METHOD:
        _judge_method(field, value)
    elif kind == SCHEME:
        _judge_scheme(field, value)
    elif kind == PROTOCOL:
        if not is_token(value):
            field.fail(RESET, "a :protocol that is no token")
    else:
        field.pair = (name, value)
        if kind == BAD or not is_field_value(value):
            field.fail(RESET, "a field name or value that HTTP does not allow")
        elif kind == CONTENT_LENGTH:
            field.length = parse_length(value)
            if field.length < 0:
                field.fail(RESET, "a content-length that is no number")
    return field


def _make(kind: int, name: bytes, value: bytes) -> Field:
    # The compiled build calls no constructor: that would cost an argument tuple.
    field = Field.__new__(Field)
    field.kind = kind
    field.pair = NO_PAIR
    field.value = value
    field.size = len(name) + len(value) + 32
    field.verdict = OK
    field.reason = ""
    field.text = ""
    field.raw_path = b""
    field.query = b""
    field.length = -1
    return field


def _judge_method(field: Field, method: bytes) -> None:
    name = METHODS.get(method)
    if name is not None:
        field.text = name
    elif not is_token(method):
        field.fail(RESET, "a method that is no token")
    elif len(method) > MAX_METHOD_SIZE:
        field.fail(501, "a method of more than 32 bytes")  # RFC 9112 3
    else:
        field.text = method.decode("ascii")


def _judge_scheme(field: Field, scheme: bytes) -> None:
    name = parse_scheme(scheme)
    if name is not None:
        field.text = name
    else:
        field.fail(400 if is_token(scheme) else RESET, "a scheme other than http and https")


def _judge_authority(field: Field, authority: bytes) -> None:
    if is_authority(authority):
        return
    hostile = not authority or not is_field_value(authority) or authority.translate(None, b"/?#@\\ ") != authority
    field.fail(RESET if hostile else 400, "an authority that is no host[:port]")


def _judge_target(field: Field, target: bytes) -> None:
    size = len(target)
    if size == 0 or (target[0] != 47 and target != b"*"):
        field.fail(RESET, "a path that does not begin with /")
        return
    text = target
    classes = TARGET_TABLE
    query = -1
    encoded = False
    for at in range(size):
        kind = classes[text[at]]
        if kind == 0:
            continue
        if kind == _QUERY:
            if query < 0:
                query = at
        elif kind == _ENCODED:
            encoded = encoded or query < 0
        elif kind == _FRAGMENT:
            field.fail(400, "a fragment in the target")
            return
        else:
            field.fail(RESET, "a control character or space in the target")
            return
    if query < 0:
        query = size
        field.raw_path = target
    else:
        field.raw_path = text[:query]
        field.query = text[query + 1 : size]
    # ASGI wants text: bytes that are no UTF-8 become U+FFFD; raw_path keeps them.
    if encoded:
        field.text = percent_decode(field.raw_path).decode("utf-8", "replace")
    else:
        field.text = text[:query].decode("ascii")
