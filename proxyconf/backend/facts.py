"""What the proxy's side of the hop means for the server behind it: addresses, protocols, trust, limits, times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from proxyconf.document.findings import Finding, Rule
from proxyconf.facts.table import table
from proxyconf.facts.target import Target
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.appserver import AppServer
from proxyconf.spec.deployment import (
    Deployment,
    Forward,
    ResolvedRoute,
    ResolvedTcpListener,
    ResolvedUpstream,
    ServeFiles,
)
from proxyconf.spec.policies import DEFAULTS

__all__ = ["Facts", "PassedBind", "facts"]

_LOOPBACK = ("127.0.0.1", "::1")
# What proxies add to a request head (X-Forwarded-*, Via), and what Go lets pass above a limit: 4 KiB.
_SLACK = 8_192


@dataclass(frozen=True, slots=True)
class PassedBind:
    """An address where the server meets clients themselves: a listener of `mode: tcp` passes their bytes on to it."""

    address: ServerAddress
    proxy_protocol: str
    """The header that names the client: `off`, `v1` or `v2`."""
    proxies: tuple[str, ...]
    """Who may connect."""
    protocols: tuple[str, ...]
    """What comes, as ALPN spells it."""
    tls: bool
    """Whether the server ends TLS."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a server has to be told, each at least as wide as what the proxy lets through."""

    server: AppServer
    binds: tuple[ServerAddress, ...]
    """All of them."""
    http1: bool
    """Whether HTTP/1.1 comes."""
    h2c: bool
    """Whether HTTP/2 comes."""
    trust: tuple[str, ...]
    """Whose forwarding fields are believed."""
    streams: int
    head_bytes: int
    body_bytes: int
    """0: no limit."""
    idle_seconds: float
    """How long the proxy keeps an idle connection; the server waits longer."""
    silence_seconds: float
    """How long a body may be silent; 0: without end."""
    drain_seconds: float
    stop_seconds: float
    """When the service manager kills what has not stopped."""
    prefix: str
    """What the proxy has cut off in front of the app, if it says so and all routes agree; else empty."""
    proxy_protocol: str
    """`off`, `v1` or `v2`."""
    hosts: tuple[str, ...]
    """The names that requests come for; `*`: any."""
    dialect: str = "x-forwarded"
    """In which words the proxy names the client: `x-forwarded` or `rfc7239`."""
    passed: tuple[PassedBind, ...] = ()
    """Those of the binds that clients' bytes are passed on to."""
    early_hints: bool = True
    """Whether 103 may be sent to the proxies."""

    @property
    def served(self) -> tuple[ServerAddress, ...]:
        """Those of the binds that a proxy sends requests to."""
        passed = {one.address for one in self.passed}
        return tuple(bind for bind in self.binds if bind not in passed)


def facts(deployment: Deployment, targets: Sequence[Target]) -> tuple[Facts | None, tuple[Finding, ...]]:
    """Return what the server has to be told, or the findings that say why that cannot be known."""
    server = deployment.spec.appserver
    if server is None:
        message = "the site has no app server of ours; add appserver: {app: module:attribute}"
        return None, (Finding(Rule.NO_APPSERVER, (), message),)
    binds, finding = _binds(deployment, server)
    if finding:
        return None, (finding,)
    wrong = tuple(_both_ways(deployment, binds))
    if wrong:
        return None, wrong
    passed, finding = _passed(deployment, server, binds)
    if finding:
        return None, (finding,)
    upstreams = _behind(deployment, server)
    served = [bind for bind in binds if bind not in {one.address for one in passed}]
    trust, finding = _trust(server, served, upstreams) if upstreams else ([], None)
    if finding:
        return None, (finding,)
    trust += [network for network in _in_front(deployment, targets) if upstreams and network not in trust]
    found = _facts(deployment, server, binds, trust, upstreams, targets)
    found = replace(found, passed=tuple(passed), silence_seconds=_longest([found.silence_seconds, *_tunnels(deployment)]))
    wrong = tuple(_contradictions(found, upstreams))
    return (None if wrong else found), wrong


def _tunnels(deployment: Deployment) -> list[float]:
    return [listener.options.timeouts.tunnel.seconds for listener in deployment.tcp_listeners]


def _longest(seconds: Sequence[float]) -> float:
    return 0.0 if 0.0 in seconds else max(seconds)


def _reached_by_bytes(deployment: Deployment, bind: ServerAddress) -> list[ResolvedTcpListener]:
    return [one for one in deployment.tcp_listeners if any(_same(bind, address) for address in _addresses([one.upstream]))]


