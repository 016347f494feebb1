"""What only nginx is particular about; the table is asked before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxyconf.document.findings import Path
from proxyconf.facts.gate import Gate
from proxyconf.proxies.nginx.stream import DYNAMIC
from proxyconf.spec.deployment import (
    Deployment,
    Forward,
    ResolvedListener,
    ResolvedRoute,
    ResolvedSite,
    ResolvedTcpListener,
    ResolvedUpstream,
    ServeFiles,
)
from proxyconf.spec.routes import RedirectTo

__all__ = ["SECTIONS", "judge"]

SECTIONS = ("main", "events", "http")
MAX_CONDITIONAL = 40
_LONGEST_GRPC_NAME = 46  # a bucket of its hash has 64 bytes


def judge(deployment: Deployment, gate: Gate) -> None:
    """Find all that nginx cannot do for reasons of its own."""
    for path, text in _literals(deployment):
        if "$" in text:
            gate.refuse(path, "nginx reads '$' in this path as a variable; use another path")
    for passing in deployment.tcp_listeners:
        _tcp_listener(passing, gate)
    for listener in deployment.listeners:
        for site in deployment.on(listener):
            _certificate(listener, site, gate)
        _per_listener(deployment, listener, gate)
    for upstream in deployment.all_upstreams:
        if upstream.options.sticky is not None and upstream.options.load_balancing.policy == "hash":
            gate.refuse((*upstream.path, "sticky"), "nginx has a cookie or a hash, not both; remove one")
        for at, server in enumerate(upstream.options.servers):
            if server.address.is_unix and server.address.path.endswith(":"):
                gate.refuse((*upstream.path, "servers", at), "nginx reads a ':' at the end of a socket's path as its own; use another path")
    for upstream in deployment.upstreams:
        _verified(upstream, gate)
    for site in deployment.sites:
        _site(site, gate)
    raw = deployment.spec.raw.get("nginx")
    for section in raw.sections if raw else ():
        if section not in SECTIONS:
            gate.refuse(("raw", "nginx", section), f"nginx.conf has no place for it; places: {', '.join(SECTIONS)}, server")


def _verified(upstream: ResolvedUpstream, gate: Gate) -> None:
    options, path = upstream.options, upstream.path
    if not options.is_tls:
        return
    if options.tls is None or options.tls.ca is None:
        file = "/etc/ssl/certs/ca-certificates.crt"
        gate.refuse(path, f"nginx checks a server's certificate against a file only; write tls: {{ca: {file}}} for Debian's own")
    addresses = [server.address for server in options.servers]
    if any(address.is_unix or address.is_ip for address in addresses):
        gate.refuse(path, "nginx checks a server's certificate by a name; write the servers as NAME:PORT")
    elif len({address.host for address in addresses}) > 1:
        gate.refuse(path, "nginx checks the certificates of all servers of an upstream by one name; write an upstream for each name")


def _tcp_listener(listener: ResolvedTcpListener, gate: Gate) -> None:
    tls = listener.tls
    if tls is not None and len(tls.certificates) > 1:
        message = "nginx passes bytes on behind one certificate, whatever name the client asks for; write one for all names"
        gate.refuse((*listener.path, "tls", "certificates", 1), message)
    if DYNAMIC not in gate.target.modules:
        message = f"the build needs --with-stream; where it is a module in a file (Debian: libnginx-mod-stream) write modules: [{DYNAMIC}]"
        gate.note((*listener.path, "mode"), message)


def _literals(deployment: Deployment) -> Iterator[tuple[Path, str]]:
    for listener in deployment.all_listeners:
        if listener.tls is None:
            continue
        for at, pair in enumerate(listener.tls.certificates):
            for key in ("cert", "key"):
                yield (*listener.path, "tls", "certificates", at, key), getattr(pair, key)
        yield (*listener.path, "tls", "client_auth", "ca"), listener.tls.client_auth.ca or ""
    for upstream in deployment.all_upstreams:
        for at, server in enumerate(upstream.options.servers):
            yield (*upstream.path, "servers", at), server.address.path
        yield (*upstream.path, "tls", "ca"), (upstream.options.tls.ca or "") if upstream.options.tls else ""


def _certificate(listener: ResolvedListener, site: ResolvedSite, gate: Gate) -> None:
    if listener.tls is None or listener.tls.source != "files":
        return
    if listener.certificate_of(site) is None:
        gate.refuse(
            (*listener.path, "tls", "certificates"),
            f"nginx has to be told which certificate is for {', '.join(site.hostnames) or 'any'}; add hostnames: [...] to each",
        )


def _per_listener(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> None:
    """nginx reads a request's head before it knows the site, with the first server's bounds."""
    routes = [route for site in deployment.on(listener) for route in site.routes]
    for route in routes[1:]:
        wanted, given = (one.policies.limits.request_headers for one in (route, routes[0]))
        if wanted != given:
            gate.refuse(
                (*route.where("limits"), "request_headers"),
                f"nginx has one 'request_headers' for all sites of a listener: here {wanted}, in the first {given}; make them equal",
            )


def _site(site: ResolvedSite, gate: Gate) -> None:
    conditional = [route for route in site.routes if not route.match.is_unconditional]
    if len(conditional) > MAX_CONDITIONAL:
        gate.refuse((*site.path, "routes"), f"at most {MAX_CONDITIONAL} routes by method, field or parameter; split the site")
    regexes = [at for at, route in enumerate(site.routes) if route.match.path.type == "regex"]
    for at, route in enumerate(site.routes):
        _route(route, gate)
        between = any(other < at for other in regexes) and any(other > at for other in regexes)
        if between and route.match.path.type == "prefix" and route.match.path.value != "/":
            gate.refuse(
                route.path, "nginx tries regular expressions together; put this route above or below all of them"
            )


def _long_names(route: ResolvedRoute, gate: Gate) -> None:
    """grpc_pass has no directive for room for long names, and everything over HTTP/2 has a location with it."""
    action = route.action
    upstream = action.upstream if isinstance(action, Forward) else action.fallback if isinstance(action, ServeFiles) else None
    if upstream is None or not (upstream.options.is_grpc or (upstream.options.is_http2 and gate.can("h2c_upstream"))):
        return
    headers = route.policies.headers
    names = {"request": (*headers.request.set, *headers.request.remove), "response": (*headers.response.set, *headers.response.remove)}
    for side, found in names.items():
        if any(len(name) > _LONGEST_GRPC_NAME for name in found):
            message = f"nginx has room for {_LONGEST_GRPC_NAME} letters in a field's name on an HTTP/2 hop; use a shorter one"
            gate.refuse((*route.where("headers"), side), message)


def _route(route: ResolvedRoute, gate: Gate) -> None:
    match, action = route.match, route.action
    _long_names(route, gate)
    if not match.is_unconditional and match.path.type == "regex":
        gate.refuse(route.path, "for nginx a route is by regular expression or by method, field or parameter, not both")
    for name in match.query:
        if not re.fullmatch(r"[A-Za-z0-9_]+", name, re.ASCII):
            gate.refuse((*route.path, "match", "query", name), "nginx knows parameters of letters, digits and '_' only")
    timeouts = route.policies.timeouts
    said = timeouts.model_fields_set
    asked = [key for key in ("request", "backend_request") if key in said]
    if asked and "stream_idle" in said and timeouts.response_head != timeouts.stream_idle:
        gate.refuse(
            (*route.where("timeouts"), "stream_idle"),
            f"nginx has one bound for the wait for a response and for silence within it: here {timeouts.stream_idle},"
            f" in '{asked[0]}' {timeouts.response_head}; write one of them",
        )
    limit = route.policies.rate_limit
    if limit is not None and limit.rate.period == "h" and limit.rate.requests % 60:
        gate.refuse((*route.where("rate_limit"), "rate"), "nginx counts per second or minute; write N/m or N/s")
    if isinstance(action, ServeFiles) and action.fallback and action.files.strip_prefix and match.path.value != "/":
        gate.refuse(
            (*route.path, "static", "strip_prefix"),
            "nginx looks for the file and asks the app by the same path; write strip_prefix: false",
        )
    if isinstance(action, RedirectTo) and action.keep_rest and match.path.type != "prefix":
        gate.refuse((*route.path, "redirect", "keep_rest"), "what follows a prefix is kept; match by path:")
