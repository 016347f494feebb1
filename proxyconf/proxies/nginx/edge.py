"""nginx.conf as a whole: listeners, and a `server` for each site on each of them."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.nginx.common import hoisted
from proxyconf.proxies.nginx.locations import Site, size
from proxyconf.proxies.nginx.plan import NOTHING, Guard, Location, Plan, Server, Tls, Words
from proxyconf.proxies.nginx.stream import DYNAMIC, stream
from proxyconf.proxies.nginx.tls import listens, tls_of
from proxyconf.proxies.nginx.upstreams import Upstreams, seconds
from proxyconf.proxies.nginx.variables import Variables
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedSite, ServeFiles
from proxyconf.spec.policies import Policies
from proxyconf.syntax.nginx import pattern
from proxyconf.syntax.words import Raw, raw

__all__ = ["plan"]

_CLIENT_FIELDS = {
    "x-forwarded-for": "X-Forwarded-For", "cf-connecting-ip": "CF-Connecting-IP", "x-real-ip": "X-Real-IP",
    "proxy-protocol": "proxy_protocol",
}  # fmt: skip
_LOG_FIELDS = {
    "time": "$time_iso8601", "client_ip": "$remote_addr", "method": "$request_method", "host": "$host", "path": "$request_uri",
    "status": "$status", "bytes": "$body_bytes_sent", "duration": "$request_time", "protocol": "$server_protocol",
    "upstream_protocol": "$proxy_host", "upstream_address": "$upstream_addr", "user_agent": "$http_user_agent",
    "referer": "$http_referer", "request_id": "$request_id",
}  # fmt: skip


def plan(deployment: Deployment, gate: Gate) -> Plan:
    """Return what nginx.conf is to say."""
    made = _Edge(deployment, gate)
    common = hoisted(tuple(made.servers()))
    passed = stream(deployment, gate)
    return Plan(
        modules=(Raw("modules/ngx_stream_module.so"),) if passed and DYNAMIC in gate.target.modules else (),
        dollar=False,
        user=Raw(gate.target.user),
        shutdown_timeout=seconds(deployment.drain),
        main=_lines(deployment.raw("nginx", "main")),
        events=_lines(deployment.raw("nginx", "events")),
        http=_lines(deployment.raw("nginx", "http")),
        mime_types=any(isinstance(route.action, ServeFiles) for site in deployment.sites for route in site.routes),
        lines=(*made.common(), *common.lines) if common.servers else (),
        log_format=made.log_format(),
        access_log=made.access_log(),
        zones=tuple(made.zones),
        tls=common.tls,
        fields=common.fields,
        maps=tuple(made.variables.maps),
        upstreams=tuple(made.upstreams.made.values()),
        servers=common.servers,
        stream=passed,
    )


def _lines(text: str) -> tuple[Raw, ...]:
    return tuple(Raw(line) for line in text.splitlines())


class _Edge:
    """Collects what the servers need while they are made."""

    def __init__(self, deployment: Deployment, gate: Gate) -> None:
        self._deployment, self._gate = deployment, gate
        self.variables = Variables(deployment, gate)
        self.upstreams = Upstreams(gate)
        self.zones: list[Words] = []
        self._listener_lines: dict[str, tuple[Words, ...]] = {}

    def common(self) -> Iterator[Words]:
        """Yield the lines of `http` that all servers share."""
        yield (Raw("server_tokens off"),)
        yield (Raw("underscores_in_headers off"),)
        if self._gate.version.numbers >= (1, 29, 7):
            yield (Raw("max_headers 100"),)
        # The receive window of a request body that is passed on as it comes: uploads are slow without it.
        yield (Raw("http2_body_preread_size 1m"),)
        yield (Raw("variables_hash_max_size 4096"),)
        yield (Raw("variables_hash_bucket_size 256"),)
        yield (Raw("map_hash_bucket_size 256"),)
        yield (Raw("server_names_hash_bucket_size 128"),)
        yield (Raw("proxy_headers_hash_max_size 1024"),)
        yield (Raw("proxy_headers_hash_bucket_size 256"),)
        networks = self._deployment.trusted_networks
        for network in networks:
            yield Raw("set_real_ip_from"), network
        field = _CLIENT_FIELDS.get(self._deployment.trust.client_address)
        if networks and field:
            yield Raw("real_ip_header"), Raw(field)
            yield (Raw("real_ip_recursive on"),)

    def log_format(self) -> tuple[Raw, ...]:
        """Return the lines of the access log's format, for JSON."""
        logging = self._deployment.spec.logging
        if logging is None or logging.format != "json":
            return ()
        pairs = [f'"{name}":"{self._log_value(name)}"' for name in logging.fields]
        return (Raw("'{'"), *(Raw(f"'{pair}{',' if at < len(pairs) - 1 else ''}'") for at, pair in enumerate(pairs)), Raw("'}'"))

    def _log_value(self, name: str) -> str:
        return self.variables.request_id if name == "request_id" else _LOG_FIELDS[name]

    def access_log(self) -> Words:
        """Return where the access log goes and how it is written; nginx's own would be a file of its package."""
        logging = self._deployment.spec.logging
        if logging is None:
            return (Raw("off"),)
        return Raw("/dev/stdout"), Raw("lasthop" if logging.format == "json" else "combined")

    def servers(self) -> Iterator[Server]:
        """Yield the servers, TLS first: an operator reads the sites before the redirects to them."""
        for listener in sorted(self._deployment.listeners, key=lambda listener: listener.tls is None):
            sites = self._deployment.on(listener)
            if not any(site.is_any for site in sites):
                yield self._unknown(listener)
            for site in sites:
                number = int(site.path[-1])
                if site.aliases:
                    yield self._aliases(listener, site)
                yield self._site(listener, site, number)

    def _server(
        self, listener: ResolvedListener, site: ResolvedSite | None, names: Words, *, comment: str = "",
        guards: tuple[Guard, ...] = (), locations: tuple[Location, ...] = (), answer: Words = (), extra: tuple[Raw, ...] = (),
    ) -> Server:  # fmt: skip
        secured = listener.tls is not None
        default = site is None or site.is_any
        http2 = secured and listener.options.speaks("h2")
        on = self._gate.version.numbers >= (1, 25, 1)
        return Server(
            comment=Raw(comment),
            listens=tuple(self._listens(listener, default=default, http2=http2 and not on)),
            http2=http2 and on,
            http3=listener.options.speaks("h3") and self._gate.can("http3_edge"),
            names=names,
            tls=self._tls(listener, site),
            lines=self._bounds_of(listener),
            headers=(),
            guards=(*self._balancers(listener), *guards),
            locations=locations,
            answer=answer,
            extra=extra,
        )

    def _listens(self, listener: ResolvedListener, *, default: bool, http2: bool) -> Iterator[Words]:
        words = [*(["ssl"] if listener.tls else []), *(["http2"] if http2 else []), *(["default_server"] if default else [])]
        balancer = listener.options.proxy_protocol
        if balancer is not None and balancer.accept != "off":
            words.append("proxy_protocol")
        for address in listener.addresses:
            for text in listens(address):
                yield (Raw(" ".join([text, *words])),)
                if listener.options.speaks("h3") and self._gate.can("http3_edge"):
                    mark = " reuseport" if default else ""
                    yield (Raw(f"{text} quic{' default_server' if default else ''}{mark}"),)

    def _tls(self, listener: ResolvedListener, site: ResolvedSite | None) -> Tls | None:
        tls = listener.tls
        if tls is None:
            return None
        at = listener.certificate_of(site)
        assert at is not None, "judged before"
        return tls_of(tls, at)

    def _bounds_of(self, listener: ResolvedListener) -> tuple[Words, ...]:
        """Return a listener's bounds, which all of its servers have."""
        if listener.name not in self._listener_lines:
            self._listener_lines[listener.name] = tuple(self._bounds(listener))
        return self._listener_lines[listener.name]

    def _bounds(self, listener: ResolvedListener) -> Iterator[Words]:
        """Yield what nginx asks before it knows the location."""
        policies = self._policies(listener)
        timeouts = policies.timeouts
        yield Raw("client_header_timeout"), Raw("10s")
        yield Raw("client_body_timeout"), seconds(timeouts.stream_idle) if not timeouts.stream_idle.is_off else Raw("365d")
        yield Raw("send_timeout"), seconds(timeouts.stream_idle) if not timeouts.stream_idle.is_off else Raw("365d")
        yield Raw("keepalive_timeout"), seconds(timeouts.client_idle) if not timeouts.client_idle.is_off else Raw("365d")
        yield Raw("large_client_header_buffers"), Raw("1"), raw(size(policies.limits.request_headers.bytes))
        balancer = listener.options.proxy_protocol
        if balancer is not None and balancer.accept != "off" and self._deployment.trust.client_address != "proxy-protocol":
            for network in balancer.trusted:
                yield Raw("set_real_ip_from"), network
            yield Raw("real_ip_header"), Raw("proxy_protocol")

    def _policies(self, listener: ResolvedListener) -> Policies:
        first = next((route for site in self._deployment.on(listener) for route in site.routes), None)
        return first.policies if first else self._deployment.sites[0].policies

    def _balancers(self, listener: ResolvedListener) -> Iterator[Guard]:
        """Yield what turns away whoever is none of the balancers: nginx takes the header from everybody."""
        balancer = listener.options.proxy_protocol
        if balancer is not None and balancer.accept != "off" and balancer.trusted:
            known = self.variables.geo(f"$balancer_of_{listener.name.replace('-', '_')}", balancer.trusted, "$realip_remote_addr")
            yield Guard(Raw(f"{known} = 0"), Raw("403"), NOTHING)

    def _unknown(self, listener: ResolvedListener) -> Server:
        return self._server(listener, None, (Raw("_"),), comment="A host name of no site.", answer=(Raw("421"),))

    def _aliases(self, listener: ResolvedListener, site: ResolvedSite) -> Server:
        target = f"https://{site.canonical}" if listener.redirect_port else f"{listener.scheme}://{site.canonical}"
        port = listener.redirect_port or listener.public_port
        where = f"{target}{_port(port, target.partition(':')[0])}$request_uri"
        return self._server(listener, site, tuple(map(_name, site.aliases)), answer=(Raw("308"), Raw(where)))

    def _site(self, listener: ResolvedListener, site: ResolvedSite, number: int) -> Server:
        names: Words = tuple(map(_name, site.hostnames)) or (Raw("_"),)
        names = (_name(site.canonical),) if site.canonical else names
        extra = _lines(self._deployment.raw_of_site("nginx", site))
        redirects = listener.redirect_port is not None
        if redirects and not self._deployment.trusted_networks:
            return self._redirect(listener, site, names)
        guards: tuple[Guard, ...] = ()
        if redirects:
            target = Raw(f"308 https://$host{_port(listener.redirect_port or 443, 'https')}$request_uri")
            # A balancer in front may have ended TLS and say so; whoever it speaks for is not sent round again.
            guards = (Guard(Raw(f"{self.variables.scheme} = http"), target, NOTHING),)
        made = Site(self._deployment, site, number, self._gate, self.upstreams, self.variables)
        locations = made.locations()
        self.zones += [zone for zone in made.zones if zone not in self.zones]
        return self._server(listener, site, names, guards=guards, locations=(*self._challenges(listener), *locations), extra=extra)

    def _redirect(self, listener: ResolvedListener, site: ResolvedSite, names: Words) -> Server:
        target = Raw(f"https://$host{_port(listener.redirect_port or 443, 'https')}$request_uri")
        challenges = tuple(self._challenges(listener))
        if not challenges:
            return self._server(listener, site, names, answer=(Raw("308"), target))
        rest = Location((Raw("/"),), answer=(Raw("308"), target))
        return self._server(listener, site, names, locations=(*challenges, rest))

    def _challenges(self, listener: ResolvedListener) -> Iterator[Location]:
        webroot = listener.options.acme_webroot
        if webroot is not None:
            lines: list[Words] = [(Raw("root"), webroot), (Raw("default_type"), Raw("text/plain"))]
            yield Location((Raw("^~"), Raw("/.well-known/acme-challenge/")), lines=tuple(lines))


def _name(name: str) -> str:
    """Return a host name as `server_name` reads it; its own `*.` would take names of several labels more."""
    return pattern(f"~^[^.]+{name[1:].replace('.', chr(92) + '.')}$") if name.startswith("*.") else name


def _port(port: int, scheme: str) -> str:
    return "" if (scheme, port) in (("https", 443), ("http", 80)) else f":{port}"
