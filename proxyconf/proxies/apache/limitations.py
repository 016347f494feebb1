"""What only Apache is particular about; the table is asked before."""

from __future__ import annotations

import re

from proxyconf.document.findings import Path
from proxyconf.facts.gate import Gate
from proxyconf.spec.deployment import (
    Deployment,
    Forward,
    ResolvedListener,
    ResolvedRoute,
    ResolvedSite,
    ResolvedUpstream,
)
from proxyconf.spec.routes import RedirectTo, Respond

__all__ = ["SECTIONS", "judge"]

SECTIONS = ("main", "server")


def judge(deployment: Deployment, gate: Gate) -> None:
    """Find all that Apache cannot do for reasons of its own."""
    if gate.target.user == "root":
        gate.refuse((*gate.target.path, "user"), "Apache refuses workers that are root; name another user, such as www-data")
    for listener in deployment.listeners:
        for site in deployment.on(listener):
            _certificate(listener, site, gate)
        _balancer(listener, gate)
        _per_listener(deployment, listener, gate)
    for upstream in deployment.upstreams:
        _upstream(upstream, gate)
    for site in deployment.sites:
        for route in site.routes:
            _route(route, gate)
    raw = deployment.spec.raw.get("apache")
    for section in raw.sections if raw else ():
        if section not in SECTIONS:
            gate.refuse(("raw", "apache", section), f"httpd.conf has no place for it; places: {', '.join(SECTIONS)}")


def _certificate(listener: ResolvedListener, site: ResolvedSite, gate: Gate) -> None:
    if listener.tls is None or listener.tls.source != "files":
        return
    if listener.certificate_of(site) is None:
        gate.refuse(
            (*listener.path, "tls", "certificates"),
            f"Apache has to be told which certificate is for {', '.join(site.hostnames) or 'any'}; add hostnames: [...] to each",
        )


def _balancer(listener: ResolvedListener, gate: Gate) -> None:
    balancer = listener.options.proxy_protocol
    if balancer is not None and balancer.accept != "off" and not balancer.trusted:
        gate.refuse(
            (*listener.path, "proxy_protocol"),
            "without addresses everybody may send a PROXY header and be anybody; add from: [10.0.0.2]",
        )


def _per_listener(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> None:
    """Apache reads a request's head before it knows the site, with the first host's bounds."""
    routes = [route for site in deployment.on(listener) for route in site.routes]
    for route in routes[1:]:
        wanted, given = (one.policies.limits.request_headers for one in (route, routes[0]))
        if wanted != given:
            gate.refuse(
                (*route.where("limits"), "request_headers"),
                f"Apache has one 'request_headers' for all sites of a listener: here {wanted}, in the first {given}; make them equal",
            )


def _at(upstream: ResolvedUpstream, *steps: str | int) -> Path:
    """Return the path of a key, or of the URL that the upstream was written as."""
    return (*upstream.path, *steps) if upstream.path[:1] == ("upstreams",) else upstream.path


def _upstream(upstream: ResolvedUpstream, gate: Gate) -> None:
    options = upstream.options
    for at, server in enumerate(options.servers):
        if "|" in server.address.path:
            gate.refuse(_at(upstream, "servers", at), "Apache reads '|' in a socket's path as its end; use another path")
        if server.weight > 100:
            gate.refuse(_at(upstream, "servers", at, "weight"), "Apache counts weights from 1 to 100; make them smaller")
    outlier = options.outlier_detection
    if outlier is not None and outlier.consecutive_5xx != 1:
        gate.refuse(
            _at(upstream, "outlier_detection"), "Apache leaves a server out after its first failure; write consecutive_5xx: 1"
        )
    check = options.health_check
    if check is not None and check.path is not None and options.is_grpc:
        gate.note(_at(upstream, "health_check"), "Apache asks for the path over HTTP/1.1, on the same address")


def _route(route: ResolvedRoute, gate: Gate) -> None:
    policies, action = route.policies, route.action
    timeouts = policies.timeouts
    said = timeouts.model_fields_set
    asked = [key for key in ("request", "backend_request") if key in said]
    if asked and "stream_idle" in said and timeouts.response_head != timeouts.stream_idle:
        gate.refuse(
            (*route.where("timeouts"), "stream_idle"),
            f"Apache has one bound for the wait for a response and for silence within it: here {timeouts.stream_idle},"
            f" in '{asked[0]}' {timeouts.response_head}; write one of them",
        )
    for key in sorted(said & {"request", "backend_request", "stream_idle", "tunnel"}):
        value = getattr(timeouts, key)
        if value is not None and value.milliseconds % 1000:
            gate.note((*route.where("timeouts"), key), "Apache counts this in whole seconds; the next longer one is written")
    for side in ("request", "response"):
        for name, value in getattr(policies.headers, side).set.items():
            _value((*route.where("headers"), side, "set", name), value, gate)
    for name, value in policies.headers.response.default.items():
        _value((*route.where("headers"), "response", "default", name), value, gate)
    for name in policies.headers.response.remove:
        if name.lower() == "server":
            gate.note((*route.where("headers"), "response", "remove"), "Apache then names itself: Server: Apache")
    if isinstance(action, RedirectTo) and action.keep_rest and route.match.path.type != "prefix":
        gate.refuse((*route.path, "redirect", "keep_rest"), "what follows a prefix is kept; match by path:")
    if isinstance(action, Respond) and action.status < 200:
        gate.refuse((*route.path, "respond", "status"), "an answer has a status from 200 to 599")
    if isinstance(action, Forward) and "request_body" in policies.limits.model_fields_set:
        gate.note(
            (*route.where("limits"), "request_body"),
            "Apache bounds bodies whose length is announced; the app server has to count the others",
        )


def _value(path: Path, value: str, gate: Gate) -> None:
    if re.match("expr=", value, re.IGNORECASE):
        gate.refuse(path, "Apache reads what begins with 'expr=' as an expression; write another value")
