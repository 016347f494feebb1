"""Listeners: addresses, PROXY headers, TLS, and a filter chain for each kind of peer."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.envoy.clusters import Clusters
from proxyconf.proxies.envoy.filters import Filters
from proxyconf.proxies.envoy.manager import Codec, Parts, manager
from proxyconf.proxies.envoy.replies import local_replies
from proxyconf.proxies.envoy.routes import NO_SUCH_FILE, SiteRoutes, anything, unknown
from proxyconf.proxies.envoy.tree import Tree, cidrs, duration, extension, header, http_filter, typed
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedTcpListener
from proxyconf.spec.listeners import Tls
from proxyconf.syntax.yamlcpp import Shared

__all__ = ["Listeners", "figures"]

# Mozilla's guidelines, version 5.7 (https://ssl-config.mozilla.org/guidelines/5.7.json), as far as BoringSSL has them.
_INTERMEDIATE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
)  # fmt: skip
_OLD = (
    *_INTERMEDIATE, "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA",
)  # fmt: skip
_PROFILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "modern": ("TLSv1_3", ()), "intermediate": ("TLSv1_2", _INTERMEDIATE), "old": ("TLSv1_0", _OLD),
}  # fmt: skip
_BUFFER = 32_768
_PAGE_BYTES = 1_048_576


class Listeners:
    """The listeners of a deployment."""

    def __init__(self, deployment: Deployment, gate: Gate, clusters: Clusters, filters: Filters) -> None:
        """Make the virtual host of every site, once for all listeners; what routes ask of the filters is known then."""
        self._deployment, self._gate, self._clusters, self._filters = deployment, gate, clusters, filters
        self._sites = [SiteRoutes(deployment, number, gate, clusters, filters) for number in range(len(deployment.sites))]
        self._hosts = [Shared(site.host()) for site in self._sites]
        self._replies = Shared(local_replies(deployment))
        self._routes: dict[tuple[str, bool], Tree] = {}

    def made(self) -> Iterator[Tree]:
        """Yield them."""
        for listener in self._deployment.listeners:
            yield self._listener(listener)
            if listener.options.speaks("h3") and self._gate.can("http3_edge"):
                yield self._quic(listener)

        for passing in self._deployment.tcp_listeners:
            yield self._tcp(passing)

    def _tcp(self, listener: ResolvedTcpListener) -> Tree:
        """Return a listener that passes bytes on; peers that are none of the balancers find no chain and are closed."""
        made = _listening(listener)
        chain: Tree = {"filter_chain_match": {"direct_source_prefix_ranges": cidrs(listener.balancers)}} if listener.balancers else {}
        if listener.tls is not None:
            chain["transport_socket"] = _tls_socket(listener.tls, list(listener.protocols))
            chain["transport_socket_connect_timeout"] = "10s"
        silence = duration(listener.options.timeouts.tunnel)
        passes = extension(
            "envoy.filters.network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix=listener.name, cluster=self._clusters.tcp(listener), idle_timeout=silence,
        )  # fmt: skip
        return {**made, "filter_chains": [{**chain, "filters": [passes]}]}

    def _listener(self, listener: ResolvedListener) -> Tree:
        made = _listening(listener)
        codec: Codec = "AUTO" if listener.options.speaks("h2") else "HTTP1"
        made["filter_chains"] = list(self._chains(listener, codec))
        return made

    def _quic(self, listener: ResolvedListener) -> Tree:
        """Return the listener of HTTP/3 beside one; the addresses are the same, over UDP."""
        [first, *others] = _addresses(listener.addresses)
        made: Tree = {"name": f"{listener.name}_h3", "address": {"socket_address": {"protocol": "UDP", **first}}}
        if others:
            made["additional_addresses"] = [{"address": {"socket_address": {"protocol": "UDP", **one}}} for one in others]
        made["per_connection_buffer_limit_bytes"] = _BUFFER
        made["udp_listener_config"] = {"quic_options": {}, "downstream_socket_config": {"prefer_gro": True}}
        made["filter_chains"] = list(self._chains(listener, "HTTP3"))
        return made

    def _chains(self, listener: ResolvedListener, codec: Codec) -> Iterator[Tree]:
        """Yield a chain for peers that are trusted proxies, and one for all others.

        Who a peer is, is decided by its address before it has said a word.
        """
        networks = self._deployment.trusted_networks
        balancer = listener.options.proxy_protocol
        gated = balancer is not None and balancer.accept != "off" and balancer.trusted
        gate = {"direct_source_prefix_ranges": cidrs(balancer.trusted)} if balancer and gated else {}
        everybody = {"0.0.0.0/0", "::/0"} <= set(networks)
        if networks:
            yield self._chain(listener, codec, gate if everybody else {**gate, "source_prefix_ranges": cidrs(networks)}, trusted=True)
        if not everybody:
            yield self._chain(listener, codec, gate, trusted=False)

    def _chain(self, listener: ResolvedListener, codec: Codec, match: Tree, *, trusted: bool) -> Tree:
        made: Tree = {"filter_chain_match": match} if match else {}
        made["name"] = "trusted" if trusted else "clients"
        if listener.tls is not None:
            offered = [word for word, name in (("h2", "h2"), ("http/1.1", "http1")) if name in listener.options.protocols]
            made["transport_socket"] = _tls_socket(listener.tls, offered, quic=codec == "HTTP3")
            made["transport_socket_connect_timeout"] = "10s"
        routes = self._route_config(listener, trusted=trusted)
        parts = Parts(routes, self._filters.chain(), self._replies)
        made["filters"] = [manager(self._deployment, listener, self._gate, parts, codec, trusted=trusted)]
        return made

    def _route_config(self, listener: ResolvedListener, *, trusted: bool) -> Tree:
        """Return the routes of a listener; only a redirect to TLS makes a difference between peers."""
        key = (listener.name, trusted and listener.redirect_port is not None)
        if key not in self._routes:
            self._routes[key] = Shared(self._make_routes(listener, trusted=trusted))
        return self._routes[key]

    def _make_routes(self, listener: ResolvedListener, *, trusted: bool) -> Tree:
        hosts: list[Tree] = []
        for number, site in enumerate(self._deployment.sites):
            if listener in site.listeners:
                scheme = "https" if listener.redirect_port else listener.scheme
                aliases = self._sites[number].aliases(scheme, listener.redirect_port or listener.public_port)
                hosts += [aliases] if aliases else []
                host: Tree = self._hosts[number]
                host = _redirecting(listener, host, trusted=trusted) if listener.redirect_port else host
                hosts.append(self._with_challenges(listener, host))
        if not any(site.is_any for site in self._deployment.on(listener)):
            hosts.append(unknown())
        made: Tree = {"name": listener.name, "ignore_port_in_host_matching": True, "max_direct_response_body_size_bytes": _PAGE_BYTES}
        if listener.options.speaks("h3") and self._gate.can("http3_edge"):
            made["response_headers_to_add"] = [header("alt-svc", f'h3=":{listener.public_port}"; ma=86400')]
        return {**made, "virtual_hosts": hosts}

    def _with_challenges(self, listener: ResolvedListener, host: Tree) -> Tree:
        """Return a virtual host that answers what a CA asks another ACME client."""
        webroot = listener.options.acme_webroot
        if webroot is None:
            return host
        path = "/.well-known/acme-challenge/"
        said = {"typed_per_filter_config": self._filters.of_folder(path, webroot)}
        return {**host, "routes": [{"match": {"prefix": path}, **NO_SUCH_FILE, **said}, *host["routes"]]}


def _listening(listener: ResolvedListener | ResolvedTcpListener) -> Tree:
    """Return where a listener listens, and what it reads before TLS."""
    addresses, balancer = _addresses(listener.addresses), listener.options.proxy_protocol
    made: Tree = {"name": listener.name, "address": {"socket_address": addresses[0]}}
    if addresses[1:]:
        made["additional_addresses"] = [{"address": {"socket_address": one}} for one in addresses[1:]]
    made["per_connection_buffer_limit_bytes"] = _BUFFER
    if balancer is not None and balancer.accept != "off":
        others = "V1" if balancer.accept == "v2" else "V2"
        kind = "filters.listener.proxy_protocol.v3.ProxyProtocol"
        made["listener_filters"] = [extension("envoy.filters.listener.proxy_protocol", kind, disallowed_versions=[others])]
    return made


def _redirecting(listener: ResolvedListener, host: Tree, *, trusted: bool) -> Tree:
    """Return a site's virtual host where cleartext is sent to TLS."""
    redirect: Tree = {"https_redirect": True, "response_code": "PERMANENT_REDIRECT"}
    # Envoy takes the cleartext port off the Host if it is 80; any other has to be replaced.
    if listener.redirect_port != 443 or listener.public_port != 80:
        redirect["port_redirect"] = listener.redirect_port
    everything = anything(redirect=redirect)
    if not trusted:
        return {"name": host["name"], "domains": host["domains"], "routes": [everything]}
    # A balancer in front may have ended TLS and say so; whoever it speaks for is not sent round again.
    cleartext = {"name": "x-forwarded-proto", "string_match": {"exact": "https"}, "invert_match": True}
    everything["match"] = {"prefix": "/", "headers": [cleartext]}
    return {**host, "routes": [everything, *host["routes"]]}


