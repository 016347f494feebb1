"""What spans several places, checked on the raw data: it is said together with all other errors."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.document.findings import Finding, Rule, nearest, shown
from proxyconf.spec.select import ANY, select

__all__ = ["references"]

_UPSTREAM_NAMES: tuple[tuple[object, ...], ...] = (
    ("listeners", ANY, "upstream"),
    ("sites", ANY, "upstream"),
    ("sites", ANY, "auth", "forward", "upstream"),
    ("sites", ANY, "routes", ANY, "upstream"),
    ("sites", ANY, "routes", ANY, "auth", "forward", "upstream"),
)
_ONCE: tuple[tuple[tuple[object, ...], str], ...] = (
    (("sites", ANY, "hostnames", ANY), "the host name {} stands in two places; one site per name"),
    (("targets", ANY, "proxy"), "the proxy {} is a target already; one target per proxy"),
)


def references(data: object) -> Iterator[Finding]:
    """Yield names that are defined nowhere and names that are defined twice."""
    yield from _upstream_names(data)
    yield from _listener_names(data)
    yield from _unanswered(data)
    for pattern, message in _ONCE:
        yield from _repeated(data, pattern, message)


def _upstream_names(data: object) -> Iterator[Finding]:
    defined = [str(path[-1]) for path, _ in select(data, ("upstreams", ANY))]
    for pattern in _UPSTREAM_NAMES:
        for path, name in select(data, pattern):
            if not isinstance(name, str) or "://" in name or name in defined:
                continue
            way_out = nearest(name, defined) if defined else "; define it under 'upstreams', or write h2c://HOST:PORT"
            yield Finding(Rule.UNKNOWN_NAME, path, f"there is no upstream {shown(name)}{way_out}")


def _listener_names(data: object) -> Iterator[Finding]:
    defined = [str(path[-1]) for path, _ in select(data, ("listeners", ANY))] or ["http", "https"]
    for pattern in (("sites", ANY, "listeners"), ("sites", ANY, "listeners", ANY)):
        for path, name in select(data, pattern):
            if isinstance(name, str) and name not in defined:
                yield Finding(Rule.UNKNOWN_NAME, path, f"there is no listener {shown(name)}{nearest(name, defined)}")


def _unanswered(data: object) -> Iterator[Finding]:
    """Yield routes that need an upstream where neither they nor their site have one."""
    for path, site in select(data, ("sites", ANY)):
        if not isinstance(site, dict) or site.get("upstream") is not None:
            continue
        for found, route in select(site, ("routes", ANY), path):
            if isinstance(route, dict) and route.get("upstream") is None and _needs_upstream(route):
                message = "nothing answers this route; add upstream: NAME to it or to the site, or one of static, redirect, respond"
                yield Finding(Rule.EXCLUSIVE, found, message)


def _needs_upstream(route: dict[object, object]) -> bool:
    static = route.get("static")
    if isinstance(static, dict):
        return static.get("by") == "appserver" or static.get("fallback") == "upstream"
    return not any(route.get(name) is not None for name in ("static", "internal", "redirect", "respond"))


def _repeated(data: object, pattern: tuple[object, ...], message: str) -> Iterator[Finding]:
    seen: set[str] = set()
    # One text may stand for a list of one.
    values = [*select(data, pattern), *(select(data, pattern[:-1]) if pattern[-1] is ANY else ())]
    for path, value in values:
        if not isinstance(value, str):
            continue
        if value.lower() in seen:
            yield Finding(Rule.REPEATED, path, message.format(shown(value)))
        seen.add(value.lower())
