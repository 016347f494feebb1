"""The grammar of X-Forwarded-For and X-Forwarded-Proto. Pure: whom to believe is `net.peer`'s."""

from __future__ import annotations

import ipaddress

from appserver.contract import Fields

__all__ = ["MOST_HOPS", "Hop", "hops", "parse_hop", "scheme"]

# More hops than any chain of proxies has; the rest of a longer list is not looked at.
MOST_HOPS = 100

Hop = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]


def hops(fields: Fields) -> list[bytes]:
    """Return the entries of all X-Forwarded-For lines, nearest proxy first (RFC 9110 5.3 joins lines)."""
    lines = [value for name, value in fields if name == b"x-forwarded-for"]
    return [entry.strip() for entry in b",".join(lines).split(b",")][: -MOST_HOPS - 1 : -1]


def parse_hop(entry: bytes) -> Hop | None:
    """Read `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for anything else."""
    text = entry.decode("latin-1")
    port = ""
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in text or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65_536):
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return address, int(port or 0)


def scheme(fields: Fields) -> str | None:
    """Return http or https if exactly one X-Forwarded-Proto says so."""
    values = [value for name, value in fields if name == b"x-forwarded-proto"]
    if len(values) != 1:
        return None
    return {b"http": "http", b"https": "https"}.get(values[0].lower())
