"""The HTTP connection manager: what a listener does with requests before they reach their routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from proxyconf.facts.gate import Gate
from proxyconf.proxies.envoy.headers import sanitizing
from proxyconf.proxies.envoy.replies import access_log
from proxyconf.proxies.envoy.tree import Tree, cidrs, duration, extension, http_filter
from proxyconf.spec.deployment import Deployment, ResolvedListener
from proxyconf.spec.policies import Policies

__all__ = ["Codec", "Parts", "manager", "policies_of"]

Codec = Literal["AUTO", "HTTP1", "HTTP3"]
_CLIENT_FIELDS = {"cf-connecting-ip": "cf-connecting-ip", "x-real-ip": "x-real-ip"}
# No request passes so many proxies: Envoy then takes the address of the connection.
_NEVER = 1_000_000


def policies_of(deployment: Deployment, listener: ResolvedListener) -> Policies:
    """Return what holds for a whole listener: all of its routes were found to say the same."""
    routes = [route for site in deployment.on(listener) for route in site.routes]
    return routes[0].policies if routes else deployment.sites[0].policies


@dataclass(frozen=True, slots=True)
class Parts:
    """What the managers of a listener have in common."""

    routes: Tree
    filters: list[Tree]
    replies: Tree


def manager(
    deployment: Deployment, listener: ResolvedListener, gate: Gate, parts: Parts, codec: Codec, *, trusted: bool
) -> Tree:
    """Return the filter that is a listener's connection manager, for peers that are trusted proxies or for all others."""
    policies = policies_of(deployment, listener)
    idle = policies.timeouts.client_idle
    made: Tree = {
        "stat_prefix": listener.name,
        "codec_type": codec,
        **(_believing(deployment) if trusted else {"use_remote_address": True}),
        "skip_xff_append": True,
        # Pinned, whatever a client writes. To overwrite it is to overwrite X-Forwarded-Proto, which may be a trusted proxy's.
        "scheme_header_transformation": {"match_upstream": True} if trusted else {"scheme_to_overwrite": listener.scheme},
        **_request_id(deployment, trusted=trusted),
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "server_header_transformation": "PASS_THROUGH",
        "max_request_headers_kb": -(-policies.limits.request_headers.bytes // 1024),
        "request_headers_timeout": "10s",
        # An idle connection is told that it ends, and so much later it does; 5s are Envoy's own.
        "drain_timeout": "1s",
        "common_http_protocol_options": {
            "idle_timeout": duration(idle),
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http_protocol_options": {"enable_trailers": True},
    }
    if codec == "AUTO":
        windows = {"initial_stream_window_size": 262_144, "initial_connection_window_size": 1_048_576}
        made["http2_protocol_options"] = {"max_concurrent_streams": 100, **windows}
    if any(route.policies.early_hints != "off" for site in deployment.on(listener) for route in site.routes) and gate.can("early_hints"):
        made["proxy_100_continue"] = True
    if deployment.spec.logging is not None:
        made["access_log"] = access_log(deployment, deployment.spec.logging)
    if parts.replies:
        made["local_reply_config"] = parts.replies
    made["route_config"] = parts.routes
    router = http_filter("router", "Router", suppress_envoy_headers=True)
    made["http_filters"] = [sanitizing(deployment, listener, trusted=trusted), *parts.filters, router]
    name = "envoy.filters.network.http_connection_manager"
    return extension(name, "filters.network.http_connection_manager.v3.HttpConnectionManager", **made)


def _believing(deployment: Deployment) -> Tree:
    """Return how the client is found behind a trusted proxy: in X-Forwarded-For from the right, or in a field of its own."""
    field = _CLIENT_FIELDS.get(deployment.trust.client_address)
    if field is not None:
        fields = {"header_name": field, "allow_extension_to_set_address_as_trusted": True}
        found = extension("client", "http.original_ip_detection.custom_header.v3.CustomHeaderConfig", **fields)
    else:
        by_xff = deployment.trust.client_address == "x-forwarded-for"
        where: Tree = {"xff_trusted_cidrs": {"cidrs": cidrs(deployment.trusted_networks)}} if by_xff else {"xff_num_trusted_hops": _NEVER}
        found = extension("client", "http.original_ip_detection.xff.v3.XffConfig", **where, skip_xff_append=True)
    return {"use_remote_address": False, "original_ip_detection_extensions": [found]}


def _request_id(deployment: Deployment, *, trusted: bool) -> Tree:
    wanted = deployment.trust.request_id
    if wanted is None:
        return {"generate_request_id": False}
    made: Tree = {"generate_request_id": True, "always_set_request_id_in_response": True}
    if trusted and wanted.accept_from_trusted:
        made["preserve_external_request_id"] = True
    elif trusted:
        forgets = {"mutations": [{"remove": "x-request-id"}]}
        kind = "http.early_header_mutation.header_mutation.v3.HeaderMutation"
        made["early_header_mutation_extensions"] = [extension("forget", kind, **forgets)]
    return made
