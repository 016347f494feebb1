"""`server` lines: how HAProxy reaches an upstream, spreads requests over it, and notices what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.haproxy.plan import Lines, Words
from proxyconf.proxies.haproxy.words import line, time
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.deployment import ResolvedUpstream
from proxyconf.spec.listeners import Tls
from proxyconf.spec.policies import Timeouts
from proxyconf.spec.upstreams import Upstream
from proxyconf.syntax.words import Raw

__all__ = ["balance", "balance_of", "checks", "refused_is_seen", "servers", "timeouts"]

_BALANCE = {"round_robin": "roundrobin", "least_conn": "leastconn", "random": "random"}
_HASHES = {"client_ip": "hash src", "path": "hash path", "host": "hash req.hdr(host)"}
_PURGES = 8
"""Each round closes half of the idle connections: after eight there is none of 255."""


def balance(options: Upstream, gate: Gate) -> Iterator[Words]:
    """Yield how requests are spread, and what is tried again."""
    yield from balance_of(options)
    if options.sticky is not None:
        cookie = options.sticky.cookie
        yield line(f"cookie {cookie.name} insert indirect nocache httponly{' secure' if cookie.secure else ''}")
    # A connection with a PROXY header is one client's; shared, its requests hang (seen in 2.6.12 and 3.2.26).
    yield line("http-reuse safe" if options.proxy_protocol.send != "off" else "http-reuse always")
    attempts = options.retries.attempts if options.retries is not None else 2
    yield line(f"retries {attempts}")
    if len(options.servers) > 1:
        yield line("option redispatch 1")
    yield line("retry-on conn-failure" if refused_is_seen(options, gate) else "retry-on conn-failure empty-response")


def balance_of(options: Upstream) -> Iterator[Words]:
    """Yield which server a client gets."""
    policy = options.load_balancing
    if len(options.servers) > 1:
        if policy.policy == "hash":
            yield line(f"balance {_HASHES[policy.hash.key if policy.hash else 'client_ip']}")
            yield line("hash-type consistent")
        else:
            yield line(f"balance {_BALANCE[policy.policy]}")


def refused_is_seen(options: Upstream, gate: Gate) -> bool:
    """Whether HAProxy knows that a server refused a connection; else what it repeats may have been sent before."""
    return len(options.servers) == 1 or not options.is_http2 or gate.can("retries")


def timeouts(policy: Timeouts, gate: Gate) -> Iterator[Words]:
    """Yield the timeouts towards the servers."""
    yield line("timeout connect", time(policy.connect))
    # The one timeout is for the head first; once there is one, the body has its own.
    yield line("timeout server", time(policy.response_head if gate.can("response_head_timeout") else policy.stream_idle))
    yield line("timeout tunnel", time(policy.tunnel))


def checks(upstream: ResolvedUpstream, host: str) -> Iterator[Words]:
    """Yield what asks servers how they are."""
    check = upstream.options.health_check
    if check is None:
        return
    yield line("timeout check", time(check.timeout))
    if check.path is not None:
        yield line("option httpchk")
        yield line("http-check send meth GET uri", check.path, Raw(f"ver HTTP/1.1 hdr Host {host}"))
        yield line(f"http-check expect status {','.join(map(str, check.expected_statuses))}")


def servers(upstream: ResolvedUpstream, tracked: str, *, ended_tls: Tls | None = None) -> Lines:
    """Return the `server` lines; `tracked` is the backend that already asks these servers how they are, if there is one.

    `ended_tls`: the TLS of clients that ends here, which a PROXY header of version 2 then tells of.
    """
    options = upstream.options
    words = tuple(_options(options, ended_tls))
    made: list[Words] = []
    for at, server in enumerate(options.servers, 1):
        own: list[str] = []
        if server.weight != 1:
            own.append(f"weight {server.weight}")
        if options.sticky is not None:
            own.append(f"cookie s{at}")
        if options.is_tls and not server.address.is_unix:
            own.append(f"sni str({server.address.host}) check-sni {server.address.host}")
        own += [f"track {tracked}/s{at}"] if tracked else list(_health(options))
        made.append((Raw(f"s{at}"), _address(server.address), *words, *(Raw(word) for word in own)))
    return tuple(made)


def _address(address: ServerAddress) -> str:
    return f"unix@{address.path}" if address.is_unix else Raw(address)


def _options(options: Upstream, ended_tls: Tls | None) -> Iterator[str]:
    if options.is_http2:
        yield Raw("proto h2")
        if options.websocket == "over_http1":
            yield Raw("ws h1")
    if options.is_tls:
        yield Raw("ssl verify required ca-file")
        yield options.tls.ca if options.tls and options.tls.ca else Raw("@system-ca")
        yield Raw("alpn h2")
    if options.proxy_protocol.send != "off":
        yield Raw("send-proxy" if options.proxy_protocol.send == "v1" else _second_version(ended_tls))
    if options.connections.max is not None:
        per_connection = options.connections.max_concurrent_streams if options.is_http2 else 1
        yield Raw(f"maxconn {options.connections.max * per_connection}")
    if not options.connections.idle_timeout.is_off:
        yield Raw(f"pool-purge-delay {max(1, options.connections.idle_timeout.milliseconds // _PURGES)}ms")
    if options.resolve is not None and any(not server.address.is_ip for server in options.servers):
        yield Raw("resolvers dns init-addr last,libc,none")


def _second_version(ended_tls: Tls | None) -> str:
    if ended_tls is None:
        return "send-proxy-v2"
    with_name = "" if ended_tls.client_auth.mode == "none" else "-cn"
    return f"send-proxy-v2-ssl{with_name} proxy-v2-options authority"


def _health(options: Upstream) -> Iterator[str]:
    check, outliers = options.health_check, options.outlier_detection
    if check is not None:
        yield f"check inter {time(check.interval)} fall {check.unhealthy_threshold} rise {check.healthy_threshold}"
    if outliers is not None:
        if check is None:
            # The check that comes within five seconds finds the port open: the next one, after the time, brings it back.
            out = time(outliers.ejection_time)
            yield f"check inter 5s rise 2 fastinter {out} downinter {out}"
        yield f"observe layer7 error-limit {outliers.consecutive_5xx} on-error mark-down"
