"""Listeners whose bytes are passed on unread: Traefik's `tcp` section."""

from __future__ import annotations

from proxyconf.facts.gate import Gate
from proxyconf.proxies.traefik.plan import Tree, duration
from proxyconf.proxies.traefik.tls import tcp_options_name
from proxyconf.spec.deployment import Deployment, ResolvedTcpListener

__all__ = ["judge_tcp", "tcp", "tcp_entry_points"]

_VERSIONS = {"v1": 1, "v2": 2}
_FOR_EVER = "-1s"


def judge_tcp(listener: ResolvedTcpListener, gate: Gate) -> None:
    """Refuse what Traefik cannot do with bytes."""
    upstream = listener.upstream
    written = upstream.path[:1] == ("upstreams",)
    if upstream.options.load_balancing.policy != "round_robin":
        message = f"Traefik spreads connections in turn (the listener '{listener.name}' has mode: tcp); remove it"
        gate.refuse((*upstream.path, "load_balancing") if written else upstream.path, message)


def tcp_entry_points(listener: ResolvedTcpListener) -> list[str]:
    """Return the names of a listener's entry points: Traefik has one address for each."""
    return [listener.name if at == 0 else f"{listener.name}-{at + 1}" for at in range(len(listener.addresses))]


def tcp(deployment: Deployment) -> Tree:
    """Return the section; empty: nothing is passed on."""
    routers: Tree = {}
    services: Tree = {}
    transports: Tree = {}
    for listener in deployment.tcp_listeners:
        router: Tree = {"entryPoints": tcp_entry_points(listener), "rule": 'HostSNI("*")', "service": listener.name}
        if listener.tls is not None:
            router["tls"] = {"options": tcp_options_name(listener)}
        routers[listener.name] = router
        services.update(_services(listener))
        transports[listener.name] = _transport(listener)
    return {"tcp": {"routers": routers, "services": services, "serversTransports": transports}} if routers else {}


def _transport(listener: ResolvedTcpListener) -> Tree:
    made: Tree = {"dialTimeout": duration(listener.options.timeouts.connect)}
    # Who has sent all of a request may still wait for the answer.
    made["terminationDelay"] = _FOR_EVER
    if listener.sends != "off":
        made["proxyProtocol"] = {"version": _VERSIONS[listener.sends]}
    return made


def _services(listener: ResolvedTcpListener) -> Tree:
    """Return the service of a listener; only services have weights, so servers with weights are services of their own."""
    name, servers = listener.name, listener.upstream.options.servers

    def balancer(addresses: list[str]) -> Tree:
        return {"loadBalancer": {"servers": [{"address": one} for one in addresses], "serversTransport": name}}

    if all(server.weight == 1 for server in servers):
        return {name: balancer([str(server.address) for server in servers])}
    made: Tree = {f"{name}.{at}": balancer([str(server.address)]) for at, server in enumerate(servers, 1)}
    weighed = [{"name": f"{name}.{at}", "weight": server.weight} for at, server in enumerate(servers, 1)]
    return {**made, name: {"weighted": {"services": weighed}}}
