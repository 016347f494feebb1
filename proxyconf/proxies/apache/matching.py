"""Which requests a route takes: a pattern for the path as Apache sees it, and `RewriteCond` lines for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from proxyconf.proxies.apache.plan import Lines, Words
from proxyconf.spec.routes import Match, PathMatch
from proxyconf.syntax.apache import escaped, pattern
from proxyconf.syntax.words import Raw

__all__ = ["below", "conditions", "decoded", "of_path", "sent"]


def decoded(path: str) -> str:
    """Return an expression for a path as it is after decoding, byte by byte: Apache compares that."""
    return "".join(escaped(chr(byte)) if 0x20 < byte < 0x7F else f"\\x{byte:02x}" for byte in unquote_to_bytes(path))


def sent(path: str) -> str:
    """Return an expression for a path as clients write it."""
    return escaped(path)


def of_path(path: PathMatch) -> Raw:
    """Return the pattern of a route's path."""
    if path.type == "regex":
        return pattern(path.value)
    if path.type == "exact":
        return pattern(f"^{decoded(path.value)}\\z")
    if path.value == "/":
        return Raw('"^"')
    return pattern(f"^{decoded(path.value)}" + ("" if path.value.endswith("/") else r"(?:/|\z)"))


def below(path: PathMatch, *, slash: bool = False) -> Raw:
    """Return a pattern whose first group is what follows a prefix; `slash`: with the slash between."""
    if path.type != "prefix":
        return of_path(path)
    stem = decoded(path.value.removesuffix("/"))
    if slash:
        return pattern(f"(?s)^{stem}(/.*)?\\z")
    return pattern(f"(?s)^{stem}/(.*)" if path.value.endswith("/") else f"(?s)^{stem}(?:/(.*))?\\z")


def conditions(match: Match, *, methods: bool = True) -> Lines:
    """Return what has to hold besides the path."""
    return tuple(_conditions(match, methods=methods))


def _conditions(match: Match, *, methods: bool) -> Iterator[Words]:
    if match.methods and methods:
        yield Raw("%{REQUEST_METHOD}"), pattern(f"^(?:{'|'.join(escaped(one) for one in match.methods)})\\z")
    for field, value in match.headers.items():
        yield Raw(f"%{{HTTP:{field}}}"), pattern(f"^{escaped(value)}\\z"), Raw("[NV]")
    for parameter, value in match.query.items():
        yield Raw("%{QUERY_STRING}"), pattern(f"(?:^|&){escaped(parameter)}={escaped(value)}(?:&|\\z)")
