"""What a rendered site promises of one proxy: the features that probes may count on, each missing one with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

from proxyconf.facts.gate import Gate
from proxyconf.facts.target import Target
from proxyconf.proxies.contract import Program as ProxyProgram
from proxyconf.spec.deployment import Deployment, Forward, ResolvedListener, ResolvedRoute, ResolvedSite
from proxyconf.spec.upstreams import Protocol, Upstream
from proxyconf.verify.certificates import Certificates
from proxyconf.verify.edge.link import Edge
from proxyconf.verify.probes.client import CLIENT
from proxyconf.verify.subject import Feature, Prefix, Subject

__all__ = ["NothingToAsk", "listener_subject", "subject"]

HOPS: Mapping[Protocol, str] = {"h2c": "HTTP/2", "h2": "HTTP/2", "grpc": "HTTP/2", "grpcs": "HTTP/2", "http1": "HTTP/1.1"}
ANY_NAME = "any-name.test"
VERSIONS = {"off": 0, "v1": 1, "v2": 2}  # of the PROXY header


class NothingToAsk(Exception):
    """The site has no route that a probe could go through."""


@dataclass
class Promises:
    """Collects features and reasons while a site is read."""

    gate: Gate
    features: set[Feature] = field(default_factory=set)
    reasons: dict[Feature, str] = field(default_factory=dict)

    def add(self, feature: Feature, asked: bool, why_not: str, *capabilities: str) -> None:
        """Note a feature: `asked` by the site, and the proxy has one of `capabilities` (none: no matter)."""
        if not asked:
            self.reasons[feature] = why_not
        elif capabilities and not any(self.gate.can(name) for name in capabilities):
            target = self.gate.target
            words = f"{target.proxy} {target.version} cannot: {capabilities[0].replace('_', ' ')}"
            self.reasons[feature] = "; ".join(filter(None, (words, self.gate.how(capabilities[0]))))
        else:
            self.features.add(feature)


def subject(deployment: Deployment, gate: Gate, program: ProxyProgram, certificates: Certificates, hostname: str = "") -> Subject:
    """Return what to verify: the first site, or the one with `hostname`, through its widest route to an upstream."""
    site, route = _chosen(deployment, hostname)
    listener = next((one for one in site.listeners if one.tls), site.listeners[0])
    assert isinstance(route.action, Forward)
    name = hostname or site.canonical or (site.hostnames[0].replace("*", "wild") if site.hostnames else ANY_NAME)
    edge = _edge(listener, name, certificates)
    promises = Promises(gate)
    _edge_features(promises, deployment, listener)
    _hop_features(promises, deployment, route)
    _policy_features(promises, site, route)
    _both_ends(promises, site, route)
    promises.add(Feature.RELOAD, bool(program.reload or program.reload_signal), "this proxy is not told to reload")
    promises.add(Feature.GRACEFUL_STOP, bool(program.stop), "this proxy has no graceful stop by a signal")
    options = route.action.upstream.options
    health = options.health_check
    return Subject(
        gate.target.proxy, str(gate.target.version), edge, frozenset(promises.features), promises.reasons,
        base=_base(route), hop=HOPS[_spoken(options, gate)], origins=tuple(str(server.address) for server in options.servers),
        forwarded=frozenset(deployment.trust.forwarded.fields), grpc_path=_grpc_path(site, route, gate),
        proxy_protocol=VERSIONS[options.proxy_protocol.send], untrusted_statuses=program.untrusted_statuses,
        body_limit=None if route.policies.limits.request_body.is_unlimited else route.policies.limits.request_body.bytes,
        response_timeout=route.policies.timeouts.response_head.seconds, prefix=_prefix(site),
        redirect=_redirect(deployment, site, name),
        health_seconds=health.interval.seconds * (health.unhealthy_threshold + health.healthy_threshold + 2) if health else 0.0,
        stop_seconds=deployment.drain.seconds, client_streams=10 if gate.can("http2_concurrency") else 5,
    )  # fmt: skip


def listener_subject(deployment: Deployment, target: Target, certificates: Certificates) -> Subject:
    """Return what to verify of the first listener that passes bytes on: whom its PROXY header names."""
    listener = deployment.tcp_listeners[0]
    address = listener.addresses[0]
    edge = Edge(ANY_NAME, address.port, listener.tls is not None, certificates.ca, connect_to=address.host or "127.0.0.1")
    names = {"http/1.1": Feature.HTTP1, "h2": Feature.HTTP2}
    features = {names[protocol] for protocol in listener.protocols} | {Feature.PROXY_PROTOCOL}
    origins = tuple(str(server.address) for server in listener.upstream.options.servers)
    return Subject(target.proxy, str(target.version), edge, frozenset(features), origins=origins, proxy_protocol=VERSIONS[listener.sends])


def _chosen(deployment: Deployment, hostname: str) -> tuple[ResolvedSite, ResolvedRoute]:
    sites = [site for site in deployment.sites if not hostname or hostname in site.hostnames or site.is_any]
    for site in sites:
        if routes := [route for route in site.routes if _is_open(route)]:
            return site, min(routes, key=lambda route: len(route.match.path.value))
    named = f"the site {hostname}" if hostname else "the file"
    raise NothingToAsk(f"{named} has no route that forwards a whole path to an upstream for everybody")


def _is_open(route: ResolvedRoute) -> bool:
    """Whether a probe gets through to the origin, and its path unchanged."""
    match, action, policies = route.match, route.action, route.policies
    if not isinstance(action, Forward) or action.replace_prefix is not None or action.upstream.options.is_grpc:
        return False
    free = not (policies.auth or policies.allow or policies.maintenance or policies.rate_limit)
    return free and match.is_unconditional and match.grpc is None and match.path.type == "prefix" and action.websocket is not True


def _spoken(options: Upstream, gate: Gate) -> Protocol:
    """Return what the hop speaks: HTTP/1.1 where the policy lets a proxy go without h2c."""
    return "http1" if options.protocol == "h2c" and not gate.can("h2c_upstream") else options.protocol


def _base(route: ResolvedRoute) -> str:
    return f"{route.match.path.value.rstrip('/')}/"


def _edge(listener: ResolvedListener, name: str, certificates: Certificates) -> Edge:
    address = listener.addresses[0]
    return Edge(name, address.port, listener.tls is not None, certificates.ca, connect_to=address.host or "127.0.0.1",
                proxy_protocol=_announced(listener))  # fmt: skip


def _announced(listener: ResolvedListener) -> int:
    """Return the version of the PROXY header that the listener wants, 0 for none."""
    wants = listener.options.proxy_protocol
    return VERSIONS[wants.accept] if wants else 0


def _redirect(deployment: Deployment, site: ResolvedSite, name: str) -> Edge | None:
    for listener in deployment.listeners:
        if listener.redirect_port is not None:
            return Edge(name, listener.addresses[0].port, tls=False, proxy_protocol=_announced(listener))
    return None


def _edge_features(promises: Promises, deployment: Deployment, listener: ResolvedListener) -> None:
    add, options = promises.add, listener.options
    add(Feature.TLS, listener.tls is not None, "the listener is cleartext")
    add(Feature.HTTP1, options.speaks("http1"), "the listener does not offer HTTP/1.1")
    add(Feature.HTTP2, options.speaks("h2"), "the listener does not offer HTTP/2", "http2_edge")
    add(Feature.UNKNOWN_HOST, not any(site.is_any for site in deployment.sites), "a site takes every name", "unknown_host")
    add(Feature.CONTROL_CHARACTERS, True, "", "control_characters_refused")
    add(Feature.REDIRECT, any(one.redirect_port for one in deployment.listeners), "no listener redirects", "https_redirect")
    trusted = any(ip_address(CLIENT) in ip_network(network) for network in deployment.trusted_networks)
    dialect = deployment.trust.forwarded.dialect
    why = "clients of this machine are trusted proxies of this site" if trusted else f"no probe reads {dialect} yet"
    add(Feature.FORWARDED, not trusted and dialect == "x-forwarded", why, "forwarded_set")


def _hop_features(promises: Promises, deployment: Deployment, route: ResolvedRoute) -> None:
    assert isinstance(route.action, Forward)
    add, options = promises.add, route.action.upstream.options
    protocol = _spoken(options, promises.gate)
    over_http2 = protocol != "http1"
    add(Feature.MULTIPLEXING, over_http2 and options.proxy_protocol.send == "off",
        "connections of the hop are not shared", "h2c_multiplexed")  # fmt: skip
    add(Feature.HOP_TLS, options.is_tls, "the hop is cleartext", "h2_upstream")
    add(Feature.TRAILERS, over_http2, "no trailers over an HTTP/1.1 hop are promised", "response_trailers")
    add(Feature.CLIENT_GONE, True, "", "client_gone")
    add(Feature.BROKEN_RESPONSES, True, "", "broken_responses")
    over = ("websocket_http1",) if protocol == "http1" else ("websocket_over_h2", "websocket_split")
    add(Feature.WEBSOCKET, route.action.may_be_websocket, "WebSocket is off for this route", *over)
    send = options.proxy_protocol.send
    add(Feature.PROXY_PROTOCOL, send != "off", "the site sends no PROXY header", f"proxy_protocol_out_{send}" if send != "off" else "raw")
    health = options.health_check
    add(Feature.HEALTH_CHECK, health is not None and health.path is not None and len(options.servers) > 1,
        "no health check by a path over two servers", "health_check_http")  # fmt: skip


def _policy_features(promises: Promises, site: ResolvedSite, route: ResolvedRoute) -> None:
    add, policies = promises.add, route.policies
    hints = policies.early_hints != "off"
    add(Feature.EARLY_HINTS, hints, "early_hints: off", "early_hints")
    # An app server behind a proxy that cannot is told to send none.
    add(Feature.HINTED, True, "", "early_hints")
    add(Feature.STREAMED_REQUEST, policies.buffering.request == "off", "buffering: {request: on}", "full_duplex")
    add(Feature.STREAMED_RESPONSE, policies.buffering.response == "off", "buffering: {response: on}", "streaming")
    limited = not policies.limits.request_body.is_unlimited
    add(Feature.BODY_LIMIT, limited, "request_body: unlimited", "request_body_limit")
    add(Feature.BODY_LIMIT_STREAMED, limited, "request_body: unlimited", "request_body_limit_streamed")
    bounded = not policies.timeouts.response_head.is_off
    add(Feature.RESPONSE_TIMEOUT, bounded, "request: off", "gateway_timeout")
    add(Feature.PREFIX, _prefix(site) is not None, "no route replaces a prefix", "replace_prefix")


def _both_ends(promises: Promises, site: ResolvedSite, route: ResolvedRoute) -> None:
    """What needs HTTP/2 of the hop, and some of it of the edge too."""
    assert isinstance(route.action, Forward)
    over_http2 = _spoken(route.action.upstream.options, promises.gate) != "http1"
    promises.add(Feature.GRPC, bool(_grpc_path(site, route, promises.gate)), "no route for gRPC", "grpc_upstream")
    promises.add(Feature.REQUEST_TRAILERS, over_http2, "no trailers over an HTTP/1.1 hop are promised", "request_trailers")
    may = route.action.may_be_websocket
    promises.add(Feature.WEBSOCKET_OVER_HTTP2, may, "WebSocket is off for this route", "websocket_from_h2")


def _prefix(site: ResolvedSite) -> Prefix | None:
    for route in site.routes:
        action = route.action
        if isinstance(action, Forward) and action.replace_prefix is not None and _is_open(_without_replacement(route, action)):
            return Prefix(route.match.path.value, action.replace_prefix, action.tell_prefix)
    return None


def _without_replacement(route: ResolvedRoute, action: Forward) -> ResolvedRoute:
    return replace(route, action=replace(action, replace_prefix=None))


def _grpc_path(site: ResolvedSite, route: ResolvedRoute, gate: Gate) -> str:
    """Return the path of a call that some route takes for gRPC, empty if there is none."""
    assert isinstance(route.action, Forward)
    own = f"{_base(route)}probe.v1.Probe/Call" if _spoken(route.action.upstream.options, gate) != "http1" else ""
    return next(_grpc_paths(site), own)


def _grpc_paths(site: ResolvedSite) -> Iterator[str]:
    for route in site.routes:
        match, action = route.match, route.action
        if not isinstance(action, Forward):
            continue
        if match.grpc is not None:
            yield f"/{match.grpc.service}/{match.grpc.method or 'Call'}"
        elif action.upstream.options.is_grpc and match.path.type == "prefix":
            yield f"{match.path.value.rstrip('/')}/probe.v1.Probe/Call"
