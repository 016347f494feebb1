"""Upstreams as `balancer://` workers: one for each protocol and each set of bounds that some route gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from proxyconf.facts.gate import Gate
from proxyconf.proxies.apache.plan import Balancer, Lines, Words
from proxyconf.spec.deployment import ResolvedUpstream
from proxyconf.spec.policies import Policies
from proxyconf.spec.units import Duration
from proxyconf.spec.upstreams import HealthCheck, Server
from proxyconf.syntax.words import Raw, raw

__all__ = ["FOREVER", "Balancers", "Kind", "seconds", "silence", "whole"]

Kind = Literal["http1", "grpc", "websocket"]
FOREVER = Duration(365 * 86_400_000)


class Balancers:
    """Collects them, each once."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._made: dict[tuple[str, Kind, Lines, Lines], Balancer] = {}
        self.expressions: list[Words] = []
        """`ProxyHCExpr` lines."""

    @property
    def made(self) -> tuple[Balancer, ...]:
        """All of them."""
        return tuple(self._made.values())

    def kind(self, upstream: ResolvedUpstream) -> Kind:
        """Return how ordinary requests travel: over HTTP/1.1, but for gRPC."""
        return "grpc" if upstream.options.is_grpc else "http1"

    def url(self, upstream: ResolvedUpstream, kind: Kind, policies: Policies) -> Raw:
        """Return what requests of a route are sent to."""
        members = tuple(self._member(upstream, server, at, kind, policies) for at, server in enumerate(upstream.options.servers))
        settings = tuple(self._settings(upstream))
        key = (upstream.name, kind, members, settings)
        if key not in self._made:
            names = {one.name for one in self._made.values()}
            # Apache compares the names of balancers without case.
            stem = upstream.name.lower() if kind == self.kind(upstream) else f"{upstream.name.lower()}-{kind}"
            name = next(one for at in range(1, 100_000) if (one := f"{stem}-{at}" if at > 1 else stem) not in names)
            self._made[key] = Balancer(Raw(name), members, settings)
        return Raw(f"balancer://{self._made[key].name}")

    def _member(self, upstream: ResolvedUpstream, server: Server, at: int, kind: Kind, policies: Policies) -> Words:
        options = upstream.options
        scheme = "h2c" if kind == "grpc" else "http"
        address = server.address
        url = f"unix:{address.path}|{scheme}://localhost" if address.is_unix else f"{scheme}://{address}"
        silent = policies.timeouts.tunnel if kind == "websocket" else silence(policies)
        ejected = options.outlier_detection
        words = [Raw(f"timeout={whole(FOREVER if silent.is_off else silent)}")]
        if not policies.timeouts.connect.is_off:
            words.insert(0, Raw(f"connectiontimeout={seconds(policies.timeouts.connect)}"))
        words.append(Raw(f"ttl={whole(options.connections.idle_timeout)}"))
        words.append(Raw(f"retry={whole(ejected.ejection_time) if ejected else 0}"))
        if policies.buffering.response == "off":
            words.append(Raw("flushpackets=on"))
        if kind == "websocket":
            words.append(Raw("upgrade=websocket"))
        if server.weight != 1 and self._gate.can("weights"):
            words.append(Raw(f"loadfactor={server.weight}"))
        if kind == "grpc" and len(options.servers) > 1:
            # Else a call that failed at one server is sent to the next, whatever the first did of it.
            words.append(Raw("status=+I"))
        if options.sticky is not None:
            words.append(Raw(f"route={at + 1}"))
        return url, *words, *self._health(upstream, options.health_check)

    def _health(self, upstream: ResolvedUpstream, check: HealthCheck | None) -> Iterator[str]:
        if check is None or not self._gate.can("health_check_tcp" if check.tcp else "health_check_http"):
            return
        if check.path is None:
            yield Raw("hcmethod=TCP")
        else:
            yield Raw("hcmethod=GET")
            yield f"hcuri={check.path}"
            name = f"good-{upstream.name}"
            statuses = "|".join(str(status) for status in check.expected_statuses)
            line = (Raw("ProxyHCExpr"), Raw(name), Raw(f'"%{{REQUEST_STATUS}} =~ /^({statuses})$/"'))
            self.expressions += [line] if line not in self.expressions else []
            yield Raw(f"hcexpr={name}")
        yield Raw(f"hcinterval={seconds(check.interval)}")
        yield Raw(f"hcpasses={check.healthy_threshold}")
        yield Raw(f"hcfails={check.unhealthy_threshold}")

    def _settings(self, upstream: ResolvedUpstream) -> Iterator[Words]:
        options = upstream.options
        if options.load_balancing.policy == "least_conn":
            yield (Raw("lbmethod=bybusyness"),)
        elif len(options.servers) > 1:
            yield (Raw("lbmethod=byrequests"),)
        if options.sticky is not None:
            yield (Raw(f"stickysession={options.sticky.cookie.name}"),)
        if options.outlier_detection is not None:
            yield (Raw("failonstatus=500,502,503,504"),)
        if options.retries is not None and len(options.servers) > 1:
            yield (Raw(f"maxattempts={options.retries.attempts}"),)


def seconds(duration: Duration) -> Raw:
    """Return a duration as Apache reads it: seconds, or milliseconds with their unit."""
    whole, rest = divmod(duration.milliseconds, 1000)
    return Raw(f"{duration.milliseconds}ms") if rest else raw(whole)


def whole(duration: Duration) -> int:
    """Return a duration in whole seconds, at least one: of `300ms` some directives read 300."""
    return max(1, -(-duration.milliseconds // 1000))


def silence(policies: Policies) -> Duration:
    """Return Apache's one bound for a response's head and for silence within it: what the file says, else the longer."""
    timeouts = policies.timeouts
    said = timeouts.model_fields_set
    if "request" in said or "backend_request" in said:
        return timeouts.response_head
    return timeouts.stream_idle
