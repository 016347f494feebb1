"""The question that tells whether a proxy serves its site: asked through the edge, as a client would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from proxyconf.spec.deployment import Deployment, Forward, ResolvedListener, ResolvedRoute, ResolvedSite, ServeFiles
from proxyconf.verify.edge.http1 import Http1Client
from proxyconf.verify.edge.http2 import Http2Client
from proxyconf.verify.edge.link import Edge, EdgeError
from proxyconf.verify.edge.response import Response
from proxyconf.verify.outside import edge_of

__all__ = ["Health", "Unhealthy", "of_site", "of_url", "until_healthy"]

_IN_A_ROW = 3
_PAUSE = 0.1
_ANSWER_SECONDS = 5.0
_LOCAL = {"": "127.0.0.1", "::": "::1", "0.0.0.0": "127.0.0.1"}


class Unhealthy(Exception):
    """The site was not served within the time; the text says what came instead."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is asked for; without `statuses` every answer will do that is neither a 421 nor a fault of a server (5xx)."""

    edge: Edge
    path: str
    statuses: frozenset[int] = frozenset()

    @property
    def url(self) -> str:
        """What a client would write."""
        return f"{self.edge.url}{self.path}"

    def good(self, response: Response) -> bool:
        """Whether an answer is what was hoped for."""
        if not response.whole:
            return False
        if self.statuses:
            return response.status in self.statuses
        return response.status < 500 and response.status != 421


def of_url(url: str, *, connect_to: str | None = None, ca: Path | None = None, trust_any: bool = False) -> Health:
    """Return the question for a URL. Raises `UrlError`."""
    edge = edge_of(url, connect_to=connect_to, ca=ca, verify=not trust_any)
    parts = urlsplit(url)
    return Health(edge, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def of_site(deployment: Deployment) -> Health | None:
    """Return the question for a site: an upstream's health path where the edge leads to it, else `/`.

    It is asked on this machine, so whose certificate answers is no part of it. None: no listener takes a plain client, or
    there is nothing but maintenance.
    """
    reachable = [
        (site, listener) for site in deployment.sites for listener in sorted(site.listeners, key=lambda one: one.tls is None)
        if _takes_clients(listener)
    ]  # fmt: skip
    for site, listener in reachable:
        for route in site.routes:
            path, statuses = _asked(route)
            if path and _first(site, path) is route:
                return Health(_edge(site, listener), path, statuses)
    open_ones = (Health(_edge(site, listener), "/") for site, listener in reachable if not site.policies.maintenance)
    return next(open_ones, None)


async def until_healthy(health: Health, seconds: float) -> str:
    """Ask until the answer was good three times in a row, each on a connection of its own; return it. Raises `Unhealthy`."""
    said, good = "no answer", 0
    try:
        async with asyncio.timeout(seconds):
            while good < _IN_A_ROW:
                try:
                    response = await _asked_once(health)
                    said, good = response.outcome, good + 1 if health.good(response) else 0
                except EdgeError as error:
                    said, good = str(error), 0
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        hoped = " or ".join(map(str, sorted(health.statuses))) or "anything but 421 and 5xx"
        raise Unhealthy(f"{health.url} is not healthy after {seconds:g} s: {said}; expected {hoped}") from None
    return said


async def _asked_once(health: Health) -> Response:
    link = await health.edge.connect("h2", "http/1.1")
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            if link.alpn == "h2":
                client = Http2Client(link, health.edge)
                await client.begin()
                try:
                    return await client.request("GET", health.path)
                finally:
                    await client.close()
            return await Http1Client(link, health.edge.authority).request("GET", health.path)
    except TimeoutError as error:
        raise EdgeError(f"no answer within {_ANSWER_SECONDS:g} s") from error
    finally:
        link.abort()


def _takes_clients(listener: ResolvedListener) -> bool:
    """Whether a client without a certificate and without a PROXY header is answered over TCP."""
    options = listener.options
    secret = options.tls is not None and options.tls.client_auth.mode == "require"
    announced = options.proxy_protocol is not None and options.proxy_protocol.accept != "off"
    return not secret and listener.redirect_port is None and not announced


def _asked(route: ResolvedRoute) -> tuple[str, frozenset[int]]:
    action = route.action
    upstream = action.upstream if isinstance(action, Forward) else action.fallback if isinstance(action, ServeFiles) else None
    if upstream is None or upstream.options.health_check is None or upstream.options.health_check.path is None:
        return "", frozenset()
    if isinstance(action, Forward) and (action.replace_prefix is not None or action.websocket):
        return "", frozenset()
    return upstream.options.health_check.path, frozenset(upstream.options.health_check.expected_statuses)


def _first(site: ResolvedSite, path: str) -> ResolvedRoute | None:
    """Return the route that takes a plain GET of a path; None where that depends on more than the path."""
    for route in site.routes:
        match = route.match
        if match.path.type == "regex":
            return None
        value = match.path.value
        prefix = match.path.type == "prefix" and (path.startswith(value.rstrip("/") + "/") or path == value)
        if prefix or path == value:
            return route if match.is_unconditional and not _guarded(route) else None
    return None


def _guarded(route: ResolvedRoute) -> bool:
    """Whether not everybody is let in."""
    policies = route.policies
    return bool(policies.auth or policies.allow or policies.maintenance)


def _edge(site: ResolvedSite, listener: ResolvedListener) -> Edge:
    name = site.canonical or (site.hostnames[0].replace("*", "health") if site.hostnames else "localhost")
    address = listener.addresses[0]
    return Edge(name, address.port, listener.tls is not None, None, False, _LOCAL.get(address.host, address.host))
