"""haproxy.cfg as a whole: global settings, a frontend for each listener, and the backends behind them."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.facts.table import Version
from proxyconf.proxies.haproxy.backends import Backends
from proxyconf.proxies.haproxy.binds import binds, profile, store
from proxyconf.proxies.haproxy.clients import believed_acls, identity, request_id, said_to_the_app, scheme
from proxyconf.proxies.haproxy.observe import log_format, metrics, remembered
from proxyconf.proxies.haproxy.plan import Frontend, Lines, Plan, Words
from proxyconf.proxies.haproxy.routing import Routing
from proxyconf.proxies.haproxy.tcp import tcp_backends, tcp_frontends
from proxyconf.proxies.haproxy.words import LONGEST, acls, line, lines_of, time
from proxyconf.spec.deployment import Deployment, ResolvedListener
from proxyconf.spec.units import Duration
from proxyconf.syntax.words import Raw

__all__ = ["plan"]

_SMALLEST_HEAD = 15_360
_REWRITE = 1024  # tune.maxrewrite: what is kept free in a buffer for fields that are added
_GLITCHES_SINCE = Version.parse("3.0.0")
_HOT_MEMORY_SINCE = Version.parse("3.0.0")
_BOOLEANS_SINCE = Version.parse("3.1.0")
_RESETS_SINCE = Version.parse("3.2.0")
_WINDOW_SHRINKS_SINCE = Version.parse("3.1.0")
# Before, a request that lost its Upgrade field could no longer be sent over HTTP/2: 502.
_UPGRADE_REMOVED_SINCE = Version.parse("3.2.0")


def plan(deployment: Deployment, gate: Gate) -> Plan:
    """Return what haproxy.cfg is to say."""
    heads = [route.policies.limits.request_headers.bytes for site in deployment.sites for route in site.routes]
    head = max([*heads, _SMALLEST_HEAD])
    backends = Backends(deployment, head, gate)
    frontends = [_frontend(deployment, listener, backends, gate) for listener in _tls_first(deployment)]
    frontends += tcp_frontends(deployment, gate)
    if deployment.spec.metrics is not None and gate.can("metrics"):
        frontends.append(metrics(deployment.spec.metrics.listen))
    return Plan(
        globals=tuple(_globals(deployment, head, backends.counts_bodies, gate)),
        certificates=store(deployment),
        resolvers=tuple(_resolvers(deployment)),
        defaults=tuple(_defaults(deployment)),
        frontends=tuple(frontends),
        backends=(*backends.made, *tcp_backends(deployment)),
        counts_bodies=backends.counts_bodies,
    )


def _tls_first(deployment: Deployment) -> list[ResolvedListener]:
    return sorted(deployment.listeners, key=lambda listener: listener.tls is None)


def _globals(deployment: Deployment, head: int, counts_bodies: bool, gate: Gate) -> Iterator[Words]:
    yield line("log stdout format raw daemon" + ("" if deployment.spec.logging else " notice"))
    yield line("default-path config")
    if counts_bodies:
        if gate.version >= _BOOLEANS_SINCE:
            yield line("tune.lua.bool-sample-conversion normal")
        yield line("lua-load body-limit.lua")
    yield line("hard-stop-after", time(deployment.drain))
    if gate.target.user:
        yield line("user", gate.target.user)
        yield line("group", gate.target.user)
    if gate.target.admin != "off":
        yield line("stats socket", gate.target.admin.removeprefix("unix:"), Raw("mode 600 level admin"))
    yield line(f"tune.bufsize {head + _REWRITE}")
    yield line(f"tune.maxrewrite {_REWRITE}")
    if gate.version >= _HOT_MEMORY_SINCE:
        # Room for as many of these buffers as of the usual ones: else threads hand them back and forth.
        yield line("tune.memory.hot-size 2097152")
    if gate.version >= _GLITCHES_SINCE:
        yield line("tune.h2.fe.glitches-threshold 1000")
    if gate.version >= _WINDOW_SHRINKS_SINCE:
        # Else SETTINGS take back what clients may have sent already (RFC 9113, section 6.9.2), and some then give up.
        yield line("tune.h2.fe.initial-window-size 65535")
    if gate.version >= _RESETS_SINCE:
        yield line("tune.h2.fe.max-rst-at-once 200")
    yield from profile(deployment)
    yield from ((one,) for one in lines_of(deployment.raw("haproxy", "global")))


def _defaults(deployment: Deployment) -> Iterator[Words]:
    yield line("mode http")
    yield line("log global")
    yield line("option dontlognull")
    # Else HTTP/1 chunks wait up to 200 ms for more.
    yield line("option http-no-delay")
    yield line("option abortonclose")
    yield line("option http-restrict-req-hdr-names delete")
    yield line("timeout http-request 10s")
    yield line("timeout queue 30s")
    yield line("timeout client-fin 30s")
    # For what answers without a server.
    yield line("timeout connect 5s")
    yield line("timeout server 1m")
    yield from ((one,) for one in lines_of(deployment.raw("haproxy", "defaults")))


def _resolvers(deployment: Deployment) -> Iterator[Words]:
    asked = [one.options.resolve for one in deployment.all_upstreams if one.options.resolve is not None]
    if asked:
        yield line("parse-resolv-conf")
        yield line("accepted_payload_size 8192")
        yield line("hold valid", time(min(asked)))


def _frontend(deployment: Deployment, listener: ResolvedListener, backends: Backends, gate: Gate) -> Frontend:
    sites = deployment.on(listener) or deployment.sites
    routing = Routing(sites, backends)
    rules = tuple(_rules(deployment, listener, routing, gate))
    only_redirects = listener.redirect_port is not None and not deployment.trust.trusted_proxies
    uses, default = ((), Raw("")) if only_redirects else routing.uses()
    return Frontend(
        Raw(listener.name),
        binds=tuple(binds(deployment, listener, gate)),
        options=tuple(_options(deployment, listener)),
        acls=(*_acls(deployment, listener), *routing.acls),
        connections=tuple(_connections(listener)),
        rules=rules,
        answers=tuple(_answers(deployment, listener, gate)),
        uses=uses,
        default=default,
        extra=lines_of(deployment.raw("haproxy", "frontend")),
    )


def _longest(found: list[Duration]) -> Duration:
    return LONGEST if any(one.is_off for one in found) else max(found)


def _options(deployment: Deployment, listener: ResolvedListener) -> Iterator[Words]:
    routes = [route for site in deployment.on(listener) or deployment.sites for route in site.routes]
    yield line("timeout client", time(_longest([route.policies.timeouts.stream_idle for route in routes])))
    yield line("timeout http-keep-alive", time(_longest([route.policies.timeouts.client_idle for route in routes])))
    if not listener.options.speaks("h2"):
        yield line("option disable-h2-upgrade")
    yield from log_format(deployment.spec.logging)


def _acls(deployment: Deployment, listener: ResolvedListener) -> Lines:
    balancer = listener.options.proxy_protocol
    found: Lines = tuple(believed_acls(deployment))
    if balancer is not None and balancer.accept != "off":
        found += acls("from_balancer", "src", balancer.trusted)
    return (*found, line("websocket var(txn.upgrade) -m str websocket"))


def _connections(listener: ResolvedListener) -> Iterator[Words]:
    balancer = listener.options.proxy_protocol
    if balancer is not None and balancer.accept != "off":
        yield line("reject unless from_balancer")
        yield line("expect-proxy layer4 if from_balancer")


def _rules(deployment: Deployment, listener: ResolvedListener, routing: Routing, gate: Gate) -> Iterator[Words]:
    yield line("set-var(txn.host) req.hdr(host),host_only")
    yield from remembered(deployment.spec.logging)
    if not routing.takes_any_host:
        yield line(f"deny deny_status 421 unless {routing.known_host()}")
    yield line("deny deny_status 405 if METH_CONNECT")
    yield from identity(deployment, listener)
    if listener.redirect_port is not None:
        yield _redirect(deployment, listener.redirect_port)
        if not deployment.trust.trusted_proxies:
            return
    for site, alias in routing.aliases():
        port = _port(listener.public_port, listener.scheme)
        yield line(f"redirect prefix {scheme(deployment, listener)}://{site.canonical}{port} code 308 if {alias}")
    yield from _upgrades(deployment, gate)
    yield from request_id(deployment.trust)
    yield from said_to_the_app(deployment, listener)


def _upgrades(deployment: Deployment, gate: Gate) -> Iterator[Words]:
    """Only a WebSocket may leave HTTP: "Upgrade: h2c" would open a tunnel past these rules.

    The field is looked for once: each search through a request's fields costs as much as all other conditions here.
    """
    yield line("set-var(txn.upgrade) req.fhdr(upgrade),lower")
    yield line("deny deny_status 400 if { var(txn.upgrade) -m found } { req.fhdr_cnt(upgrade) gt 1 }")
    if gate.version >= _UPGRADE_REMOVED_SINCE or not any(upstream.options.is_http2 for upstream in deployment.upstreams):
        yield line("del-header upgrade if { var(txn.upgrade) -m found } !websocket")
        if not all(upstream.options.is_http2 for upstream in deployment.upstreams):
            # HTTP/2 has no such field, and HAProxy sends none.
            yield line("del-header connection unless websocket")
    else:
        yield line("deny deny_status 400 if { var(txn.upgrade) -m found } !websocket")
    yield line("del-header http2-settings")


def _redirect(deployment: Deployment, port: int) -> Words:
    had_tls = " unless { var(txn.proto) -m str https }" if deployment.trust.trusted_proxies else ""
    return line(f"redirect prefix https://%[var(txn.host)]{_port(port, 'https')} code 308{had_tls}")


def _port(port: int, scheme: str) -> str:
    return "" if (scheme, port) in (("https", 443), ("http", 80)) else f":{port}"


def _answers(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> Iterator[Words]:
    named = deployment.trust.request_id
    if named is not None:
        yield line(f"set-header {named.header} %[var(txn.request_id)]")
    if listener.options.speaks("h3") and gate.can("http3_edge"):
        yield line(f"set-header Alt-Svc 'h3=\":{listener.public_port}\"; ma=86400'")
