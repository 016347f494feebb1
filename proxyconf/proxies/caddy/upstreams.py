"""`reverse_proxy`: how Caddy reaches an upstream."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.caddy.plan import NOTHING, Files, Page, ReverseProxy, Words
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.deployment import Deployment, ResolvedRoute, ResolvedUpstream
from proxyconf.spec.policies import Policies
from proxyconf.spec.trust import Trust
from proxyconf.spec.units import Duration
from proxyconf.spec.upstreams import Upstream
from proxyconf.syntax.words import Raw, raw

__all__ = ["header_up", "reverse_proxy", "transport"]

_POLICIES = {"least_conn": "least_conn", "random": "random"}
_HASHES = {"client_ip": Raw("client_ip_hash"), "path": Raw("uri_hash"), "host": Raw("header Host")}


def reverse_proxy(
    deployment: Deployment, route: ResolvedRoute, upstream: ResolvedUpstream, gate: Gate, *,
    matcher: Raw = NOTHING, websocket: bool = False, prefix: str = "",
    accel: tuple[Files, ...] = (), pages: tuple[Page, ...] = (),
) -> ReverseProxy:  # fmt: skip
    """Return how requests of a route go to an upstream; a WebSocket travels over HTTP/1.1."""
    policies, options = route.policies, upstream.options
    lines = (
        *header_up(deployment.trust, policies, prefix),
        *_balance(options, gate),
        *_health(options, gate),
        *_buffers(policies),
        *(((Raw("stream_close_delay"), raw(deployment.drain)),) if websocket else ()),
    )
    lines += tuple((Raw("header_down"), Raw(f"-{name}")) for name in policies.headers.response.remove)
    dials = tuple(_dial(server.address) for server in options.servers)
    return ReverseProxy(matcher, dials, lines, accel, pages, transport(options, policies, http1=websocket))


def _dial(address: ServerAddress) -> str:
    return f"unix/{address.path}" if address.is_unix else str(address)


def header_up(trust: Trust, policies: Policies, prefix: str) -> Iterator[Words]:
    """Yield the fields that name the client; Caddy itself sets X-Forwarded-For, -Proto and -Host."""
    up = Raw("header_up")
    fields = trust.forwarded.fields
    if trust.trusted_proxies:
        # One address, Caddy's verdict, so that the app server has to trust nobody but Caddy.
        yield up, Raw("X-Forwarded-For {client_ip}")
    for name, field in (("proto", "X-Forwarded-Proto"), ("host", "X-Forwarded-Host"), ("for", "X-Forwarded-For")):
        if name not in fields:
            yield up, Raw(f"-{field}")
    if "port" in fields:
        yield up, Raw("X-Forwarded-Port {port}")
    if "real-ip" in fields:
        yield up, Raw("X-Real-IP {client_ip}")
    if prefix:
        yield up, Raw("X-Forwarded-Prefix"), prefix
    if trust.request_id is not None:
        yield up, Raw(f"{trust.request_id.header} {{vars.request_id}}")
    for name, value in policies.headers.request.set.items():
        yield up, Raw(name), value
    for name in policies.headers.request.remove:
        yield up, Raw(f"-{name}")


def _balance(options: Upstream, gate: Gate) -> Iterator[Words]:
    if len(options.servers) > 1:
        yield Raw("lb_policy"), *_policy(options)
        # In turn, so that a retry meets another server; Caddy repeats only what was not sent, or a GET.
        attempts = options.retries.attempts if options.retries else 2
        yield Raw("lb_retries"), raw(attempts)
    elif options.retries is not None and gate.can("retries"):
        yield Raw("lb_retries"), raw(options.retries.attempts)


def _policy(options: Upstream) -> Words:
    balancing = options.load_balancing
    if options.sticky is not None:
        return Raw("cookie"), options.sticky.cookie.name
    if any(server.weight != 1 for server in options.servers):
        return Raw("weighted_round_robin"), *(raw(server.weight) for server in options.servers)
    if balancing.policy == "hash":
        return (_HASHES[balancing.hash.key if balancing.hash else "client_ip"],)
    return (Raw(_POLICIES.get(balancing.policy, "round_robin")),)


def _health(options: Upstream, gate: Gate) -> Iterator[Words]:
    check = options.health_check
    if check is not None and check.path is not None:
        yield Raw("health_uri"), check.path
        yield Raw("health_interval"), raw(check.interval)
        yield Raw("health_timeout"), raw(check.timeout)
        yield Raw("health_passes"), raw(check.healthy_threshold)
        yield Raw("health_fails"), raw(check.unhealthy_threshold)
        if len(check.expected_statuses) == 1:
            yield Raw("health_status"), raw(check.expected_statuses[0])
    if options.outlier_detection is not None and gate.can("outlier_detection"):
        yield Raw("fail_duration"), raw(options.outlier_detection.ejection_time)
        yield Raw("max_fails"), raw(options.outlier_detection.consecutive_5xx)
        yield Raw("unhealthy_status"), Raw("5xx")


def _buffers(policies: Policies) -> Iterator[Words]:
    """Yield what collects bodies.

    No `flush_interval`: Caddy flushes what has no length by itself, and -1 tears the head of an answer without a body
    from its end now and then, which gRPC's clients take for a broken stream.
    """
    if policies.buffering.request == "on":
        yield Raw("request_buffers"), Raw("unlimited")
    if policies.buffering.response == "on":
        yield Raw("response_buffers"), Raw("unlimited")



_VERSIONS = {"h2c": "h2c", "grpc": "h2c", "h2": "2", "grpcs": "2", "http1": "1.1"}


def transport(options: Upstream, policies: Policies, *, http1: bool = False) -> tuple[Words, ...]:
    """Return the lines of `transport http`."""
    lines: list[Words] = [(Raw("versions"), Raw("1.1" if http1 else _VERSIONS[options.protocol]))]
    if options.is_tls:
        lines.append((Raw("tls"),))
        if options.tls is not None and options.tls.ca is not None:
            lines.append((Raw("tls_trust_pool file"), options.tls.ca))
    # Else Caddy asks for gzip where the client did not, and unpacks it.
    lines.append((Raw("compression"), Raw("off")))
    timed: tuple[tuple[str, Duration], ...] = (
        ("dial_timeout", policies.timeouts.connect),
        ("response_header_timeout", policies.timeouts.response_head),
        ("keepalive", options.connections.idle_timeout),
    )
    lines += [(Raw(name), raw(value)) for name, value in timed if not value.is_off]
    if options.connections.max is not None:
        lines.append((Raw("max_conns_per_host"), raw(options.connections.max)))
    if options.proxy_protocol.send != "off":
        lines.append((Raw("proxy_protocol"), Raw(options.proxy_protocol.send)))
    return tuple(lines)
