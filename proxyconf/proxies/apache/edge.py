"""httpd.conf as a whole: what is global, the listeners, and a `VirtualHost` for each site on each of them."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.apache.balancers import FOREVER, Balancers, seconds, whole
from proxyconf.proxies.apache.clients import believed, erased, identity, strangers, told, twins
from proxyconf.proxies.apache.common import hoisted
from proxyconf.proxies.apache.modules import BUILT_IN, modules
from proxyconf.proxies.apache.observe import logs
from proxyconf.proxies.apache.plan import Answer, Host, Lines, Plan, Rule, Section, Words, line
from proxyconf.proxies.apache.routes import Site
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.ciphers import INTERMEDIATE, OLD
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedSite, ServeFiles
from proxyconf.spec.policies import DEFAULTS, Policies
from proxyconf.spec.units import Duration
from proxyconf.syntax.apache import escaped, pattern
from proxyconf.syntax.words import Raw, raw

__all__ = ["plan"]

# How Mozilla's profiles are written.
_PROFILES = {
    "modern": ("-all +TLSv1.3", ""),
    "intermediate": ("-all +TLSv1.2 +TLSv1.3", ":".join(INTERMEDIATE)),
    "old": ("-all +TLSv1 +TLSv1.1 +TLSv1.2 +TLSv1.3", ":".join(OLD)),
}


def plan(deployment: Deployment, gate: Gate) -> Plan:
    """Return what httpd.conf is to say."""
    made = _Edge(deployment, gate)
    common = hoisted(tuple(made.hosts()))
    return Plan(
        dollar=False,
        main=_lines(deployment.raw("apache", "main")),
        built_in=BUILT_IN,
        modules=modules(deployment, gate, answers=bool(made.answers)),
        user=Raw(gate.target.user or "${WORKERS}"),
        types=_serves_files(deployment),
        lines=(*common.lines, *made.common(), *made.balancers.expressions, *logs(deployment.spec.logging)),
        server=_lines(deployment.raw("apache", "server")),
        erased=tuple(erased(deployment)),
        twins=tuple(twins(deployment)),
        balancers=made.balancers.made,
        listens=tuple(line(_address(address, "")) for listener in deployment.listeners for address in listener.addresses),
        hosts=common.hosts,
        answers=tuple(dict.fromkeys(made.answers)),
    )


def _lines(text: str) -> tuple[Raw, ...]:
    return tuple(Raw(one) for one in text.splitlines())


def _serves_files(deployment: Deployment) -> bool:
    """Whether some answer is a file, whose type its name tells."""
    policies = [route.policies for site in deployment.sites for route in site.routes]
    pages = any(one.errors or (one.maintenance and one.maintenance.file) for one in policies)
    return pages or any(isinstance(route.action, ServeFiles) for site in deployment.sites for route in site.routes)


def _address(address: ListenAddress, everything: str) -> str:
    return str(address) if address.host else f"{everything}{address.port}"


class _Edge:
    """Collects what the hosts need while they are made."""

    def __init__(self, deployment: Deployment, gate: Gate) -> None:
        self._deployment, self._gate = deployment, gate
        self.balancers = Balancers(gate)
        self.answers: list[Answer] = []
        self._behind_balancers: set[str] = set()
        self._bounds = {listener.name: tuple(self._bounds_of(listener)) for listener in deployment.listeners}

    def common(self) -> Iterator[Words]:
        """Yield what all hosts share."""
        deployment = self._deployment
        yield line("ServerName localhost")
        yield line("ServerTokens Prod")
        yield line("PidFile httpd.pid")
        yield line("DefaultRuntimeDir .")
        yield line("ErrorLog /dev/stderr")
        yield line("LogLevel warn")
        # A request that waits holds a thread: long ones need many.
        yield line("ServerLimit 16")
        yield line("ThreadsPerChild 64")
        yield line("MaxRequestWorkers 1024")
        yield line("GracefulShutdownTimeout", raw(max(1, round(deployment.drain.seconds))))
        yield line("TraceEnable Off")
        yield line("LimitRequestFields 100")
        yield line("RequestReadTimeout header=10 body=0")
        yield line("ProxyPreserveHost On")
        yield line("ProxyAddHeaders Off")
        # Else the first 16 KiB of a body are collected before the app server hears of the request.
        yield line("SetEnv proxy-prefetch-nonblocking 1")
        if self.answers:
            yield line("DocumentRoot .")
        if any(listener.tls for listener in deployment.listeners):
            yield line('SSLSessionCache "shmcb:tls(512000)"')
            yield line("SSLSessionTickets Off")
            yield line("H2Upgrade Off")
        yield from believed(deployment)

    def hosts(self) -> Iterator[Host]:
        """Yield the hosts, TLS first: an operator reads the sites before the redirects to them."""
        for listener in sorted(self._deployment.listeners, key=lambda listener: listener.tls is None):
            sites = sorted(self._deployment.on(listener), key=lambda site: not site.is_any)
            if not any(site.is_any for site in sites):
                yield self._host(listener, None, "unknown.invalid", comment="A host name of no site.", extra=(Raw("Redirect 421 /"),))
            # The first host of an address takes every name of no other; written out names come before wildcards.
            for site in sorted(sites, key=lambda site: (not site.is_any, any(name.startswith("*.") for name in site.hostnames))):
                if site.aliases:
                    yield self._aliases(listener, site)
                yield self._site(listener, site)

    def _host(
        self, listener: ResolvedListener, site: ResolvedSite | None, name: str, *, comment: str = "", aliases: Words = (),
        rules: tuple[Rule, ...] = (), made: Site | None = None, extra: tuple[Raw, ...] = (),
    ) -> Host:  # fmt: skip
        webroot = listener.options.acme_webroot
        challenges = (line("/.lasthop/acme/", f"{webroot}/.well-known/acme-challenge/"),)
        return Host(
            comment=Raw(comment),
            addresses=tuple(Raw(_address(address, "*:")) for address in listener.addresses),
            name=name,
            aliases=aliases,
            lines=(*self._bounds[listener.name], *self._tls(listener, site), *self._balancer(listener), *_hsts(listener, site)),
            fields=told(self._deployment, listener) if made else (),
            rules=(*(identity(self._deployment, listener) if rules or made else ()), *rules, *(made.rules if made else ())),
            common=made.common if made else (),
            sections=(*(made.sections if made else ()), *(_CHALLENGED if site and webroot else ())),
            folders=(*(made.folders if made else ()), *(challenges if site and webroot else ())),
            extra=extra,
        )

    def _policies(self, listener: ResolvedListener) -> list[Policies]:
        return [route.policies for site in self._deployment.on(listener) for route in site.routes] or [DEFAULTS]

    def _bounds_of(self, listener: ResolvedListener) -> Iterator[Words]:
        """Yield what Apache asks before it knows the route, often before it knows the host."""
        policies = self._policies(listener)
        # A WebSocket is cut after the longer of this and its balancer's own.
        silent = [_longest([one.timeouts.stream_idle for one in policies]), *(one.timeouts.tunnel for one in policies)]
        yield line("Timeout", raw(whole(min((one for one in silent if not one.is_off), default=FOREVER))))
        yield line("KeepAliveTimeout", seconds(_longest([one.timeouts.client_idle for one in policies])))
        yield line("MaxKeepAliveRequests 0")
        # Paths are compared decoded, and passed on as they were sent. Hosts do not inherit it.
        yield line("AllowEncodedSlashes On")
        head = max(one.limits.request_headers.bytes for one in policies)
        yield line("LimitRequestFieldSize", raw(head))
        yield line("LimitRequestLine", raw(head))

    def _tls(self, listener: ResolvedListener, site: ResolvedSite | None) -> Iterator[Words]:
        options = listener.options
        words = (*(["h2"] if options.speaks("h2") else []), *(["http/1.1"] if options.speaks("http1") else []))
        yield line(f"Protocols {' '.join(words)}")
        if options.speaks("h2"):
            yield line("H2WebSockets On")
            yield line("H2EarlyHints On")
        tls = listener.tls
        if tls is None:
            return
        at = listener.certificate_of(site)
        assert at is not None, "judged before"
        pair = tls.certificates[at]
        protocols, ciphers = _PROFILES[tls.profile]
        yield line("SSLEngine On")
        yield line("SSLCertificateFile", pair.cert)
        yield line("SSLCertificateKeyFile", pair.key)
        yield line(f"SSLProtocol {protocols}")
        if ciphers:
            yield line(f"SSLCipherSuite {ciphers}")
        yield line("SSLHonorCipherOrder Off")
        if tls.client_auth.mode != "none" and tls.client_auth.ca:
            yield line("SSLCACertificateFile", tls.client_auth.ca)
            yield line(f"SSLVerifyClient {tls.client_auth.mode}")

    def _balancer(self, listener: ResolvedListener) -> Iterator[Words]:
        balancer = listener.options.proxy_protocol
        # The first host of an address speaks for all: the header comes before any name.
        if balancer is not None and balancer.accept != "off" and listener.name not in self._behind_balancers:
            self._behind_balancers.add(listener.name)
            yield line("RemoteIPProxyProtocol On")
            networks = strangers(listener)
            for at in range(0, len(networks), 32):
                yield line("RemoteIPProxyProtocolExceptions", *networks[at : at + 32])

    def _aliases(self, listener: ResolvedListener, site: ResolvedSite) -> Host:
        scheme, port = ("https", listener.redirect_port) if listener.redirect_port else (listener.scheme, listener.public_port)
        rule = Rule((), line(f'"^" "{scheme}://{site.canonical}{_port(port, scheme)}%{{ENV:TARGET}}" [R=308,NE,QSD,UnsafeAllow3F,L]'))
        first, rest = _names(site, site.aliases)
        return self._host(listener, site, first, aliases=rest, rules=(*_one_label(site.aliases), rule))

    def _site(self, listener: ResolvedListener, site: ResolvedSite) -> Host:
        names = (site.canonical,) if site.canonical else site.hostnames
        first, rest = _names(site, names)
        before = (*_one_label(names), *self._before(listener))
        extra = _lines(self._deployment.raw_of_site("apache", site))
        if listener.redirect_port is not None and not self._deployment.trusted_networks:
            return self._host(listener, site, first, aliases=rest, rules=before)
        made = Site(self._deployment, site, listener.scheme, self._gate, self.balancers)
        self.answers += made.answers
        return self._host(listener, site, first, aliases=rest, rules=before, made=made, extra=extra)

    def _before(self, listener: ResolvedListener) -> Iterator[Rule]:
        """Yield what comes before a site's routes: the challenges of an ACME client, and the way to TLS."""
        webroot = listener.options.acme_webroot
        if webroot is not None:
            yield Rule((), line('"^/\\.well-known/acme-challenge/([A-Za-z0-9_-]+)\\z" "/.lasthop/acme/$1" [PT,E=ROUTE:acme]'))
        if listener.redirect_port is not None:
            # A balancer in front may have ended TLS and say so; whoever it speaks for is not sent round again.
            had = (line('%{ENV:PROTO} "!^https\\z"'),) if self._deployment.trusted_networks else ()
            target = f"https://%{{SERVER_NAME}}{_port(listener.redirect_port, 'https')}%{{ENV:TARGET}}"
            yield Rule(had, line(f'"^" "{target}" [R=308,NE,QSD,UnsafeAllow3F,L]'))


