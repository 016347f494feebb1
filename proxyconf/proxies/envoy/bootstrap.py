"""envoy.yaml as a whole."""

from __future__ import annotations

from proxyconf.facts.gate import Gate
from proxyconf.proxies.envoy.clusters import Clusters
from proxyconf.proxies.envoy.filters import Filters
from proxyconf.proxies.envoy.listeners import Listeners, figures
from proxyconf.proxies.envoy.plan import Plan
from proxyconf.proxies.envoy.raw import raw_list, raw_tree
from proxyconf.proxies.envoy.tree import Tree, extension
from proxyconf.spec.deployment import Deployment

__all__ = ["plan"]

_MAX_CONNECTIONS = 50_000
_OWNER_ONLY = 0o600


def plan(deployment: Deployment, gate: Gate) -> Plan:
    """Return what envoy.yaml is to say."""
    clusters = Clusters(deployment, gate)
    filters = Filters(clusters, gate, tuple(raw_list(deployment, "http_filters")))
    listeners = list(Listeners(deployment, gate, clusters, filters).made())
    admin: Tree = {}
    path = gate.target.admin.removeprefix("unix:") if gate.target.admin != "off" else ""
    if path:
        admin = {"address": {"pipe": {"path": path, "mode": _OWNER_ONLY}}}
    metrics = deployment.spec.metrics
    if metrics is not None and gate.can("metrics"):
        if not path:
            # Nobody else on this machine may do more there than read the figures.
            path = f"@envoy-figures-{metrics.listen}"
            admin = {"address": {"pipe": {"path": path}}, "allow_paths": [{"exact": "/stats/prometheus"}]}
        listeners.append(figures(metrics.listen, clusters.add_admin(path)))
    return Plan(
        admin=admin,
        overload_manager=_overload(),
        listeners=(*listeners, *raw_list(deployment, "listeners")),
        clusters=(*clusters.made.values(), *raw_list(deployment, "clusters")),
        extra=raw_tree(deployment, "bootstrap"),
    )


def _overload() -> Tree:
    """Return the bound on clients' connections; without one Envoy takes what the machine has."""
    monitor = extension(
        "envoy.resource_monitors.global_downstream_max_connections",
        "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=_MAX_CONNECTIONS,
    )
    return {"resource_monitors": [monitor]}
