"""What a site asks of any proxy: each feature with the path in the file that asks for it.

Whether a proxy has it is a matter of its table; what only one proxy is particular about is judged in its package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from proxyconf.document.findings import Finding, Path, Rule, nearest, shown
from proxyconf.facts.gate import Gate
from proxyconf.facts.table import capabilities
from proxyconf.spec.deployment import (
    Deployment,
    Forward,
    ResolvedListener,
    ResolvedRoute,
    ResolvedSite,
    ResolvedTcpListener,
    ResolvedUpstream,
    ServeFiles,
)  # fmt: skip
from proxyconf.spec.policies import Policies
from proxyconf.spec.routes import Internal, RedirectTo, Respond

__all__ = ["judge", "needs", "policy_findings"]

Need = tuple[str, Path]


def judge(deployment: Deployment, gate: Gate) -> None:
    """Measure everything that a site asks for against the gate's table."""
    for capability, path in dict.fromkeys(needs(deployment)):
        gate.needs(capability, path)
    if gate.target.admin != "off":
        gate.needs("admin_unix", (*gate.target.path, "admin"))
    written = deployment.spec.raw.get(gate.target.proxy)
    if written is not None:
        count = len(written.sections) + len(written.server)
        gate.findings.append(
            Finding(Rule.RAW, ("raw", gate.target.proxy), f"{count} text(s) go into {gate.target.proxy} as they stand", key=True)
        )


def policy_findings(deployment: Deployment) -> list[Finding]:
    """Return the features that the policy names and nobody knows."""
    known = capabilities()
    return [
        Finding(Rule.UNKNOWN_FEATURE, ("policy", "features", name), f"there is no feature {shown(name)}{nearest(name, known)}", key=True)
        for name in deployment.spec.policy.features
        if name not in known
    ]


def needs(deployment: Deployment) -> Iterator[Need]:
    """Yield every feature that a site asks for and where."""
    for listener in deployment.listeners:
        yield from _listener(listener)
    for passing in deployment.tcp_listeners:
        yield from _tcp_listener(passing)
    if deployment.listeners:
        yield from _trust(deployment)
    for upstream in deployment.upstreams:
        yield from _upstream(upstream)
    for site in deployment.sites:
        yield from _site(site)
        for route in site.routes:
            yield from _route(route)
            yield from _policies(route)
    yield from _observation(deployment)


def _listener(listener: ResolvedListener) -> Iterator[Need]:
    path, options = listener.path, listener.options
    if listener.tls is not None:
        yield f"tls_{listener.tls.source}", (*path, "tls")
        if options.speaks("h3"):
            yield "http3_edge", (*path, "protocols")
        if options.speaks("h2"):
            yield "http2_edge", (*path, "protocols")
        if listener.tls.profile != "intermediate":
            yield "tls_profiles", (*path, "tls", "profile")
        if listener.tls.client_auth.mode != "none":
            yield "client_certificates", (*path, "tls", "client_auth")
    if listener.redirect_port is not None:
        yield "https_redirect", (*path, "redirect")
    if options.acme_webroot is not None:
        yield "acme_webroot", (*path, "acme_webroot")
    if options.proxy_protocol is not None and options.proxy_protocol.accept != "off":
        yield "proxy_protocol_in", (*path, "proxy_protocol")


def _tcp_listener(listener: ResolvedTcpListener) -> Iterator[Need]:
    path, upstream = listener.path, listener.upstream
    yield "tcp_listener", (*path, "mode")
    if listener.tls is not None:
        yield f"tls_{listener.tls.source}", (*path, "tls")
        if listener.tls.profile != "intermediate":
            yield "tls_profiles", (*path, "tls", "profile")
        if listener.tls.client_auth.mode != "none":
            yield "client_certificates", (*path, "tls", "client_auth")
    if listener.balancers:
        yield "proxy_protocol_in", (*path, "proxy_protocol")
    tunnel = listener.options.timeouts.tunnel
    if "tunnel" in listener.options.timeouts.model_fields_set and not tunnel.is_off:
        yield "tcp_timeout_tunnel", (*path, "timeouts", "tunnel")
    if listener.sends != "off":
        yield f"tcp_proxy_protocol_{listener.sends}", _at(upstream, "proxy_protocol", "send")
    yield from _servers(upstream)


