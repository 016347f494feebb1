"""Whether listeners of `mode: tcp` make sense: what is of HTTP has no meaning where bytes are passed on."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.document.findings import Finding, Path, Rule
from proxyconf.spec.deployment import Deployment, ResolvedTcpListener
from proxyconf.spec.upstreams import Upstream

__all__ = ["tcp_sense"]

_OF_HTTP = ("redirect", "acme_webroot", "public_port")
_OF_TCP = ("upstream", "timeouts")
_OF_REQUESTS = ("sticky", "websocket", "outlier_detection", "retries")
_KEYS_OF_REQUESTS = ("path", "host")


def tcp_sense(deployment: Deployment) -> Iterator[Finding]:
    """Yield what contradicts itself about listeners that pass bytes on, and about PROXY headers on shared connections."""
    yield from _modes(deployment)
    yield from _sites(deployment)
    for listener in deployment.tcp_listeners:
        yield from _listener(listener)
        yield from _tls(listener)
        yield from _upstream(listener)
    yield from _shared_connections(deployment)
    server = deployment.spec.appserver
    if server is not None and server.certificates and all(one.tls is not None for one in deployment.tcp_listeners):
        message = "no listener with mode: tcp leaves TLS to the app server; remove them, or tls from the listener"
        yield Finding(Rule.UNUSED, ("appserver", "certificates"), message, key=True)


def _modes(deployment: Deployment) -> Iterator[Finding]:
    """Yield keys of the other mode."""
    for name, listener in deployment.spec.listeners.items():
        said = listener.model_fields_set
        for key in (one for one in (_OF_HTTP if listener.mode == "tcp" else _OF_TCP) if one in said):
            way_out = {
                "tcp": f"'{key}' is about HTTP, and 'mode: tcp' passes bytes on unread; remove it, or write mode: http",
                "http": f"'{key}' belongs to 'mode: tcp'; add mode: tcp, or write it in a site",
            }[listener.mode]
            yield Finding(Rule.EXCLUSIVE, ("listeners", name, key), way_out)


def _sites(deployment: Deployment) -> Iterator[Finding]:
    if not deployment.sites and deployment.listeners:
        http = deployment.listeners[0]
        path: Path = (*http.path,) if "listeners" in deployment.spec.model_fields_set else ()
        message = f"nothing is served on the listener '{http.name}'; add sites: [...], or give it mode: tcp and an upstream"
        yield Finding(Rule.MISSING_KEY, path, message, key=bool(path))
    names = [listener.name for listener in deployment.tcp_listeners]
    for at, site in enumerate(deployment.spec.sites):
        if not deployment.listeners:
            message = "every listener has mode: tcp and none serves a site; add a listener with mode: http, or remove 'sites'"
            yield Finding(Rule.EXCLUSIVE, ("sites", at), message)
        for index, name in enumerate(site.listeners):
            if name in names:
                message = f"the listener '{name}' has mode: tcp and serves no site; name another, or take mode: tcp away from it"
                yield Finding(Rule.EXCLUSIVE, ("sites", at, "listeners", index), message)
    if deployment.spec.logging is not None and not deployment.listeners:
        message = "no listener reads requests; a listener with mode: tcp writes no access log"
        yield Finding(Rule.UNUSED, ("logging",), message, key=True)


def _listener(listener: ResolvedTcpListener) -> Iterator[Finding]:
    path, options = listener.path, listener.options
    front = options.proxy_protocol
    if front is not None and front.accept != "off" and not front.trusted:
        message = "without addresses everybody may send a PROXY header and be anybody; add from: [10.0.0.2]"
        yield Finding(Rule.TRUST_EVERYBODY, (*path, "proxy_protocol"), message)
    if "protocols" not in options.model_fields_set:
        return
    if options.tls is None:
        message = "without tls there is no ALPN to offer anything by; remove 'protocols', or add tls"
        yield Finding(Rule.EXCLUSIVE, (*path, "protocols"), message)
    upstream = listener.upstream.options
    for at, name in enumerate(options.protocols):
        if name == "h3":
            message = "HTTP/3 is UDP, and 'mode: tcp' passes TCP on; remove h3"
            yield Finding(Rule.EXCLUSIVE, (*path, "protocols", at), message)
        elif (name == "h2" and not upstream.is_http2) or (name == "http1" and upstream.is_grpc):
            message = f"the upstream has protocol: {upstream.protocol} and would get {name}; remove {name}, or correct the upstream"
            yield Finding(Rule.EXCLUSIVE, (*path, "protocols", at), message)


def _tls(listener: ResolvedTcpListener) -> Iterator[Finding]:
    if listener.tls is not None and listener.tls.source != "files":
        message = (
            "no site names a host here that a certificate could be asked for; give files:"
            " certificates: [{cert: /PATH, key: /PATH}], or end TLS in the app server and remove 'tls'"
        )
        yield Finding(Rule.EXCLUSIVE, (*listener.path, "tls"), message)


def _upstream(listener: ResolvedTcpListener) -> Iterator[Finding]:
    upstream = listener.upstream.options
    written = listener.upstream.path[:1] == ("upstreams",)

    def wrong(key: str, message: str, *more: str) -> Finding:
        path = (*listener.upstream.path, key, *more) if written else listener.upstream.path
        return Finding(Rule.EXCLUSIVE, path, f"{message} (the listener '{listener.name}' has mode: tcp)")

    if upstream.is_tls:
        message = f"bytes are passed on in cleartext, not by protocol: {upstream.protocol}; write protocol: h2c, or http1 or grpc"
        yield wrong("protocol", message)
    for key in (one for one in _OF_REQUESTS if one in upstream.model_fields_set):
        yield wrong(key, f"'{key}' is about requests, and bytes are passed on unread; remove it, or give sites an upstream of their own")
    hashed = _hashed_by(upstream)
    if hashed in _KEYS_OF_REQUESTS:
        yield wrong("load_balancing", f"the {hashed} of a request is not read here; write hash: {{key: client_ip}}")
    check = upstream.health_check
    if check is not None and check.path is not None:
        yield wrong("health_check", "a connection is all that is tried here; write health_check: {tcp: true}")


def _hashed_by(upstream: Upstream) -> str:
    balancing = upstream.load_balancing
    return balancing.hash.key if balancing.policy == "hash" and balancing.hash else ""


def _shared_connections(deployment: Deployment) -> Iterator[Finding]:
    """Yield upstreams of sites whose connections would say that all clients are one."""
    for upstream in deployment.upstreams:
        sends = upstream.options.proxy_protocol
        if sends.send != "off" and upstream.options.is_http2 and sends.i_accept is None:
            message = (
                "a PROXY header names one client and HTTP/2 shares a connection between many; use forwarded fields"
                " (the default), protocol: http1, or write i_accept: per-client-connections under proxy_protocol;"
                " a listener with mode: tcp has a connection for each client"
            )
            yield Finding(Rule.EXCLUSIVE, upstream.path, message)
