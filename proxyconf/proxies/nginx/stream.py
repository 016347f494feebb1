"""The `stream` section: listeners whose bytes are passed on unread."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.nginx.plan import Map, Stream, StreamServer, Upstream, Words
from proxyconf.proxies.nginx.tls import listens, tls_of
from proxyconf.proxies.nginx.upstreams import Upstreams, seconds
from proxyconf.spec.deployment import Deployment, ResolvedTcpListener
from proxyconf.spec.units import Duration
from proxyconf.syntax.words import Raw

__all__ = ["DYNAMIC", "stream"]

DYNAMIC = "stream_dynamic"
"""The module of a target whose build has the stream module in a file of its own, as Debian's."""
_FOREVER = Duration(365 * 86_400_000)


def stream(deployment: Deployment, gate: Gate) -> Stream | None:
    """Return the section; None: nothing is passed on."""
    if not deployment.tcp_listeners:
        return None
    blocks = Upstreams(gate)
    upstreams: dict[str, Upstream] = {}
    for listener in deployment.tcp_listeners:
        upstreams[listener.upstream.name] = blocks.block(listener.upstream.name, listener.upstream)
    return Stream(
        maps=tuple(found for at, one in enumerate(deployment.tcp_listeners) for found in _senders(at, one)),
        upstreams=tuple(upstreams.values()),
        servers=tuple(_server(at, one) for at, one in enumerate(deployment.tcp_listeners)),
    )


def _variable(at: int) -> str:
    return f"$passed_to_{at}"


def _senders(at: int, listener: ResolvedTcpListener) -> Iterator[Map]:
    """Yield what tells balancers from others: a peer that is none gets no upstream, and its connection is closed."""
    if listener.balancers:
        name = Raw(listener.upstream.name)
        entries: tuple[Words, ...] = ((Raw("default"), Raw('""')), *((network, name) for network in listener.balancers))
        yield Map(Raw("geo"), (Raw("$realip_remote_addr"),), Raw(_variable(at)), entries)


def _server(at: int, listener: ResolvedTcpListener) -> StreamServer:
    tls = listener.tls
    words = [*(["ssl"] if tls else []), *(["proxy_protocol"] if listener.balancers else [])]
    return StreamServer(
        comment=Raw(listener.name),
        listens=tuple((Raw(" ".join([text, *words])),) for address in listener.addresses for text in listens(address)),
        tls=tls_of(tls, 0) if tls is not None else None,
        lines=tuple(_lines(listener)),
        target=Raw(_variable(at) if listener.balancers else listener.upstream.name),
    )


def _lines(listener: ResolvedTcpListener) -> Iterator[Words]:
    if listener.tls is not None:
        yield Raw("ssl_alpn"), Raw(" ".join(listener.protocols))
        yield Raw("ssl_handshake_timeout"), Raw("10s")
    if listener.balancers:
        yield Raw("proxy_protocol_timeout"), Raw("10s")
    for network in listener.balancers:
        yield Raw("set_real_ip_from"), network
    if listener.sends != "off":
        yield (Raw("proxy_protocol on"),)
    timeouts = listener.options.timeouts
    for word, duration in (("proxy_connect_timeout", timeouts.connect), ("proxy_timeout", timeouts.tunnel)):
        yield Raw(word), seconds(_FOREVER if duration.is_off else duration)
    # Who has sent all of a request may still wait for the answer.
    yield Raw("proxy_half_close"), Raw("on")
