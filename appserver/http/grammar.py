"""Character classes and small grammars of RFC 9110, 9112 and 3986, as tables and predicates.

Each table is beside the ABNF it implements. The hot loops live in `message`, which compiles.
"""

from __future__ import annotations

import re

__all__ = ["TARGET_BAD", "TOKEN_BAD", "TOKEN_CHARS", "VALUE_BAD", "is_authority", "is_token"]

# token = 1*tchar; tchar = "!#$%&'*+-.^_`|~" / DIGIT / ALPHA                    RFC 9110 5.6.2
TOKEN_CHARS = (
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


def table(bad: frozenset[int]) -> bytes:
    """Return 256 flags: 1 where the byte is in `bad`."""
    return bytes(1 if byte in bad else 0 for byte in range(256))


TOKEN_BAD = table(frozenset(range(256)) - frozenset(TOKEN_CHARS))
# field-vchar = VCHAR / obs-text; field-content may hold SP and HTAB              RFC 9110 5.5
VALUE_BAD = table((frozenset(range(0x20)) - {0x09}) | {0x7F})
# A target has no controls, no space and no fragment; bytes >= 0x80 are passed on as they are.  RFC 9112 3.2
TARGET_BAD = table(frozenset(range(0x21)) | {0x7F, 0x23})

# authority without userinfo = host [ ":" port ]                                  RFC 9110 4.2.4, RFC 3986 3.2.2
AUTHORITY = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?"
)


def is_token(name: bytes) -> bool:
    """Tell whether `name` is a token of RFC 9110 5.6.2."""
    return bool(name) and not name.translate(None, TOKEN_CHARS)


def is_authority(value: bytes) -> bool:
    """Tell whether `value` is host[:port] with a port up to 65535."""
    match = AUTHORITY.fullmatch(value)
    return match is not None and int(match[1] or 0) <= 65_535
