"""What only Traefik is particular about; the table is asked before."""

from __future__ import annotations

from proxyconf.facts.gate import Gate
from proxyconf.proxies.traefik.middlewares import TEXTS
from proxyconf.proxies.traefik.raw import SECTIONS, fault
from proxyconf.proxies.traefik.static import LOG_FIELDS, LOG_HEADERS
from proxyconf.proxies.traefik.tcp import judge_tcp
from proxyconf.proxies.traefik.tls import options_name
from proxyconf.spec.deployment import (
    Deployment,
    Forward,
    ResolvedListener,
    ResolvedRoute,
    ResolvedSite,
    ResolvedUpstream,
)
from proxyconf.spec.routes import RedirectTo

__all__ = ["judge"]

# What Traefik holds for a whole listener, and where a site says it.
_PER_LISTENER = (("limits", "request_headers"), ("timeouts", "client_idle"), ("timeouts", "stream_idle"))
_EVERYBODY = {"0.0.0.0/0", "::/0"}
_LARGEST = 2**63 - 1


def judge(deployment: Deployment, gate: Gate) -> None:
    """Find all that Traefik cannot do for reasons of its own."""
    for listener in deployment.listeners:
        _listener(deployment, listener, gate)
    for passing in deployment.tcp_listeners:
        judge_tcp(passing, gate)
    for upstream in deployment.upstreams:
        _upstream(upstream, gate)
    for site in deployment.sites:
        _site(site, gate)
        for route in site.routes:
            _route(deployment, route, gate)
    _trust(deployment, gate)
    if deployment.spec.logging is not None and deployment.spec.logging.format == "json":
        for at, name in enumerate(deployment.spec.logging.fields):
            if name not in LOG_FIELDS and name not in LOG_HEADERS:
                gate.refuse(("logging", "fields", at), f"Traefik's log has no {name}; remove it")
    _raw(deployment, gate)


