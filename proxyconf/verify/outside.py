"""A running stack as one sees it from outside: which protocols its edge speaks is found out by asking."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from proxyconf.verify.edge.link import Edge, EdgeError
from proxyconf.verify.probes.probe import Probe
from proxyconf.verify.subject import MISSING, Feature, Subject

__all__ = ["UrlError", "edge_of", "from_outside", "look"]

ALPN = {"h2": Feature.HTTP2, "http/1.1": Feature.HTTP1}


class UrlError(ValueError):
    """The URL names no edge."""


@dataclass(frozen=True, slots=True)
class _Place:
    hostname: str
    port: int
    tls: bool


def _place(url: str) -> _Place:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UrlError(f"{url!r} is no URL of a site; write https://HOST or https://HOST:PORT/PATH")
    tls = parts.scheme == "https"
    return _Place(parts.hostname, port or (443 if tls else 80), tls)


def edge_of(url: str, *, connect_to: str | None = None, ca: Path | None = None, verify: bool = True) -> Edge:
    """Return the edge that a URL names; `connect_to` is another address for the same name."""
    place = _place(url)
    return Edge(place.hostname, place.port, place.tls, ca, verify, connect_to or place.hostname)


async def look(edge: Edge, url: str) -> Subject:
    """Find out what the edge speaks. Raises `EdgeError` if it cannot be reached."""
    features = {Feature.TLS} if edge.tls else {Feature.HTTP1}
    for alpn, feature in ALPN.items() if edge.tls else ():
        try:
            link = await edge.connect(alpn)
        except EdgeError as error:
            if not isinstance(error.__cause__, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise
            continue  # it refuses to agree on this protocol
        features |= {feature} if link.alpn == alpn else set()
        link.abort()
    if edge.tls and not features & set(ALPN.values()):
        raise EdgeError(f"{edge.url} agrees on neither h2 nor http/1.1")
    reasons = dict.fromkeys(Feature, "seen from outside") | {key: MISSING[key] for key in (Feature.TLS, Feature.HTTP1, Feature.HTTP2)}
    return Subject(edge.authority, "", edge, frozenset(features), reasons, base=f"{urlsplit(url).path.rstrip('/')}/")


def from_outside(probe: Probe) -> bool:
    """Whether a probe needs nothing but the edge."""
    return probe.needs <= {Feature.TLS, Feature.HTTP1, Feature.HTTP2}