def _both_ways(deployment: Deployment, binds: Sequence[ServerAddress]) -> Iterator[Finding]:
    """Yield addresses where the server could not tell what it may believe."""
    for bind in binds:
        passing = _reached_by_bytes(deployment, bind)
        by_sites = any(_same(bind, address) for address in _addresses(deployment.upstreams))
        if passing and by_sites:
            message = (
                f"sites reach {bind}, too: what a proxy says there of the client, the clients of '{passing[0].name}' could say"
                " themselves; give the listener an upstream at another address, the app server listens at both"
            )
            yield Finding(Rule.PAIR, (*passing[0].path, "upstream"), message)
        if len({one.sends for one in passing}) > 1:
            names = " and ".join(f"'{one.name}' ({one.sends})" for one in passing)
            message = f"{names} pass bytes on to {bind}, which expects one kind of PROXY header; make them equal"
            yield Finding(Rule.PAIR, (*passing[-1].path, "upstream"), message)
        ended = {one.tls is None for one in passing}
        if len(ended) > 1 and deployment.spec.appserver is not None and deployment.spec.appserver.certificates:
            message = f"TLS that ends in the proxy and TLS that ends in the app server meet at {bind}; give one of them another address"
            yield Finding(Rule.PAIR, (*passing[-1].path, "upstream"), message)


def _passed(
    deployment: Deployment, server: AppServer, binds: Sequence[ServerAddress]
) -> tuple[list[PassedBind], Finding | None]:
    """Return the addresses that clients' bytes are passed on to."""
    made: list[PassedBind] = []
    for bind in binds:
        passing = _reached_by_bytes(deployment, bind)
        if passing:
            proxies, finding = _trust(server, [bind], [one.upstream for one in passing])
            if finding:
                return [], finding
            protocols = dict.fromkeys(name for one in passing for name in one.protocols)
            tls = bool(server.certificates) and passing[0].tls is None
            made.append(PassedBind(bind, passing[0].sends, tuple(proxies), tuple(protocols), tls))
    return made, None


def _facts(
    deployment: Deployment, server: AppServer, binds: list[ServerAddress], trust: list[str],
    upstreams: list[ResolvedUpstream], targets: Sequence[Target],
) -> Facts:  # fmt: skip
    routes = [route for site in deployment.sites for route in site.routes if _upstream(route) in upstreams]
    # Where bytes are passed on nobody bounds a request before the server does: by what a site would have.
    policies = [route.policies for route in routes] or [DEFAULTS]
    bodies = [one.limits.request_body.bytes for one in policies]
    silences = [one.timeouts.stream_idle.seconds for one in policies] if routes else _tunnels(deployment)
    prefixes = {_told_prefix(route) for route in routes}
    sends = {upstream.options.proxy_protocol.send for upstream in upstreams}
    upstreams = upstreams or [one.upstream for one in deployment.tcp_listeners]
    return Facts(
        server=server,
        binds=tuple(binds),
        http1=any(_comes_by_http1(upstream, targets) for upstream in upstreams),
        h2c=any(upstream.options.is_http2 for upstream in upstreams),
        trust=tuple(trust),
        dialect=deployment.trust.forwarded.dialect,
        streams=max(upstream.options.connections.max_concurrent_streams for upstream in upstreams),
        head_bytes=max(one.limits.request_headers.bytes for one in policies) + _SLACK,
        body_bytes=0 if 0 in bodies else max(bodies),
        idle_seconds=max(upstream.options.connections.idle_timeout.seconds for upstream in upstreams),
        silence_seconds=_longest(silences),
        drain_seconds=server.drain.seconds,
        stop_seconds=server.stop_grace.seconds if server.stop_grace else server.drain.seconds + 10,
        prefix=prefixes.pop() if len(prefixes) == 1 else "",
        proxy_protocol=max(sends, default="off") if sends != {"off"} else "off",
        hosts=("*",) if any(site.is_any for site in deployment.sites)
        else tuple(name for site in deployment.sites for name in site.hostnames),
        early_hints=_takes_early_hints(routes, targets),
    )


def _takes_early_hints(routes: Sequence[ResolvedRoute], targets: Sequence[Target]) -> bool:
    """Whether every proxy carries 103, and a site wants it: what is `auto` gives way, as not every proxy can keep them back."""
    wishes = {route.policies.early_hints for route in routes}
    if "off" in wishes and "pass" not in wishes:
        return False
    return not routes or all(table(one.proxy).can("early_hints", one.version, one.modules) for one in targets)


def _told_prefix(route: ResolvedRoute) -> str:
    action = route.action
    if isinstance(action, Forward) and action.tell_prefix and action.replace_prefix is not None:
        return route.match.path.value.removesuffix("/")
    return ""


