"""Named matchers: which requests, in Caddy's words."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.proxies.caddy.plan import Matcher, Words
from proxyconf.spec.routes import Match
from proxyconf.syntax.words import Raw

__all__ = ["conditions", "matcher", "websocket"]


def conditions(match: Match) -> tuple[Words, ...]:
    """Return the conditions of a match; none if it takes everything."""
    return (*_path(match), *_rest(match))


def _path(match: Match) -> Iterator[Words]:
    path = match.path
    if path.type == "regex":
        yield Raw("path_regexp"), path.value
    elif path.type == "exact":
        yield Raw("path"), path.value
    elif path.value.endswith("/"):
        if path.value != "/":
            yield Raw("path"), f"{path.value}*"
    else:
        yield Raw("path"), path.value, f"{path.value}/*"


def _rest(match: Match) -> Iterator[Words]:
    if match.methods:
        yield Raw("method"), *match.methods
    for name, value in match.headers.items():
        yield Raw("header"), Raw(name), value
    for name, value in match.query.items():
        yield Raw("query"), f"{name}={value}"


def matcher(name: str, *found: Words) -> Matcher:
    """Return a matcher under a name of ours."""
    return Matcher(Raw(f"@{name}"), found)


def websocket(name: str) -> Matcher:
    """Return the matcher of an HTTP/1.1 upgrade to WebSocket."""
    return matcher(name, (Raw("header_regexp Connection (?i)\\bupgrade\\b"),), (Raw("header_regexp Upgrade (?i)^websocket$"),))
