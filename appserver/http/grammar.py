# cython: boundscheck=False, wraparound=False
"""Character classes and small grammars of RFC 9110, 9112 and 3986, as tables and predicates.

Each table is beside the ABNF it implements.
"""

from __future__ import annotations

__all__ = [
    "HEX_VALUES",
    "HOST_CHARS",
    "NAME_BAD",
    "TARGET_BAD",
    "TOKEN_BAD",
    "TOKEN_CHARS",
    "VALUE_BAD",
    "is_authority",
    "is_field_name",
    "is_field_value",
    "is_token",
    "parse_length",
    "parse_port",
    "parse_scheme",
    "percent_decode",
]

DIGITS = b"0123456789"
LOWER = b"abcdefghijklmnopqrstuvwxyz"
ALPHANUMERIC = DIGITS + LOWER + LOWER.upper()

# token = 1*tchar; tchar = "!#$%&'*+-.^_`|~" / DIGIT / ALPHA                    RFC 9110 5.6.2
TOKEN_CHARS = b"!#$%&'*+-.^_`|~" + ALPHANUMERIC
# reg-name = *( unreserved / pct-encoded / sub-delims ), without the comma that joins lists      RFC 3986 3.2.2
HOST_CHARS = b"-._~!$&'()*+;=" + ALPHANUMERIC


def table(chosen: frozenset[int]) -> bytes:
    """Return 256 flags: 1 where the byte is chosen."""
    return bytes(1 if byte in chosen else 0 for byte in range(256))


TOKEN_BAD = table(frozenset(range(256)) - frozenset(TOKEN_CHARS))
# Upper case is malformed in HTTP/2 (RFC 9113 8.2.1); HTTP/1.1 lowers its names first.
NAME_BAD = table(frozenset(range(256)) - (frozenset(TOKEN_CHARS) - frozenset(LOWER.upper())))
# field-vchar = VCHAR / obs-text; field-content may hold SP and HTAB              RFC 9110 5.5
VALUE_BAD = table((frozenset(range(0x20)) - {0x09}) | {0x7F})
# A target has no controls, no space and no fragment; bytes >= 0x80 are passed on as they are.  RFC 9112 3.2
TARGET_BAD = table(frozenset(range(0x21)) | {0x7F, 0x23})
# HEXDIG, either case; 255 for what is none                                       RFC 3986 2.1
HEX_VALUES = bytes(int(chr(byte), 16) if byte in b"0123456789abcdefABCDEF" else 255 for byte in range(256))

# The same as C: a name of the module that is C is no name for others.
TOKEN_TABLE = TOKEN_BAD
NAME_TABLE = NAME_BAD
HEX_TABLE = HEX_VALUES
HOST_TABLE = table(frozenset(HOST_CHARS))
IPV6_TABLE = table(frozenset(b"0123456789abcdefABCDEF:."))
SCHEMES: dict[bytes, str] = {b"http": "http", b"https": "https"}


def is_token(name: bytes) -> bool:
    """Tell whether `name` is a token of RFC 9110 5.6.2."""
    for byte in name:
        if TOKEN_TABLE[byte]:
            return False
    return len(name) > 0


def is_field_name(name: bytes) -> bool:
    """Tell whether `name` is a lower-case token."""
    for byte in name:
        if NAME_TABLE[byte]:
            return False
    return len(name) > 0


def is_field_value(value: bytes) -> bool:
    """Tell whether `value` has no controls, CR, LF or NUL, and no SP or HTAB at its ends (RFC 9113 8.2.1)."""
    size = len(value)
    if size == 0:
        return True
    first = value[0]
    last = value[size - 1]
    # No table and no branch: compilers make vector instructions of it, and values are long.
    bad = 0
    for byte in value:
        bad |= ((byte < 32) & (byte != 9)) | (byte == 127)
    return bad == 0 and first != 32 and first != 9 and last != 32 and last != 9


def is_authority(value: bytes) -> bool:
    """Tell whether `value` is host[:port], without userinfo (RFC 9110 4.2.4), with a port up to 65535."""
    size = len(value)
    end = _end_of_host(value, size)
    if end == size:
        return size > 0
    return end > 0 and value[end] == 58 and parse_port(value, end + 1, size) >= 0


def _end_of_host(value: bytes, size: int) -> int:
    """Return where the host ends; 0 if there is none."""
    at = 0
    if size > 0 and value[0] == 91:
        at = 1
        while at < size and IPV6_TABLE[value[at]]:
            at += 1
        return at + 1 if at < size and value[at] == 93 and 3 <= at <= 46 else 0
    while at < size:
        if HOST_TABLE[value[at]]:
            at += 1
        elif value[at] == 37 and at + 2 < size and HEX_TABLE[value[at + 1]] < 16 and HEX_TABLE[value[at + 2]] < 16:
            at += 3
        else:
            break
    return at


def parse_port(value: bytes, start: int, stop: int) -> int:
    """Return the port `*5DIGIT` between two places, at most 65535; 0 if it is empty, -1 if it is none."""
    if stop - start > 5:
        return -1
    port = 0
    for at in range(start, stop):
        byte = value[at]
        if byte < 48 or byte > 57:
            return -1
        port = port * 10 + byte - 48
    return port if port <= 65_535 else -1


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


def parse_scheme(value: bytes) -> str | None:
    """Return http or https, whatever its case (RFC 3986 3.1); None for anything else."""
    scheme = SCHEMES.get(value)
    return SCHEMES.get(value.lower()) if scheme is None else scheme


def percent_decode(value: bytes) -> bytes:
    """Return `value` with its escapes decoded; what is no escape stays (RFC 3986 2.4)."""
    decoded = bytearray(value)
    text = value
    size = len(value)
    at = 0
    end = 0
    while at < size:
        byte = text[at]
        at += 1
        if byte == 37 and at + 1 < size:
            high = HEX_TABLE[text[at]]
            low = HEX_TABLE[text[at + 1]]
            if high < 16 and low < 16:
                byte = high * 16 + low
                at += 2
        decoded[end] = byte
        end += 1
    return bytes(decoded[:end])