def _contradictions(found: Facts, upstreams: Sequence[ResolvedUpstream]) -> Iterator[Finding]:
    """Yield what cannot work, whichever server it is."""
    if found.stop_seconds <= found.drain_seconds:
        message = (
            f"requests may take {found.server.drain} at a stop, and after {found.server.stop_grace} everything is killed;"
            " make stop_grace longer than drain"
        )
        yield Finding(Rule.ORDER, ("appserver", "stop_grace"), message)
    sends = {upstream.options.proxy_protocol.send for upstream in upstreams}
    if len(sends) > 1:
        where = next(upstream.path for upstream in upstreams if upstream.options.proxy_protocol.send != "off")
        message = "one server cannot expect a PROXY header from one upstream and none from another; make them equal"
        yield Finding(Rule.PAIR, (*where, "proxy_protocol"), message)


def _addresses(upstreams: Sequence[ResolvedUpstream]) -> list[ServerAddress]:
    return list(dict.fromkeys(server.address for upstream in upstreams for server in upstream.options.servers))


def _same(bind: ServerAddress, address: ServerAddress) -> bool:
    """Whether a server bound at `bind` can be what the proxy reaches at `address`."""
    return bind.path == address.path and bind.port == address.port


def _behind(deployment: Deployment, server: AppServer) -> list[ResolvedUpstream]:
    """Return the upstreams that this app server answers for."""
    if not server.bind:
        return list(deployment.upstreams)
    return [
        upstream for upstream in deployment.upstreams
        if any(_same(bind, address) for bind in server.bind for address in _addresses([upstream]))
    ]  # fmt: skip


def _binds(deployment: Deployment, server: AppServer) -> tuple[list[ServerAddress], Finding | None]:
    """Return where the app server listens."""
    reached = _addresses(deployment.all_upstreams)
    for index, bind in enumerate(server.bind):
        if not any(_same(bind, address) for address in reached):
            known = ", ".join(map(str, reached))
            message = f"no upstream reaches {bind}; the proxy connects to: {known}"
            return [], Finding(Rule.BIND, ("appserver", "bind", index), message)
    if server.bind:
        return list(server.bind), None
    away = [address for address in reached if not (address.is_unix or address.is_loopback)]
    if not away or (len(reached) == 1 and away[0].is_ip):
        return reached, None
    message = (
        f"where does the app server listen? Upstream {away[0]} may be another machine;"
        f' add appserver: {{bind: "0.0.0.0:{away[0].port}"}} or the address of this one'
    )
    return [], Finding(Rule.WHERE, ("appserver",), message)


def _trust(
    server: AppServer, binds: list[ServerAddress], upstreams: list[ResolvedUpstream]
) -> tuple[list[str], Finding | None]:
    """Return whose X-Forwarded-For the app server believes: the proxy's, nobody else's."""
    if server.trust:
        return list(server.trust), None
    over_tcp = [bind for bind in binds if not bind.is_unix]
    reached = [address for address in _addresses(upstreams) if any(_same(bind, address) for bind in over_tcp)]
    away = next((address for address in (*over_tcp, *reached) if not address.is_loopback), None)
    if away is not None:
        message = (
            f"the proxy reaches {away} from an address that is not known here; name it, such as"
            " appserver: {trust: [10.0.0.2]}, or use a unix socket or 127.0.0.1"
        )
        return [], Finding(Rule.WHOM, ("appserver",), message)
    unix = ["unix"] if len(over_tcp) < len(binds) else []
    return unix + (list(_LOOPBACK) if over_tcp else []), None


def _in_front(deployment: Deployment, targets: Sequence[Target]) -> tuple[str, ...]:
    """Return the proxies in front that the app server meets itself: at the end of a chain that is not cut."""
    cut = all(table(one.proxy).can("forwarded_for_alone", one.version, one.modules) for one in targets)
    return () if cut else deployment.trusted_networks


def _upstream(route: ResolvedRoute) -> ResolvedUpstream | None:
    action = route.action
    return action.upstream if isinstance(action, Forward) else action.fallback if isinstance(action, ServeFiles) else None


def _comes_by_http1(upstream: ResolvedUpstream, targets: Sequence[Target]) -> bool:
    """Whether HTTP/1.1 comes: asked for, where a proxy goes without h2c, or for WebSockets beside HTTP/2."""
    options = upstream.options
    if options.protocol == "http1" or options.websocket == "over_http1":
        return True
    needed = ["h2c_upstream"] if options.protocol == "h2c" else []
    needed += ["websocket_over_h2"] if options.websocket == "auto" and not options.is_grpc else []
    return any(not table(one.proxy).can(name, one.version, one.modules) for one in targets for name in needed)