def _addresses(addresses: tuple[ListenAddress, ...]) -> list[Tree]:
    """Return addresses as Envoy writes them; every address of the machine is IPv6's, with IPv4 in it."""
    return [
        {"address": address.host, "port_value": address.port} if address.host
        else {"address": "::", "ipv4_compat": True, "port_value": address.port}
        for address in addresses
    ]  # fmt: skip


def _tls_socket(tls: Tls, offered: list[str], *, quic: bool = False) -> Tree:
    oldest, ciphers = _PROFILES["modern" if quic else tls.profile]
    common: Tree = {"tls_params": {"tls_minimum_protocol_version": oldest, "tls_maximum_protocol_version": "TLSv1_3"}}
    if ciphers:
        common["tls_params"]["cipher_suites"] = list(ciphers)
    if not quic:
        common["alpn_protocols"] = offered
    common["tls_certificates"] = [
        {"certificate_chain": {"filename": pair.cert}, "private_key": {"filename": pair.key}} for pair in tls.certificates
    ]
    context: Tree = {"common_tls_context": common}
    if tls.client_auth.mode != "none":
        common["validation_context"] = {"trusted_ca": {"filename": tls.client_auth.ca}}
        context["require_client_certificate"] = tls.client_auth.mode == "require"
    sockets = "transport_sockets"
    if quic:
        inner = typed(f"extensions.{sockets}.tls.v3.DownstreamTlsContext", **context)
        del inner["@type"]
        return extension("envoy.transport_sockets.quic", f"{sockets}.quic.v3.QuicDownstreamTransport", downstream_tls_context=inner)
    return extension("envoy.transport_sockets.tls", f"{sockets}.tls.v3.DownstreamTlsContext", **context)


def figures(listen: ListenAddress, cluster: str) -> Tree:
    """Return the listener of the figures; it leads to that one page of the admin interface."""
    asked = {"match": {"path": "/metrics"}, "route": {"cluster": cluster, "prefix_rewrite": "/stats/prometheus"}}
    hosts = [{"name": "figures", "domains": ["*"], "routes": [asked]}]
    name = "envoy.filters.network.http_connection_manager"
    made = extension(
        name, "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="figures", codec_type="HTTP1", route_config={"name": "figures", "virtual_hosts": hosts},
        http_filters=[http_filter("router", "Router")],
    )  # fmt: skip
    return {"name": "figures", "address": {"socket_address": _addresses((listen,))[0]}, "filter_chains": [{"filters": [made]}]}