def _trust(deployment: Deployment) -> Iterator[Need]:
    trust = deployment.trust
    yield "forwarded_set", ("trust",)
    if trust.trusted_proxies:
        yield "trusted_proxies", ("trust", "trusted_proxies")
        yield "forwarded_for_alone", ("trust", "trusted_proxies")
        by_field = {
            "forwarded": "client_address_forwarded", "cf-connecting-ip": "client_address_field",
            "x-real-ip": "client_address_field",
        }  # fmt: skip
        if trust.client_address in by_field:
            yield by_field[trust.client_address], ("trust", "client_address")
    if trust.forwarded.dialect == "rfc7239":
        yield "forwarded_rfc7239", ("trust", "forwarded", "dialect")
    if trust.request_id is not None:
        yield "request_id", ("trust", "request_id")


_PROTOCOLS = {
    "h2c": "h2c_upstream", "h2": "h2_upstream", "http1": "http1_upstream", "grpc": "grpc_upstream", "grpcs": "grpc_upstream",
}  # fmt: skip


def _at(upstream: ResolvedUpstream, *steps: str | int) -> Path:
    """Return the path of a key, or of the URL that the upstream was written as."""
    return (*upstream.path, *steps) if upstream.path[:1] == ("upstreams",) else upstream.path


def _upstream(upstream: ResolvedUpstream) -> Iterator[Need]:
    options, at = upstream.options, partial(_at, upstream)
    yield _PROTOCOLS[options.protocol], at("protocol")
    if options.protocol == "grpcs":
        yield "h2_upstream", at("protocol")
    if options.tls is not None and options.tls.ca is not None:
        yield "upstream_ca", at("tls", "ca")
    yield from _servers(upstream)
    if options.proxy_protocol.send != "off":
        yield f"proxy_protocol_out_{options.proxy_protocol.send}", at("proxy_protocol", "send")
    if options.websocket == "over_h2":
        yield "websocket_over_h2", at("websocket")
    if options.websocket == "over_http1" and options.is_http2:
        yield "websocket_split", at("websocket")
    asked = {"sticky_cookie": options.sticky, "outlier_detection": options.outlier_detection, "retries": options.retries}
    keys = {"sticky_cookie": "sticky"}
    yield from ((name, at(keys.get(name, name))) for name, value in asked.items() if value is not None)


def _servers(upstream: ResolvedUpstream) -> Iterator[Need]:
    """Yield what is asked of servers whether requests go to them or bytes."""
    options, at = upstream.options, partial(_at, upstream)
    for index, server in enumerate(options.servers):
        if server.address.is_unix:
            yield "unix_upstream", at("servers", index)
        if server.weight != 1:
            yield "weights", at("servers", index, "weight")
    if options.load_balancing.policy != "round_robin":
        yield f"lb_{options.load_balancing.policy}", at("load_balancing")
    if options.health_check is not None:
        yield ("health_check_tcp" if options.health_check.tcp else "health_check_http"), at("health_check")
    if options.resolve is not None:
        yield "resolve", at("resolve")
    if options.connections.max is not None:
        yield "max_connections", at("connections", "max")


def _site(site: ResolvedSite) -> Iterator[Need]:
    yield ("any_host" if site.is_any else "unknown_host"), (*site.path, "hostnames")
    if site.hsts is not None:
        yield "hsts", (*site.path, "hsts")
    if site.aliases:
        yield "canonical", (*site.path, "canonical")


def _route(route: ResolvedRoute) -> Iterator[Need]:
    match, path = route.match, route.path
    if match.path.value != "/" or match.path.type != "prefix":
        yield f"match_{match.path.type}", path
    for condition in ("methods", "headers", "query"):
        if getattr(match, condition):
            yield f"match_{condition}", (*path, "match", condition)
    yield from _ACTIONS[type(route.action)](route)