def _listener(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> None:
    routes = [route for site in deployment.on(listener) for route in site.routes]
    for route in routes[1:]:
        for group, key in _PER_LISTENER:
            wanted, given = (getattr(getattr(one.policies, group), key) for one in (route, routes[0]))
            if wanted != given:
                message = f"Traefik has one '{key}' for all sites of a listener: here {wanted}, in the first {given}; make them equal"
                gate.refuse((*route.where(group), key), message)
    balancer, tls = listener.options.proxy_protocol, listener.tls
    if balancer is not None and balancer.accept != "off" and listener.options.speaks("h3"):
        gate.refuse((*listener.path, "protocols"), "a PROXY header comes over TCP and HTTP/3 over UDP; remove h3 or proxy_protocol")
    if tls is None:
        return
    names = [name for site in deployment.on(listener) for name in site.hostnames or ("*.",)]
    if options_name(deployment, listener) != "default" and any(name.startswith("*.") for name in names):
        message = "Traefik chooses TLS by whole names, for all others it is that of the first listener; make them equal, or write hostnames"
        gate.refuse((*listener.path, "tls"), message)
    if tls.source == "automatic":
        _automatic(deployment, listener, gate)


def _automatic(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> None:
    asking = [one.tls for one in deployment.listeners if one.tls is not None and one.tls.source == "automatic"]
    if any(one.acme != asking[0].acme for one in asking):
        gate.refuse((*listener.path, "tls", "acme"), "listeners ask one CA in one way; make their 'acme' equal")
    assert listener.tls is not None
    acme = listener.tls.acme
    if acme is not None and acme.challenge == "http-01" and all(one.tls for one in deployment.listeners):
        gate.refuse((*listener.path, "tls", "acme", "challenge"), "http-01 needs a listener without TLS; add http: {redirect: https}")
    for site in deployment.on(listener):
        if site.is_any or any(name.startswith("*.") for name in site.hostnames):
            message = "a CA is asked for names that are written out; name them, or give certificates: [...]"
            gate.refuse((*site.path, "hostnames"), message)


def _upstream(upstream: ResolvedUpstream, gate: Gate) -> None:
    options, path = upstream.options, upstream.path
    policy = options.load_balancing.policy
    check = options.health_check
    if check is not None and check.path is not None:
        for key in ("healthy_threshold", "unhealthy_threshold"):
            if key in check.model_fields_set and getattr(check, key) != 1:
                gate.refuse((*path, "health_check", key), "Traefik believes the first answer of a health check; write 1 or remove it")
        if len(check.expected_statuses) > 1:
            gate.refuse((*path, "health_check", "expected_statuses"), "Traefik expects one status of a health check; name one")
    if policy == "hash" and options.load_balancing.hash is not None and options.load_balancing.hash.key != "client_ip":
        gate.refuse((*path, "load_balancing", "hash"), "Traefik hashes the client's address only; write key: client_ip")
    if options.sticky is not None and policy == "hash":
        gate.refuse((*path, "sticky"), "a cookie and a hash both choose the server; remove one")
    for at, server in enumerate(options.servers):
        if server.weight != 1 and policy == "least_conn":
            gate.refuse((*path, "servers", at, "weight"), "Traefik weighs servers in turn only; write load_balancing: round_robin")
    if options.outlier_detection is not None:
        gate.note((*path, "outlier_detection"), "Traefik counts failures within ejection_time, whether in a row or not")


def _site(site: ResolvedSite, gate: Gate) -> None:
    if site.canonical and site.aliases:
        gate.note((*site.path, "canonical"), _SAME_MEANING)


_SAME_MEANING = "Traefik answers GET with 301 or 302, other methods with 308 or 307; either keeps the method"


def _route(deployment: Deployment, route: ResolvedRoute, gate: Gate) -> None:
    action, policies = route.action, route.policies
    if isinstance(action, RedirectTo):
        _redirect(route, action, gate)
    if isinstance(action, Forward):
        _forward(route, action, gate)
    if policies.rate_limit is not None and policies.rate_limit.status != 429:
        gate.refuse((*route.where("rate_limit"), "status"), "Traefik limits with 429; write 429 or remove it")
    down = policies.maintenance
    for word in policies.compression.types if policies.compression else ():
        if "*" in word and word != "text/*":
            names = ", ".join(TEXTS[:2])
            gate.refuse((*route.where("compression"), "types"), f"Traefik compares whole content types; name each, such as {names}")
    asks = policies.allow or policies.rate_limit or (down and down.exempt)
    if asks and set(deployment.trusted_networks) >= _EVERYBODY:
        message = "with trusted_proxies: any nobody knows a client's address; name the proxies in front"
        gate.refuse(("trust", "trusted_proxies"), message)
    _auth(route, gate)


def _auth(route: ResolvedRoute, gate: Gate) -> None:
    auth, door = route.policies.auth, route.auth_upstream
    if auth is not None and auth.forward is not None and door is not None:
        where = (*route.where("auth"), "forward", "upstream")
        if len(door.options.servers) > 1:
            gate.refuse(where, "Traefik asks one address who may come in; name an upstream with one server")
        if door.options.is_grpc or (door.options.is_http2 and door.options.websocket == "off"):
            gate.refuse(where, "Traefik asks over HTTP/1.1, which this upstream does not speak; write an upstream with protocol: http1")
        elif door.options.is_http2:
            gate.note(where, "Traefik asks it over HTTP/1.1, whatever else goes to this upstream over HTTP/2")
    if auth is not None and auth.basic is not None and any(char in auth.basic.realm for char in '"\\'):
        gate.note((*route.where("auth"), "basic", "realm"), "Traefik writes quotes and backslashes of a realm as they stand")


def _redirect(route: ResolvedRoute, action: RedirectTo, gate: Gate) -> None:
    where = (*route.path, "redirect")
    if action.status == 303:
        gate.refuse((*where, "status"), "Traefik redirects with 301 and 308, or 302 and 307; write 302")
    elif action.status != 302:
        gate.note((*where, "status"), _SAME_MEANING)
    if action.keep_rest:
        if route.match.path.type != "prefix":
            gate.refuse((*where, "keep_rest"), "what follows a prefix is kept; match by path:")
        elif "%" in route.match.path.value:
            message = "Traefik compares what a client wrote, and %XX has more than one form; match by a plain path"
            gate.refuse((*where, "keep_rest"), message)
        if "?" in action.to or "#" in action.to:
            gate.refuse((*where, "to"), "the rest of the path cannot follow a query; remove it, or keep_rest")


def _forward(route: ResolvedRoute, action: Forward, gate: Gate) -> None:
    policies, limits = route.policies, route.policies.limits
    if action.replace_prefix is not None and "%" in action.replace_prefix:
        message = "behind a prefix with %XX Traefik decodes the rest of the path too; write a plain path"
        gate.refuse((*route.path, "replace_prefix"), message)
    if action.websocket and action.upstream.options.websocket == "off":
        gate.refuse((*route.path, "websocket"), "the upstream says websocket: off")
    holds = policies.buffering.request == "on" or policies.buffering.response == "on"
    if holds and action.upstream.options.is_grpc:
        gate.refuse(route.where("buffering"), "Traefik holds a request and its response, and gRPC streams; write buffering: {request: off}")
    if "request_body" in limits.model_fields_set and not limits.request_body.is_unlimited and not holds:
        message = (
            "Traefik refuses a longer body by its Content-Length; one of unknown length is bounded by the app server,"
            " or here too with buffering: {request: on}, which holds the response as well"
        )
        gate.note((*route.where("limits"), "request_body"), message)
    if limits.request_body.bytes > _LARGEST:
        gate.refuse((*route.where("limits"), "request_body"), "more than Traefik can count; write unlimited")
    if policies.early_hints == "off" and gate.can("early_hints"):
        gate.note(route.where("early_hints"), "Traefik passes 103 on whatever it is told; the app server sends none")
    if "stream_idle" in policies.timeouts.model_fields_set and not policies.timeouts.stream_idle.is_off:
        message = "Traefik bounds the whole of a request with its body by this, and not the silence of a response"
        gate.note((*route.where("timeouts"), "stream_idle"), message)
    for side in ("request", "response"):
        for name, value in getattr(policies.headers, side).set.items():
            if not value:
                gate.refuse((*route.where("headers"), side, "set", name), "Traefik removes a field that is set to nothing; write remove")


def _trust(deployment: Deployment, gate: Gate) -> None:
    fields = deployment.trust.forwarded.fields
    if deployment.trusted_networks and "for" not in fields:
        gate.refuse(("trust", "forwarded", "fields"), "Traefik reads a client's address where it is passed on; add 'for'")
    if deployment.trusted_networks and "real-ip" in fields:
        gate.refuse(("trust", "forwarded", "fields"), "behind a trusted proxy X-Real-IP is whatever that says; remove real-ip")


def _raw(deployment: Deployment, gate: Gate) -> None:
    raw = deployment.spec.raw.get("traefik")
    if raw is None:
        return
    for section, text in raw.sections.items():
        if section not in SECTIONS:
            gate.refuse(("raw", "traefik", section), f"Traefik has no place for it; places: {', '.join(SECTIONS)}")
        elif problem := fault(text, section):
            gate.refuse(("raw", "traefik", section), problem)
    for name in raw.server:
        gate.refuse(("raw", "traefik", "server", name), "a site is no place in Traefik's files; write it under dynamic:")
