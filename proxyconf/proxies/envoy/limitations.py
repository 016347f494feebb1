"""What only Envoy is particular about; the table is asked before."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from proxyconf.document.findings import Path
from proxyconf.facts.gate import Gate
from proxyconf.proxies.envoy.raw import LISTS, TREES, fault
from proxyconf.spec.deployment import Deployment, Forward, ResolvedListener, ResolvedRoute, ResolvedUpstream
from proxyconf.spec.routes import RedirectTo, Respond

__all__ = ["judge"]

# What Envoy holds for a whole listener, and where a site says it.
_PER_LISTENER = (("limits", "request_headers"), ("timeouts", "client_idle"))
_LARGEST_HEAD = 8192 * 1024
_LARGEST_BUFFER = 2**32 - 1


def judge(deployment: Deployment, gate: Gate) -> None:
    """Find all that Envoy cannot do for reasons of its own."""
    for listener in deployment.listeners:
        _listener(deployment, listener, gate)
    for upstream in deployment.upstreams:
        _upstream(upstream, gate)
    for site in deployment.sites:
        for route in site.routes:
            _route(route, gate)
    request_id = deployment.trust.request_id
    if request_id is not None and request_id.header.lower() != "x-request-id":
        gate.refuse(("trust", "request_id", "header"), "Envoy names requests in X-Request-ID only; write header: X-Request-ID")
    _raw(deployment, gate)


def _listener(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> None:
    routes = [route for site in deployment.on(listener) for route in site.routes]
    for route in routes[1:]:
        for group, key in _PER_LISTENER:
            wanted, given = (getattr(getattr(one.policies, group), key) for one in (route, routes[0]))
            if wanted != given:
                message = f"Envoy has one '{key}' for all sites of a listener: here {wanted}, in the first {given}; make them equal"
                gate.refuse((*route.where(group), key), message)
    for route in routes:
        if route.policies.limits.request_headers.bytes > _LARGEST_HEAD:
            gate.refuse((*route.where("limits"), "request_headers"), "Envoy takes heads of at most 8MiB; write 8MiB or less")
    if listener.tls is not None and listener.tls.client_auth.mode == "require" and listener.options.speaks("h3"):
        message = "Envoy asks for no certificates of clients over HTTP/3; take h3 out of 'protocols', or client_auth"
        gate.refuse((*listener.path, "tls", "client_auth"), message)
    hints = {route.policies.early_hints != "off" for route in routes}
    if len(hints) > 1 and gate.can("early_hints"):
        off = next(route for route in routes if route.policies.early_hints == "off")
        gate.refuse(off.where("early_hints"), "Envoy passes 103 for a whole listener or not at all; say the same for all of its routes")
    balancer = listener.options.proxy_protocol
    if balancer is not None and balancer.accept != "off" and listener.options.speaks("h3"):
        gate.refuse((*listener.path, "protocols"), "a PROXY header comes over TCP and HTTP/3 over UDP; remove h3 or proxy_protocol")


def _upstream(upstream: ResolvedUpstream, gate: Gate) -> None:
    options = upstream.options
    kinds = {server.address.is_unix for server in options.servers if server.address.is_unix or not server.address.is_ip}
    if len(kinds) > 1:
        gate.refuse((*upstream.path, "servers"), "Envoy has sockets or names in one upstream, not both; use addresses in place of names")
    if options.is_tls:
        _verified(upstream, gate)
    if options.health_check is not None and any(status < 100 for status in options.health_check.expected_statuses):
        gate.refuse((*upstream.path, "health_check", "expected_statuses"), "a status is at least 100")
    if options.sticky is not None and options.load_balancing.policy == "hash":
        gate.refuse((*upstream.path, "sticky"), "a cookie and a hash both choose the server; remove one")


def _verified(upstream: ResolvedUpstream, gate: Gate) -> None:
    options = upstream.options
    if options.tls is None or options.tls.ca is None:
        file = "/etc/ssl/certs/ca-certificates.crt"
        gate.refuse(upstream.path, f"Envoy checks a server's certificate against a file only; write tls: {{ca: {file}}} for Debian's own")
    if any(server.address.is_unix or server.address.is_ip for server in options.servers):
        gate.refuse(upstream.path, "a server's certificate is checked by its name; write the servers as NAME:PORT")


def _route(route: ResolvedRoute, gate: Gate) -> None:
    action, policies = route.action, route.policies
    if isinstance(action, Respond) and action.status < 200:
        gate.refuse((*route.path, "respond", "status"), "Envoy answers with 200 to 599; write one of them")
    if isinstance(action, RedirectTo) and action.keep_rest:
        target = urlsplit(action.to)
        if route.match.path.type != "prefix":
            gate.refuse((*route.path, "redirect", "keep_rest"), "what follows a prefix is kept; match by path:")
        if target.query or target.fragment:
            gate.refuse((*route.path, "redirect", "to"), "the rest of the path cannot follow a query; remove it, or keep_rest")
    limit = policies.rate_limit
    if limit is not None and limit.status not in _ERRORS:
        gate.refuse((*route.where("rate_limit"), "status"), "Envoy limits with a status that it knows; write 429 or 503")
    if isinstance(action, Forward):
        _forward(route, action, gate)


_ERRORS = frozenset({*range(400, 418), 421, 422, 423, 424, 426, 428, 429, 431, *range(500, 509), 510, 511})


def _forward(route: ResolvedRoute, action: Forward, gate: Gate) -> None:
    policies = route.policies
    if action.websocket and action.upstream.options.websocket == "off":
        gate.refuse((*route.path, "websocket"), "the upstream says websocket: off")
    said = policies.limits.model_fields_set
    body = policies.limits.request_body
    if policies.buffering.request == "on":
        if body.is_unlimited or body.bytes > _LARGEST_BUFFER:
            message = "Envoy collects bodies in memory and needs a bound below 4GiB; write limits: {request_body: 16MiB}"
            gate.refuse((*route.where("buffering"), "request"), message)
    elif "request_body" in said and not body.is_unlimited:
        gate.note(
            (*route.where("limits"), "request_body"),
            "Envoy refuses a longer body by its Content-Length; one of unknown length is bounded by the app server,"
            " or here too with buffering: {request: on}",
        )
    if policies.early_hints == "pass" and gate.can("early_hints"):
        gate.note(route.where("early_hints"), "Envoy passes the first 103 of a response and drops further ones")


def _raw(deployment: Deployment, gate: Gate) -> None:
    raw = deployment.spec.raw.get("envoy")
    for path, text, kind in _texts(deployment) if raw else ():
        if kind is None:
            gate.refuse(path, f"envoy.yaml has no place for it; places: {', '.join((*TREES, *LISTS))}, server")
        elif problem := fault(text, kind):
            gate.refuse(path, problem)


def _texts(deployment: Deployment) -> Iterator[tuple[Path, str, type | None]]:
    raw = deployment.spec.raw["envoy"]
    for section, text in raw.sections.items():
        yield ("raw", "envoy", section), text, list if section in LISTS else dict if section in TREES else None
    for name, text in raw.server.items():
        yield ("raw", "envoy", "server", name), text, list
