"""Clusters: the servers of an upstream, and how Envoy speaks with them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from proxyconf.facts.gate import Gate
from proxyconf.proxies.envoy.tree import Tree, duration, extension, typed
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.deployment import Deployment, Forward, ResolvedTcpListener, ResolvedUpstream, ServeFiles
from proxyconf.spec.units import Duration
from proxyconf.spec.upstreams import Upstream, UpstreamTls

__all__ = ["ADMIN", "Clusters", "Kind", "address"]

Kind = Literal["h2", "http1"]
ADMIN = "envoy_admin"
_POLICIES = {"round_robin": "ROUND_ROBIN", "least_conn": "LEAST_REQUEST", "random": "RANDOM", "hash": "RING_HASH"}
_NO_CONNECT_TIMEOUT = Duration(3_600_000)
# Envoy's own bounds, 1024 each, would be 503 for the 1025th request over HTTP/2; the spec has no such bound.
_UNBOUNDED = 1_000_000
_SOCKETS = "extensions.transport_sockets"


def address(server: ServerAddress) -> Tree:
    """Return an address as Envoy writes it."""
    if server.is_unix:
        return {"pipe": {"path": server.path}}
    return {"socket_address": {"address": server.host, "port_value": server.port}}


@dataclass
class Clusters:
    """The clusters that some route names, each once."""

    deployment: Deployment
    gate: Gate
    made: dict[str, Tree] = field(default_factory=dict)
    _names: dict[tuple[str, Kind, Duration], str] = field(default_factory=dict)

    def kind(self, upstream: ResolvedUpstream) -> Kind:
        """Return how requests travel to an upstream."""
        return "h2" if upstream.options.is_http2 else "http1"

    def name(self, upstream: ResolvedUpstream, kind: Kind, connect: Duration) -> str:
        """Return the cluster for one protocol and one bound on connecting; Envoy has both per cluster."""
        key = (upstream.name, kind, connect)
        if key not in self._names:
            stem = upstream.name if kind == self.kind(upstream) else f"{upstream.name}_{kind}"
            taken = sum(name.partition(".")[0] == stem for name in self.made)
            self._names[key] = name = f"{stem}.connect_{duration(connect)}" if taken else stem
            self.made[name] = self._cluster(name, upstream, kind, connect)
        return self._names[key]

    def tcp(self, listener: ResolvedTcpListener) -> str:
        """Return the cluster for the bytes of a listener. No name of a site file has a colon."""
        name, upstream = f"tcp:{listener.name}", listener.upstream
        connect = listener.options.timeouts.connect
        cluster = self._servers(name, upstream, connect)
        if listener.sends != "off":
            tells_tls = listener.tls is not None and listener.sends == "v2"
            cluster["transport_socket"] = _proxy_protocol(listener.sends.upper(), tells_tls=tells_tls)
        cluster.update(self._health(upstream, "http1"))
        self.made[name] = cluster
        return name

    def add_admin(self, path: str) -> str:
        """Add the admin interface itself, for the figures."""
        self.made[ADMIN] = {"name": ADMIN, "type": "STATIC", "load_assignment": _assignment(ADMIN, [{"pipe": {"path": path}}])}
        return ADMIN

    def _servers(self, name: str, upstream: ResolvedUpstream, connect: Duration) -> Tree:
        options = upstream.options
        endpoints = [_endpoint(address(server.address), server.weight) for server in options.servers]
        if options.is_tls:
            for endpoint, server in zip(endpoints, options.servers, strict=True):
                endpoint["endpoint"]["hostname"] = server.address.host
        named = any(not (server.address.is_unix or server.address.is_ip) for server in options.servers)
        cluster: Tree = {
            "name": name,
            **(_looked_up(options) if named else {"type": "STATIC"}),
            "connect_timeout": duration(_NO_CONNECT_TIMEOUT if connect.is_off else connect),
            "lb_policy": _POLICIES[options.load_balancing.policy],
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        }
        cluster["per_connection_buffer_limit_bytes"] = 32_768
        cluster["circuit_breakers"] = self._bounds(upstream)
        return cluster

    def _cluster(self, name: str, upstream: ResolvedUpstream, kind: Kind, connect: Duration) -> Tree:
        cluster, options = self._servers(name, upstream, connect), upstream.options
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _protocol(upstream, kind)
        }
        socket = _tls(options.tls, kind) if options.is_tls and options.tls else None
        if options.proxy_protocol.send != "off":
            cluster["transport_socket"] = _proxy_protocol(options.proxy_protocol.send.upper(), inner=socket)
        elif socket is not None:
            cluster["transport_socket"] = socket
        cluster.update(self._health(upstream, kind))
        return cluster

    def _bounds(self, upstream: ResolvedUpstream) -> Tree:
        bounds = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), _UNBOUNDED)
        most = upstream.options.connections.max
        if most is None or not self.gate.can("max_connections"):
            return {"thresholds": [bounds]}
        return {"thresholds": [bounds], "per_host_thresholds": [{"max_connections": most}]}

    def _health(self, upstream: ResolvedUpstream, kind: Kind) -> Iterator[tuple[str, object]]:
        check, outlier = upstream.options.health_check, upstream.options.outlier_detection
        if check is not None:
            # Without traffic Envoy asks once a minute, and a server that was not asked yet takes no requests.
            asks: Tree = {
                "interval": duration(check.interval), "no_traffic_interval": duration(check.interval),
                "timeout": duration(check.timeout), "healthy_threshold": check.healthy_threshold,
                "unhealthy_threshold": check.unhealthy_threshold,
            }  # fmt: skip
            if check.path is None:
                asks["tcp_health_check"] = {}
            else:
                asks["http_health_check"] = {
                    "path": check.path, "host": self._asked_host(upstream),
                    "codec_client_type": "HTTP2" if kind == "h2" else "HTTP1",
                    "expected_statuses": [{"start": status, "end": status + 1} for status in check.expected_statuses],
                }  # fmt: skip
            yield "health_checks", [asks]
        if outlier is not None:
            yield "outlier_detection", {
                "consecutive_5xx": outlier.consecutive_5xx, "interval": "1s",
                "base_ejection_time": duration(outlier.ejection_time),
                "max_ejection_time": duration(max(outlier.ejection_time, Duration(300_000))),
                "max_ejection_percent": 100, "enforcing_success_rate": 0, "enforcing_failure_percentage": 0,
            }  # fmt: skip
        if check is not None or outlier is not None:
            # Servers that are out are used again only when none is left; half of them is Envoy's own bound.
            yield "common_lb_config", {"healthy_panic_threshold": {"value": 1}}

    def _asked_host(self, upstream: ResolvedUpstream) -> str:
        """Return a host name that the app behind an upstream knows."""
        for site in self.deployment.sites:
            for route in site.routes:
                action = route.action
                answers = action.upstream if isinstance(action, Forward) else action.fallback if isinstance(action, ServeFiles) else None
                if answers == upstream and site.hostnames and not site.hostnames[0].startswith("*."):
                    return site.canonical or site.hostnames[0]
        return "localhost"


def _looked_up(options: Upstream) -> Tree:
    """Return how names become addresses: all that a name has, looked up again and again."""
    # A name of this machine or of a container has IPv4 first; Envoy would ask for IPv6 and take that alone.
    asked: Tree = {"dns_lookup_family": "V4_PREFERRED"}
    if options.resolve is not None:
        asked["dns_refresh_rate"] = duration(options.resolve)
    return {"cluster_type": extension("envoy.clusters.dns", "clusters.dns.v3.DnsCluster", **asked)}


def _endpoint(where: Tree, weight: int) -> Tree:
    endpoint: Tree = {"endpoint": {"address": where}}
    return {**endpoint, "load_balancing_weight": weight} if weight != 1 else endpoint


def _assignment(name: str, addresses: list[Tree]) -> Tree:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [_endpoint(one, 1) for one in addresses]}]}


def _protocol(upstream: ResolvedUpstream, kind: Kind) -> Tree:
    connections = upstream.options.connections
    # The proxy closes an idle connection before the app server does; an hour is Envoy's own.
    common = {"idle_timeout": duration(connections.idle_timeout)}
    if kind == "h2":
        spoken: Tree = {"http2_protocol_options": {"max_concurrent_streams": connections.max_concurrent_streams}}
    else:
        spoken = {"http_protocol_options": {"enable_trailers": True}}
    return typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions", common_http_protocol_options=common, explicit_http_config=spoken
    )


# PP2_TYPE_SSL: the client speaks TLS (1), and showed no certificate that was verified (a number other than 0).
_CLIENT_HAS_TLS = {"type": 0x20, "value": base64.b64encode(b"\x01" + (1).to_bytes(4, "big")).decode()}


def _tls(tls: UpstreamTls, kind: Kind) -> Tree:
    """Return what encrypts a hop: each server is asked for by its name, and its certificate checked by it."""
    context = typed(
        f"{_SOCKETS}.tls.v3.UpstreamTlsContext",
        auto_host_sni=True,
        auto_sni_san_validation=True,
        # In a session that is resumed nobody shows a certificate.
        max_session_keys=0,
        common_tls_context={
            "alpn_protocols": ["h2" if kind == "h2" else "http/1.1"],
            # As a client Envoy offers no more than 1.2 unasked.
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "validation_context": {"trusted_ca": {"filename": tls.ca}},
        },
    )
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _proxy_protocol(version: str, *, tells_tls: bool = False, inner: Tree | None = None) -> Tree:
    raw = {"name": "envoy.transport_sockets.raw_buffer", "typed_config": typed(f"{_SOCKETS}.raw_buffer.v3.RawBuffer")}
    config: Tree = {"version": version, **({"added_tlvs": [_CLIENT_HAS_TLS]} if tells_tls else {})}
    wrapped = typed(f"{_SOCKETS}.proxy_protocol.v3.ProxyProtocolUpstreamTransport", config=config, transport_socket=inner or raw)
    return {"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": wrapped}
