"""`Upgrade: h2c` (RFC 7540 3.2): what an HTTP/1.1 request must say before it becomes the first stream of HTTP/2.

RFC 9113 has dropped it; Java's HttpClient and `curl --http2` still ask for it. Whatever is not exactly as it should be is no
such request, and is served as HTTP/1.1.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from appserver.contract import Request

__all__ = ["SWITCHING", "parse_settings", "to_http2", "upgrade_settings"]

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"

SETTINGS_FIELD = b"http2-settings"
# Of these an application hears nothing over HTTP/2 (RFC 9113 8.2.2).
CONNECTION_SPECIFIC = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"})
# base64url without padding, of entries of six bytes each.
_ENTRIES = re.compile(rb"(?:[A-Za-z0-9_-]{8})+")
# As many as nghttp2 takes (CVE-2020-11080).
MAX_ENTRIES = 32
# The least and the largest value of settings that have bounds (RFC 9113 6.5.2, RFC 8441 3, RFC 9218 2.1).
BOUNDS = {0x2: (0, 1), 0x4: (0, 2**31 - 1), 0x5: (16_384, 2**24 - 1), 0x8: (0, 1), 0x9: (0, 1)}


def upgrade_settings(connection: Iterable[bytes], fields: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the SETTINGS payload of a request that may become HTTP/2, None if it may not.

    `connection` are the values of Connection, which must name both fields; HTTP2-Settings must be there once.
    """
    options = {option.strip(b" \t").lower() for value in connection for option in value.split(b",")}
    if b"upgrade" not in options or SETTINGS_FIELD not in options:
        return None
    values = [value for name, value in fields if name == SETTINGS_FIELD]
    return parse_settings(values[0]) if len(values) == 1 else None


def parse_settings(value: bytes) -> bytes | None:
    """Return the SETTINGS payload in a value of HTTP2-Settings; None if it is malformed, or no peer may send it."""
    if len(value) > MAX_ENTRIES * 8 or not _ENTRIES.fullmatch(value):
        return None
    payload = base64.urlsafe_b64decode(value)
    for at in range(0, len(payload), 6):
        low, high = BOUNDS.get(int.from_bytes(payload[at : at + 2], "big"), (0, 2**32 - 1))
        if not low <= int.from_bytes(payload[at + 2 : at + 6], "big") <= high:
            return None
    return payload


def to_http2(request: Request) -> None:
    """Let a request be one of HTTP/2."""
    request.version = "2"
    request.fields = [
        pair for pair in request.fields if pair[0] not in CONNECTION_SPECIFIC or pair == (b"te", b"trailers")
    ]
