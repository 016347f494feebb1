"""Listeners whose bytes are passed on unread: a frontend and a backend of `mode tcp` for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from proxyconf.facts.gate import Gate
from proxyconf.facts.table import Version
from proxyconf.proxies.haproxy.binds import bound
from proxyconf.proxies.haproxy.plan import Backend, Frontend, Lines, Words
from proxyconf.proxies.haproxy.servers import balance_of, checks, servers
from proxyconf.proxies.haproxy.words import acls, line, time
from proxyconf.spec.deployment import Deployment, ResolvedTcpListener, ResolvedUpstream
from proxyconf.spec.units import Duration
from proxyconf.syntax.words import Raw

__all__ = ["tcp_backends", "tcp_frontends"]

_OF_BYTES: Lines = (line("mode tcp"), line("no option http-no-delay"))
"""The defaults are of HTTP."""


_HANDSHAKE_SINCE = Version.parse("3.2.0")
"""The first version that was run here and bounds the handshake alone; before, it may take as long as silence."""


def tcp_frontends(deployment: Deployment, gate: Gate) -> Iterator[Frontend]:
    """Yield where clients connect."""
    for listener in deployment.tcp_listeners:
        silence = time(listener.options.timeouts.tunnel)
        options = [*_OF_BYTES, line("timeout client", silence), line("timeout client-fin", silence)]
        if listener.tls is not None and gate.version >= _HANDSHAKE_SINCE:
            options.append(line("timeout client-hs 10s"))
        if deployment.spec.logging is not None:
            options.append(line("no log"))  # the format is of requests
        yield Frontend(
            Raw(listener.name),
            binds=tuple(_binds(deployment, listener)),
            options=tuple(options),
            acls=acls("from_balancer", "src", listener.balancers) if listener.balancers else (),
            connections=tuple(_connections(listener)),
            rules=(),
            answers=(),
            uses=(),
            default=_name(listener),
        )


def tcp_backends(deployment: Deployment) -> Iterator[Backend]:
    """Yield where they lead."""
    for listener in deployment.tcp_listeners:
        yield Backend(_name(listener), options=tuple(_options(listener)), servers=_servers(listener))


def _name(listener: ResolvedTcpListener) -> Raw:
    # A dot is in no name of a site file, so no upstream has this one.
    return Raw(f"tcp.{listener.name}")


def _binds(deployment: Deployment, listener: ResolvedTcpListener) -> Iterator[Words]:
    for address in listener.addresses:
        yield from bound(deployment, address, listener.tls, listener.protocols)


def _connections(listener: ResolvedTcpListener) -> Iterator[Words]:
    if listener.balancers:
        yield line("reject unless from_balancer")
        yield line("expect-proxy layer4 if from_balancer")


def _options(listener: ResolvedTcpListener) -> Iterator[Words]:
    timeouts = listener.options.timeouts
    yield from _OF_BYTES
    # Who has sent all of a request may still wait for the answer.
    yield line("no option abortonclose")
    yield from balance_of(listener.upstream.options)
    yield line("timeout connect", time(timeouts.connect))
    yield line("timeout server", time(timeouts.tunnel))
    yield line("timeout tunnel", time(timeouts.tunnel))
    yield line("retries 2")
    if len(listener.upstream.options.servers) > 1:
        yield line("option redispatch 1")
    yield from checks(listener.upstream, "")


def _servers(listener: ResolvedTcpListener) -> Lines:
    """Return the servers; they get bytes, not requests of a protocol, and with the client's address the TLS that ended here."""
    asked = listener.upstream.options
    unpooled = asked.connections.model_copy(update={"idle_timeout": Duration(0)})
    bytes_only = asked.model_copy(update={"protocol": "http1", "connections": unpooled})
    upstream: ResolvedUpstream = replace(listener.upstream, options=bytes_only)
    return servers(upstream, "", ended_tls=listener.tls)
