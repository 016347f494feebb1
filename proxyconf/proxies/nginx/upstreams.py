"""`upstream` blocks and what `proxy_pass` needs: how nginx reaches a server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from proxyconf.facts.gate import Gate
from proxyconf.proxies.nginx.plan import NOTHING, Proxy, Upstream, Words
from proxyconf.proxies.nginx.variables import Variables
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.deployment import ResolvedRoute, ResolvedUpstream
from proxyconf.spec.policies import Policies
from proxyconf.spec.units import Duration
from proxyconf.spec.upstreams import Upstream as Options
from proxyconf.syntax.nginx import literal
from proxyconf.syntax.words import Raw, raw

__all__ = ["Hop", "Upstreams"]

Kind = Literal["h2", "http1", "grpc"]
_HASHES = {"client_ip": "$remote_addr", "path": "$request_uri", "host": "$host"}


@dataclass
class Upstreams:
    """The `upstream` blocks that some location names, each once."""

    gate: Gate
    made: dict[str, Upstream] = field(default_factory=dict)

    def kind(self, upstream: ResolvedUpstream) -> Kind:
        """Return how requests travel to an upstream."""
        if upstream.options.is_grpc:
            return "grpc"
        return "h2" if upstream.options.is_http2 and self.gate.can("h2c_upstream") else "http1"

    def name(self, upstream: ResolvedUpstream, kind: Kind) -> str:
        """Return the name of the block for one protocol; never two protocols in one (nginx/nginx#1716)."""
        name = upstream.name if kind == self.kind(upstream) else f"{upstream.name}_{kind}"
        if name not in self.made:
            self.made[name] = self.block(name, upstream)
        return name

    def block(self, name: str, upstream: ResolvedUpstream) -> Upstream:
        """Return the block under a name."""
        options = upstream.options
        balancing = options.load_balancing
        balance: Words = ()
        if balancing.policy == "hash":
            balance = (Raw("hash"), Raw(_HASHES[balancing.hash.key if balancing.hash else "client_ip"]), Raw("consistent"))
        elif balancing.policy in ("least_conn", "random"):
            balance = (Raw(balancing.policy),)
        sticky: Words = ()
        if options.sticky is not None:
            secure = Raw(" secure") if options.sticky.cookie.secure else NOTHING
            sticky = (Raw(f"cookie {options.sticky.cookie.name} path=/ httponly{secure}"),)
        return Upstream(
            Raw(name), balance, tuple(self._server(upstream, at) for at in range(len(options.servers))), sticky,
            Raw("32"), seconds(options.connections.idle_timeout), self._zone(name, options),
        )  # fmt: skip

    def _zone(self, name: str, options: Options) -> Raw:
        """Return the memory in which workers count together; without it each has turns and bounds of its own."""
        bounded = options.connections.max is not None and self.gate.can("max_connections")
        if len(options.servers) == 1 and not bounded:
            return NOTHING
        return Raw(f"{name} {64 * (1 + len(options.servers) // 32)}k")

    def _server(self, upstream: ResolvedUpstream, at: int) -> Words:
        options = upstream.options
        server = options.servers[at]
        words: list[str] = [_address(server.address)]
        if server.weight != 1:
            words.append(Raw(f"weight={server.weight}"))
        if options.connections.max is not None and self.gate.can("max_connections"):
            words.append(Raw(f"max_conns={options.connections.max}"))
        outlier = options.outlier_detection
        # Without it one reset stream takes a server out for ten seconds, for everybody.
        words.append(
            Raw(f"max_fails={outlier.consecutive_5xx} fail_timeout={math.ceil(outlier.ejection_time.seconds)}s")
            if outlier is not None else Raw("max_fails=0")
        )  # fmt: skip
        return tuple(words)


def _address(address: ServerAddress) -> Raw:
    return literal(f"unix:{address.path}") if address.is_unix else Raw(str(address))


def seconds(duration: Duration) -> Raw:
    """Return a duration as nginx reads it."""
    return Raw(f"{duration.milliseconds}ms" if duration.milliseconds % 1000 else f"{duration.milliseconds // 1000}s")


class Hop:
    """The lines of `proxy_pass` for one route."""

    def __init__(self, upstreams: Upstreams, variables: Variables) -> None:
        """Keep what all routes share."""
        self._upstreams, self._variables = upstreams, variables
        self._gate = upstreams.gate

    def proxy(self, route: ResolvedRoute, upstream: ResolvedUpstream, kind: Kind, *, websocket: bool = False, prefix: str = "") -> Proxy:
        """Return how requests of a route travel."""
        name = self._upstreams.name(upstream, kind)
        secure = "s" if upstream.options.is_tls else ""
        word = "grpc" if kind == "grpc" else "proxy"
        scheme = f"grpc{secure}" if kind == "grpc" else f"http{secure}"
        version = {"h2": "2", "http1": "1.1", "grpc": ""}[kind]
        return Proxy(
            Raw(word), Raw(f"{scheme}://{name}"), Raw(version),
            tuple(self._fields(route.policies, kind, websocket=websocket, prefix=prefix)),
            tuple(self._lines(route, upstream, kind, websocket=websocket)),
        )  # fmt: skip

    def _fields(self, policies: Policies, kind: Kind, *, websocket: bool, prefix: str) -> Iterator[Words]:
        """Yield the fields that are set; an empty value removes one, and nothing of an outer level is inherited."""
        said = self._variables
        trust = said.deployment.trust
        values = {
            "for": ("X-Forwarded-For", Raw("$remote_addr")), "proto": ("X-Forwarded-Proto", said.scheme),
            "host": ("X-Forwarded-Host", said.host), "port": ("X-Forwarded-Port", Raw("$server_port")),
            "prefix": ("X-Forwarded-Prefix", prefix or Raw('""')), "real-ip": ("X-Real-IP", Raw("$remote_addr")),
        }  # fmt: skip
        wanted = {*trust.forwarded.fields, *(["prefix"] if prefix else [])}
        if trust.forwarded.dialect == "rfc7239":
            wanted -= {"for", "proto", "host"}
        yield Raw("Host"), said.authority
        for key, (name, value) in values.items():
            yield Raw(name), value if key in wanted else Raw('""')
        for name in _ERASED:
            yield Raw(name), Raw('""')
        yield Raw("Forwarded"), self._forwarded() if trust.forwarded.dialect == "rfc7239" else Raw('""')
        if websocket:
            yield Raw("Upgrade"), Raw("websocket")
            yield Raw("Connection"), Raw("upgrade")
        elif kind == "http1":
            yield Raw("Connection"), Raw('""')
        else:
            # nginx drops it, and without it an ASGI server has no trailers to send.
            yield Raw("TE"), Raw("trailers")
        if trust.request_id is not None:
            yield Raw(trust.request_id.header), said.request_id
        for name, value in policies.headers.request.set.items():
            yield Raw(name), value
        for name in policies.headers.request.remove:
            yield Raw(name), Raw('""')

    def _forwarded(self) -> Raw:
        said = self._variables
        return Raw(f'"for=\\"$remote_addr\\";proto={said.scheme};host=\\"{said.host}\\""')

    def _lines(self, route: ResolvedRoute, upstream: ResolvedUpstream, kind: Kind, *, websocket: bool) -> Iterator[Words]:
        policies = route.policies
        timeouts = policies.timeouts
        silence = timeouts.tunnel if websocket else read_timeout(policies)
        word = "grpc" if kind == "grpc" else "proxy"
        if not timeouts.connect.is_off:
            yield Raw(f"{word}_connect_timeout"), seconds(timeouts.connect)
        for side in ("read", "send"):
            yield Raw(f"{word}_{side}_timeout"), seconds(Duration(_FOREVER) if silence.is_off else silence)
        # What was sent is never sent again, unless the method says that it may.
        retries = upstream.options.retries
        if len(upstream.options.servers) > 1:
            yield Raw(f"{word}_next_upstream"), Raw("error")
            if retries is not None:
                yield Raw(f"{word}_next_upstream_tries"), raw(retries.attempts + 1)
        yield from _verified(upstream.options, word)
        if kind != "grpc" and not websocket:
            yield Raw("proxy_buffering"), Raw(policies.buffering.response)
            yield Raw("proxy_request_buffering"), Raw(policies.buffering.request)
        if kind == "h2" and self._gate.can("response_trailers"):
            yield Raw("proxy_pass_trailers"), Raw("on")
        if policies.errors is not None and policies.errors.source == "any":
            yield Raw(f"{word}_intercept_errors"), Raw("on")
        response = policies.headers.response
        for name in (*response.set, *response.remove):
            yield Raw(f"{word}_hide_header"), Raw(name)
        if self._gate.can("early_hints") and policies.early_hints != "off" and not websocket:
            yield Raw("early_hints"), self._variables.early_hints()


# nginx removes fields by their names only; these are the ones that applications and servers are known to read.
_ERASED = (
    "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Forwarded-By", "X-Forwarded-User",
    "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Forwarded-Uri",
    "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert",
)  # fmt: skip
_FOREVER = 365 * 86_400_000


def _verified(options: Options, word: str) -> Iterator[Words]:
    """Yield how the servers' certificates are checked; nginx checks none unasked, and knows one name for all servers."""
    if not options.is_tls or options.tls is None or options.tls.ca is None:
        return
    yield Raw(f"{word}_ssl_name"), Raw(options.servers[0].address.host)
    yield Raw(f"{word}_ssl_server_name"), Raw("on")
    yield Raw(f"{word}_ssl_verify"), Raw("on")
    yield Raw(f"{word}_ssl_verify_depth"), Raw("4")
    yield Raw(f"{word}_ssl_trusted_certificate"), options.tls.ca


def read_timeout(policies: Policies) -> Duration:
    """Return nginx's one bound for a response's head and for silence within it: what the file says, else the longer."""
    timeouts = policies.timeouts
    said = timeouts.model_fields_set
    if "request" in said or "backend_request" in said:
        return timeouts.response_head
    return timeouts.stream_idle