_CHALLENGED = (Section(Raw("reqenv('ROUTE') == 'acme'"), (line("Require all granted"), line("ForceType text/plain"))),)


def _names(site: ResolvedSite, names: Words) -> tuple[str, Words]:
    """Return a name and further ones; Apache takes no wildcard for the first.

    A site for any name has none: the first host of an address gets what no other takes, and "*" would take all.
    """
    if names and not names[0].startswith("*."):
        return names[0], names[1:]
    return Raw(f"site{site.path[-1]}.invalid"), names


def _one_label(names: Words) -> Iterator[Rule]:
    """Yield what turns away names that only Apache's wildcard takes: it stands for any number of labels."""
    if any(name.startswith("*.") for name in names):
        fits = "|".join(f"[^.]+{escaped(name[1:])}" if name.startswith("*.") else escaped(name) for name in names)
        yield Rule(((Raw("%{SERVER_NAME}"), pattern(f"!^(?:{fits})\\z")),), line('"^" "-" [R=421,L]'))


def _longest(found: list[Duration]) -> Duration:
    return FOREVER if any(one.is_off for one in found) else max(found)


def _hsts(listener: ResolvedListener, site: ResolvedSite | None) -> Lines:
    if listener.tls is None or site is None or site.hsts is None:
        return ()
    words = [f"max-age={int(site.hsts.max_age.seconds)}", *(["includeSubDomains"] if site.hsts.include_subdomains else [])]
    words += ["preload"] if site.hsts.preload else []
    name = "Strict-Transport-Security"
    return line(f"Header onsuccess unset {name}"), line(f'Header always set {name} "{"; ".join(words)}"')


def _port(port: int, scheme: str) -> str:
    return "" if (scheme, port) in (("https", 443), ("http", 80)) else f":{port}"
