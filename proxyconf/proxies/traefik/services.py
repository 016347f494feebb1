"""Services: the servers of an upstream, and how Traefik speaks with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from proxyconf.facts.gate import Gate
from proxyconf.proxies.traefik.plan import Tree, duration
from proxyconf.spec.deployment import Deployment, Forward, ResolvedUpstream
from proxyconf.spec.policies import Timeouts

__all__ = ["Services"]

_STRATEGIES = {"round_robin": "", "least_conn": "p2c", "hash": "hrw"}


@dataclass
class Services:
    """The services that some router names, each once, and their transports."""

    deployment: Deployment
    gate: Gate
    made: dict[str, Tree] = field(default_factory=dict)
    transports: dict[str, Tree] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)

    def name(self, upstream: ResolvedUpstream, timeouts: Timeouts) -> str:
        """Return the service for some bounds: Traefik has them by service."""
        transport = self._transport(upstream, timeouts)
        key = (upstream.name, transport)
        if key not in self._names:
            taken = sum(name == upstream.name for name, _ in self._names)
            self._names[key] = name = f"{upstream.name}.{taken + 1}" if taken else upstream.name
            self.made[name] = {"loadBalancer": self._balancer(upstream, transport)}
        return self._names[key]

    def _transport(self, upstream: ResolvedUpstream, timeouts: Timeouts) -> str:
        tls = upstream.options.tls
        bounds = {
            "dialTimeout": duration(timeouts.connect), "responseHeaderTimeout": duration(timeouts.response_head),
            "idleConnTimeout": duration(upstream.options.connections.idle_timeout),
        }  # fmt: skip
        made: Tree = {"forwardingTimeouts": bounds, **({"rootCAs": [tls.ca]} if tls and tls.ca else {})}
        known = next((name for name, other in self.transports.items() if other == made), "")
        if not known:
            known = f"transport-{len(self.transports) + 1}" if self.transports else "transport"
            self.transports[known] = made
        return known

    def _balancer(self, upstream: ResolvedUpstream, transport: str) -> Tree:
        options = upstream.options
        cleartext = "h2c" if options.is_http2 and self.gate.can("h2c_upstream") else "http"
        scheme = "https" if options.is_tls else cleartext
        servers: list[Tree] = []
        for server in options.servers:
            one: Tree = {"url": f"{scheme}://{server.address}"}
            servers.append({**one, "weight": server.weight} if server.weight != 1 else one)
        made: Tree = {"servers": servers, "serversTransport": transport}
        strategy = _STRATEGIES.get(options.load_balancing.policy, "")
        if strategy:
            made["strategy"] = strategy
        if options.sticky is not None:
            cookie = options.sticky.cookie
            made["sticky"] = {"cookie": {"name": cookie.name, "secure": cookie.secure, "httpOnly": True, "sameSite": "lax"}}
        return {**made, **dict(self._health(upstream))}

    def _health(self, upstream: ResolvedUpstream) -> Iterator[tuple[str, Tree]]:
        check, outlier = upstream.options.health_check, upstream.options.outlier_detection
        if check is not None and check.path is not None and self.gate.can("health_check_http"):
            asks: Tree = {"path": check.path, "interval": duration(check.interval), "timeout": duration(check.timeout)}
            yield "healthCheck", {**asks, "hostname": self._asked_host(upstream), "status": check.expected_statuses[0]}
        if outlier is not None and self.gate.can("outlier_detection"):
            bounds = {"failureWindow": duration(outlier.ejection_time), "maxFailedAttempts": outlier.consecutive_5xx}
            yield "passiveHealthCheck", bounds

    def _asked_host(self, upstream: ResolvedUpstream) -> str:
        """Return a host name that the app behind an upstream knows."""
        for site in self.deployment.sites:
            answers = any(isinstance(route.action, Forward) and route.action.upstream == upstream for route in site.routes)
            if answers and site.hostnames and not site.hostnames[0].startswith("*."):
                return site.canonical or site.hostnames[0]
        return "localhost"
