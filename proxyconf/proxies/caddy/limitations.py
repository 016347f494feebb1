"""What only Caddy is particular about; the table is asked before."""

from __future__ import annotations

from proxyconf.document.findings import Path
from proxyconf.facts.gate import Gate
from proxyconf.spec.deployment import Deployment, Forward, ResolvedListener, ResolvedRoute, ServeFiles

__all__ = ["judge"]

# What Caddy holds for a whole listener, and where a site says it.
_PER_LISTENER = (("limits", "request_headers"), ("timeouts", "client_idle"), ("timeouts", "stream_idle"))


def judge(deployment: Deployment, gate: Gate) -> None:
    """Find all that Caddy cannot do for reasons of its own."""
    _sockets(deployment, gate)
    for listener in deployment.listeners:
        _listener_values(deployment, listener, gate)
        _certificates(deployment, listener, gate)
    for upstream in deployment.upstreams:
        options = upstream.options
        if options.health_check is not None and options.proxy_protocol.send != "off":
            gate.refuse(
                (*upstream.path, "health_check"),
                "Caddy's health checks fail behind a PROXY header, and the upstream stays down for good;"
                " use outlier_detection, or send no PROXY header",
            )
        if any(server.weight != 1 for server in options.servers) and options.load_balancing.policy != "round_robin":
            gate.refuse(
                (*upstream.path, "load_balancing"),
                "Caddy weighs servers in turn only; write load_balancing: round_robin, or no weights",
            )
    for site in deployment.sites:
        for route in site.routes:
            _route(route, gate)


def _sockets(deployment: Deployment, gate: Gate) -> None:
    places: list[tuple[Path, str]] = [((*gate.target.path, "admin"), gate.target.admin)]
    for upstream in deployment.upstreams:
        written = upstream.path[:1] == ("upstreams",)
        places += [
            ((*upstream.path, "servers", at) if written else upstream.path, str(server.address))
            for at, server in enumerate(upstream.options.servers)
        ]
    for path, text in places:
        if text.startswith("unix:") and ("|" in text or "://" in text):
            gate.refuse(path, "Caddy reads '|' and '://' in the path of a unix socket as its own; use another path")


def _listener_values(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> None:
    all_routes = [route for site in deployment.on(listener) for route in site.routes]
    for route in all_routes[1:]:
        for group, key in _PER_LISTENER:
            wanted, given = (getattr(getattr(one.policies, group), key) for one in (route, all_routes[0]))
            if wanted != given:
                message = (
                    f"Caddy has one '{key}' for all sites of a listener: here {wanted},"
                    f" in the first {given}; make them equal"
                )
                gate.refuse((*route.where(group), key), message)


def _certificates(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> None:
    if listener.tls is None or listener.tls.source != "automatic":
        return
    for site in deployment.on(listener):
        for index, name in enumerate(site.hostnames):
            if name.startswith("*."):
                gate.refuse(
                    (*site.path, "hostnames", index),
                    f"an automatic certificate for {name} needs a DNS challenge; give certificate files",
                )
        if site.is_any:
            gate.refuse(
                (*site.path, "hostnames"),
                "an automatic certificate needs a name to be issued for; give the names, or certificate files",
            )


def _route(route: ResolvedRoute, gate: Gate) -> None:
    for kind in ("headers", "query"):
        for name, value in getattr(route.match, kind).items():
            if "*" in value:
                gate.refuse((*route.path, "match", kind, name), "Caddy reads '*' in a compared value as anything; use a value without it")
    action = route.action
    if isinstance(action, ServeFiles) and action.fallback and action.files.strip_prefix and route.match.path.value != "/":
        gate.refuse(
            (*route.path, "static", "strip_prefix"),
            "Caddy looks for the file and asks the app by the same path; write strip_prefix: false",
        )
    if isinstance(action, Forward) and action.websocket and action.upstream.options.websocket == "off":
        gate.refuse((*route.path, "websocket"), "the upstream says websocket: off")
