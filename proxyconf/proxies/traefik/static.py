"""traefik.yaml: where clients connect, what is logged, and where the rest is read."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.traefik.plan import Tree, duration
from proxyconf.proxies.traefik.raw import merged, raw_tree
from proxyconf.proxies.traefik.tcp import tcp_entry_points
from proxyconf.proxies.traefik.tls import options_name
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedTcpListener
from proxyconf.spec.listeners import Tls
from proxyconf.spec.observe import Logging
from proxyconf.spec.policies import DEFAULTS

__all__ = ["LOG_FIELDS", "LOG_HEADERS", "entry_points", "static"]

LOG_FIELDS = {
    "time": "StartUTC", "client_ip": "ClientHost", "method": "RequestMethod", "host": "RequestHost", "path": "RequestPath",
    "status": "DownstreamStatus", "bytes": "DownstreamContentSize", "duration": "Duration", "protocol": "RequestProtocol",
    "upstream_address": "ServiceAddr",
}  # fmt: skip
"""Traefik's names for what is logged; they cannot be changed."""
LOG_HEADERS = {"user_agent": "User-Agent", "referer": "Referer", "request_id": "X-Request-Id"}
RESOLVER = "automatic"
_ALIASES_SINCE = (3, 7, 12)


def entry_points(listener: ResolvedListener) -> list[str]:
    """Return the names of a listener's entry points: Traefik has one address for each."""
    return [listener.name if at == 0 else f"{listener.name}-{at + 1}" for at in range(len(listener.addresses))]


def static(deployment: Deployment, gate: Gate) -> Tree:
    """Return what traefik.yaml is to say."""
    points: Tree = {}
    for listener in deployment.listeners:
        for name, address in zip(entry_points(listener), listener.addresses, strict=True):
            points[name] = {"address": _address(address), **_entry_point(deployment, listener, gate)}
    for passing in deployment.tcp_listeners:
        for name, address in zip(tcp_entry_points(passing), passing.addresses, strict=True):
            points[name] = {"address": _address(address), **_tcp_entry_point(deployment, passing)}
    spec = deployment.spec
    made: Tree = {"entryPoints": points}
    if spec.metrics is not None and gate.can("metrics"):
        points[_metrics_point(deployment)] = {"address": str(spec.metrics.listen)}
        made["metrics"] = {"prometheus": {"entryPoint": _metrics_point(deployment)}}
    made["providers"] = {"file": {"filename": "dynamic.yaml", "watch": True}}
    made.update(_resolver(deployment))
    made["log"] = {"level": "WARN"}
    if spec.logging is not None:
        made["accessLog"] = _access_log(spec.logging)
    made["global"] = {"checkNewVersion": False, "sendAnonymousUsage": False}
    return merged(made, raw_tree(deployment, "static"))


def _address(address: ListenAddress) -> str:
    host = f"[{address.host}]" if ":" in (address.host or "") else address.host or ""
    return f"{host}:{address.port}"


def _tcp_entry_point(deployment: Deployment, listener: ResolvedTcpListener) -> Tree:
    front: Tree = {"proxyProtocol": {"trustedIPs": list(listener.balancers)}} if listener.balancers else {}
    return {**front, "transport": {"lifeCycle": {"graceTimeOut": duration(deployment.drain)}}}


def _metrics_point(deployment: Deployment) -> str:
    names = [listener.name for listener in deployment.all_listeners]
    return "prometheus" if "prometheus" not in names else "prometheus-figures"


def _entry_point(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> Tree:
    made: Tree = {}
    balancer = listener.options.proxy_protocol
    if balancer is not None and balancer.accept != "off":
        made["proxyProtocol"] = {"trustedIPs": list(balancer.trusted) or ["0.0.0.0/0", "::/0"]}
    forwarded: Tree = {"trustedIPs": list(deployment.trusted_networks)} if deployment.trusted_networks else {}
    if "for" not in deployment.trust.forwarded.fields:
        forwarded["notAppendXForwardedFor"] = True
    if forwarded:
        made["forwardedHeaders"] = forwarded
    # X_Forwarded_For is X-Forwarded-For to CGI and WSGI; newer versions know such names with other marks, too.
    aliases = "aliasHeadersStrategy" if gate.version.numbers >= _ALIASES_SINCE else "underscoreHeadersStrategy"
    routes = [route for site in deployment.on(listener) for route in site.routes]
    policies = routes[0].policies if routes else DEFAULTS
    http: Tree = {aliases: "delete", "middlewares": [f"edge-{listener.name}@file"]}
    http["maxHeaderBytes"] = policies.limits.request_headers.bytes
    if listener.tls is not None:
        options = options_name(deployment, listener)
        http["tls"] = {} if options == "default" else {"options": f"{options}@file"}
        if listener.tls.source == "automatic":
            http["tls"]["certResolver"] = RESOLVER
    made["http"] = http
    if listener.options.speaks("h3") and gate.can("http3_edge"):
        made["http3"] = {"advertisedPort": listener.public_port}
    # readTimeout holds for a request with all of its body; 0s would let a client that never ends it stay for ever.
    times = {"readTimeout": policies.timeouts.stream_idle, "idleTimeout": policies.timeouts.client_idle}
    made["transport"] = {
        "respondingTimeouts": {name: duration(value) for name, value in times.items()},
        "lifeCycle": {"graceTimeOut": duration(deployment.drain)},
    }
    return made


def _automatic(deployment: Deployment) -> Iterator[tuple[ResolvedListener, Tls]]:
    for listener in deployment.listeners:
        if listener.tls is not None and listener.tls.source == "automatic":
            yield listener, listener.tls


def _resolver(deployment: Deployment) -> Tree:
    """Return how Traefik gets certificates itself; all listeners ask alike, or it was refused."""
    for _, tls in _automatic(deployment):
        acme = tls.acme
        asks: Tree = {"storage": "acme.json"}
        if acme is not None and acme.email:
            asks["email"] = acme.email
        if acme is not None and acme.directory:
            asks["caServer"] = acme.directory
        if acme is not None and acme.challenge == "http-01":
            plain = next(listener for listener in deployment.listeners if listener.tls is None)
            asks["httpChallenge"] = {"entryPoint": entry_points(plain)[0]}
        else:
            asks["tlsChallenge"] = {}
        return {"certificatesResolvers": {RESOLVER: {"acme": asks}}}
    return {}


def _access_log(logging: Logging) -> Tree:
    if logging.format == "combined":
        return {"format": "genericCLF", "addInternals": True}
    kept: Tree = {LOG_FIELDS[name]: "keep" for name in logging.fields if name in LOG_FIELDS}
    headers = {LOG_HEADERS[name]: "keep" for name in logging.fields if name in LOG_HEADERS}
    said: Tree = {"defaultMode": "drop", "names": kept, "headers": {"defaultMode": "drop"}}
    if headers:
        said["headers"]["names"] = headers
    return {"format": "json", "addInternals": True, "fields": said}