def _forward(route: ResolvedRoute) -> Iterator[Need]:
    action = route.action
    assert isinstance(action, Forward)
    if action.websocket:
        yield ("websocket_http1" if not action.upstream.options.is_http2 else "websocket_split"), (*route.path, "websocket")
    if action.replace_prefix is not None:
        yield "replace_prefix", (*route.path, "replace_prefix")
    if action.tell_prefix:
        yield "tell_prefix", (*route.path, "tell_prefix")


def _files(route: ResolvedRoute) -> Iterator[Need]:
    action = route.action
    assert isinstance(action, ServeFiles)
    path: Path = (*route.path, "static")
    yield ("static_file" if action.files.file else "static_files"), path
    if action.files.precompressed:
        yield "static_precompressed", (*path, "precompressed")
    if action.fallback is not None:
        yield "static_fallback", (*path, "fallback")


def _redirect(route: ResolvedRoute) -> Iterator[Need]:
    assert isinstance(route.action, RedirectTo)
    yield ("redirect_rest" if route.action.keep_rest else "redirect"), (*route.path, "redirect")


_ACTIONS: dict[type, Callable[[ResolvedRoute], Iterator[Need]]] = {
    Forward: _forward,
    ServeFiles: _files,
    Internal: lambda route: iter([("internal_redirect", (*route.path, "internal"))]),
    RedirectTo: _redirect,
    Respond: lambda route: iter([("respond", (*route.path, "respond"))]),
}


def _policies(route: ResolvedRoute) -> Iterator[Need]:
    policies, where = route.policies, route.where
    said = route.policy_paths.keys()
    if "limits" in said:
        yield from _limits(route, policies)
    if "timeouts" in said:
        keys = {
            "connect": "timeout_connect", "request": "response_head_timeout", "backend_request": "response_head_timeout",
            "client_idle": "timeout_client_idle", "stream_idle": "stream_idle", "tunnel": "timeout_tunnel",
        }  # fmt: skip
        for key in policies.timeouts.model_fields_set & keys.keys():
            yield keys[key], (*where("timeouts"), key)
    for encoding in policies.compression.encodings if policies.compression else ():
        yield f"compression_{encoding}", (*where("compression"), "encodings")
    yield from _headers(route, policies)
    if policies.early_hints == "pass":
        yield "early_hints", where("early_hints")
    for side in ("request", "response"):
        if getattr(policies.buffering, side) == "on":
            yield f"buffer_{side}s", (*where("buffering"), side)
    if policies.errors is not None:
        yield ("error_pages" if policies.errors.source == "proxy" else "error_pages_any"), where("errors")
    if policies.auth is not None:
        yield ("auth_basic" if policies.auth.basic else "auth_forward"), where("auth")
    simple = {
        "cors": policies.cors, "maintenance": policies.maintenance, "allow": policies.allow, "rate_limit": policies.rate_limit,
    }  # fmt: skip
    yield from ((name, where(name)) for name, value in simple.items() if value)
    if policies.maintenance is not None and policies.maintenance.file is not None:
        yield "maintenance_page", (*where("maintenance"), "file")
    if policies.log == "off":
        yield "log_off", where("log")


def _limits(route: ResolvedRoute, policies: Policies) -> Iterator[Need]:
    path = route.where("limits")
    if "request_body" in policies.limits.model_fields_set:
        by_route = "routes" in path
        yield ("request_body_limit_by_route" if by_route else "request_body_limit"), (*path, "request_body")
    if "request_headers" in policies.limits.model_fields_set:
        yield "request_header_limit", (*path, "request_headers")


def _headers(route: ResolvedRoute, policies: Policies) -> Iterator[Need]:
    path, headers = route.where("headers"), policies.headers
    if headers.request.set or headers.request.remove:
        yield "headers_set", (*path, "request")
    if headers.response.set or headers.response.remove:
        yield "headers_set", (*path, "response")
    if headers.response.default:
        yield "headers_default", (*path, "response", "default")


def _observation(deployment: Deployment) -> Iterator[Need]:
    spec = deployment.spec
    if spec.logging is not None:
        yield f"log_{spec.logging.format}", ("logging",)
    if spec.metrics is not None:
        yield "metrics", ("metrics",)
    if spec.tracing is not None:
        yield "tracing", ("tracing",)
