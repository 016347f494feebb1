"""What a site file comes to: short forms written out, names resolved, the site's policies laid under each route's.

This is what renderers read. Nothing in it is left to a default, and everything knows its path in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from proxyconf.document.findings import Path
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.listeners import Listener, Tls
from proxyconf.spec.policies import DEFAULTS, Policies, merged
from proxyconf.spec.root import Spec
from proxyconf.spec.routes import Internal, Match, PathMatch, RedirectTo, Respond, Route, Static
from proxyconf.spec.sites import Hsts, Site
from proxyconf.spec.trust import Trust, expanded
from proxyconf.spec.units import Duration
from proxyconf.spec.upstreams import Upstream, upstream_url

__all__ = [
    "Action", "Deployment", "Forward", "ResolvedListener", "ResolvedRoute", "ResolvedSite", "ResolvedTcpListener",
    "ResolvedUpstream", "ServeFiles", "resolved",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResolvedUpstream:
    """An upstream under its name; one that was written as a URL has a name made of it."""

    name: str
    """Letters, digits, `_` and `-`; unique."""
    options: Upstream
    path: Path

    @property
    def websocket_over_http1(self) -> bool:
        """Whether WebSockets are wanted over HTTP/1.1 whatever the proxy can."""
        return self.options.websocket == "over_http1" or self.options.protocol == "http1"


@dataclass(frozen=True, slots=True)
class ResolvedListener:
    """A listener under its name."""

    name: str
    addresses: tuple[ListenAddress, ...]
    """Each once."""
    options: Listener
    public_port: int
    """The port that clients see."""
    redirect_port: int | None
    """Where a redirect to https leads; None: no redirect."""
    path: Path

    @property
    def tls(self) -> Tls | None:
        """TLS; None: cleartext."""
        return self.options.tls

    @property
    def scheme(self) -> str:
        """What a client writes."""
        return "https" if self.tls else "http"

    def certificate_of(self, site: ResolvedSite | None) -> int | None:
        """Return which certificate is for a site, where a proxy has to be told; None if nobody can tell."""
        assert self.tls is not None
        pairs = self.tls.certificates
        if len(pairs) == 1 or site is None:
            return 0
        for at, pair in enumerate(pairs):
            names = set(pair.hostnames)
            if names and all(name in names or f"*.{name.partition('.')[2]}" in names for name in site.hostnames):
                return at
        return None


@dataclass(frozen=True, slots=True)
class ResolvedTcpListener:
    """A listener that passes the bytes of a connection on to one upstream."""

    name: str
    addresses: tuple[ListenAddress, ...]
    """Each once."""
    options: Listener
    upstream: ResolvedUpstream
    path: Path

    @property
    def tls(self) -> Tls | None:
        """TLS that ends here; None: whatever the client sends is passed on."""
        return self.options.tls

    @property
    def protocols(self) -> tuple[str, ...]:
        """What comes by it, as ALPN spells it, the preferred first."""
        words = {"h2": "h2", "http1": "http/1.1"}
        if "protocols" in self.options.model_fields_set:
            return tuple(words[name] for name in self.options.protocols if name in words)
        spoken = self.upstream.options
        return ("h2",) if spoken.is_grpc else ("h2", "http/1.1") if spoken.is_http2 else ("http/1.1",)

    @property
    def sends(self) -> str:
        """Which PROXY header names the client: `off`, `v1` or `v2`."""
        return self.upstream.options.proxy_protocol.send

    @property
    def balancers(self) -> tuple[str, ...]:
        """Who in front has to send a PROXY header; empty: nobody may."""
        front = self.options.proxy_protocol
        return () if front is None or front.accept == "off" else front.trusted


@dataclass(frozen=True, slots=True)
class Forward:
    """A request goes to an upstream."""

    upstream: ResolvedUpstream
    websocket: bool | None
    """True: all of these are WebSockets. False: none is let through. None: either may come."""
    replace_prefix: str | None
    tell_prefix: bool

    @property
    def may_be_websocket(self) -> bool:
        """Whether a WebSocket may come."""
        return self.websocket is not False and self.upstream.options.websocket != "off"


@dataclass(frozen=True, slots=True)
class ServeFiles:
    """The proxy serves files."""

    files: Static
    fallback: ResolvedUpstream | None
    """Who answers where there is no such file; None: 404."""


Action = Forward | ServeFiles | Internal | RedirectTo | Respond


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """One route with everything that applies to it."""

    match: Match
    action: Action
    policies: Policies
    """The site's with the route's laid over them."""
    path: Path
    auth_upstream: ResolvedUpstream | None
    """Who decides, for `auth: {forward: ...}`."""
    policy_paths: dict[str, Path]
    """Where each policy is written: in the route, in the site, or nowhere (then the route's path)."""

    def where(self, policy: str) -> Path:
        """Return the path of a policy of this route."""
        return self.policy_paths.get(policy, self.path)


@dataclass(frozen=True, slots=True)
class ResolvedSite:
    """One site on its listeners, its routes in order; the last takes what is left, if the site has an upstream."""

    hostnames: tuple[str, ...]
    """Empty: every name of no other site."""
    listeners: tuple[ResolvedListener, ...]
    routes: tuple[ResolvedRoute, ...]
    policies: Policies
    canonical: str | None
    hsts: Hsts | None
    path: Path

    @property
    def is_any(self) -> bool:
        """Whether it stands for every name of no other site."""
        return not self.hostnames

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names that are redirected to the canonical one."""
        return tuple(name for name in self.hostnames if name != self.canonical) if self.canonical else ()

    @property
    def takes_everything(self) -> bool:
        """Whether some route takes whatever is left."""
        return any(
            route.match.is_unconditional and route.match.path == PathMatch(type="prefix", value="/")
            for route in self.routes
        )


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that one proxy is to do."""

    spec: Spec
    listeners: tuple[ResolvedListener, ...]
    """Those of `mode: http`."""
    sites: tuple[ResolvedSite, ...]
    upstreams: tuple[ResolvedUpstream, ...]
    """Those that some route uses, each once."""
    trust: Trust
    trusted_networks: tuple[str, ...]
    """Proxies in front, names of sets written out."""
    drain: Duration
    tcp_listeners: tuple[ResolvedTcpListener, ...] = ()
    """Those of `mode: tcp`."""

    @property
    def all_listeners(self) -> tuple[ResolvedListener | ResolvedTcpListener, ...]:
        """Those of both modes."""
        return (*self.listeners, *self.tcp_listeners)

    @property
    def all_upstreams(self) -> tuple[ResolvedUpstream, ...]:
        """Those that routes use and those that bytes are passed on to, each once."""
        found = {one.name: one for one in (*self.upstreams, *(listener.upstream for listener in self.tcp_listeners))}
        return tuple(found.values())

    def on(self, listener: ResolvedListener) -> tuple[ResolvedSite, ...]:
        """Return the sites of a listener."""
        return tuple(site for site in self.sites if listener in site.listeners)

    def raw(self, proxy: str, section: str) -> str:
        """Return the text that the file has for a section of a proxy's configuration."""
        written = self.spec.raw.get(proxy)
        return written.sections.get(section, "") if written else ""

    def raw_of_site(self, proxy: str, site: ResolvedSite) -> str:
        """Return the text that the file has for a site."""
        written = self.spec.raw.get(proxy)
        return next((written.server[name] for name in site.hostnames if name in written.server), "") if written else ""


def resolved(spec: Spec) -> Deployment:
    """Return what a site file comes to."""
    listeners = tuple(_listener(spec, name, one) for name, one in spec.listeners.items() if one.mode == "http")
    upstreams = _Upstreams(spec)
    sites = tuple(_site(spec, ("sites", at), site, listeners, upstreams) for at, site in enumerate(spec.sites))
    used = tuple(upstreams.used.values())
    tcp = tuple(_tcp_listener(name, one, upstreams) for name, one in spec.listeners.items() if one.mode == "tcp")
    return Deployment(
        spec, listeners, sites, used, spec.trust, expanded(spec.trust.trusted_proxies),
        spec.appserver.drain if spec.appserver else Duration(30_000), tcp,
    )  # fmt: skip


def _public_port(listener: Listener) -> int:
    return listener.public_port or listener.address[0].port


def _listener(spec: Spec, name: str, listener: Listener) -> ResolvedListener:
    secured = [_public_port(other) for other in spec.listeners.values() if other.tls and other.mode == "http"]
    redirect = secured[0] if listener.redirect and secured else None
    addresses = tuple(dict.fromkeys(listener.address))
    return ResolvedListener(name, addresses, listener, _public_port(listener), redirect, ("listeners", name))


def _tcp_listener(name: str, listener: Listener, upstreams: _Upstreams) -> ResolvedTcpListener:
    assert listener.upstream is not None, "checked when the file was read"
    path: Path = ("listeners", name)
    upstream = upstreams.get(listener.upstream, (*path, "upstream"))
    return ResolvedTcpListener(name, tuple(dict.fromkeys(listener.address)), listener, upstream, path)


class _Upstreams:
    """The upstreams that are used, by name; URLs get names of their own."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.used: dict[str, ResolvedUpstream] = {}
        self._urls: dict[str, ResolvedUpstream] = {}

    def get(self, reference: str, path: Path) -> ResolvedUpstream:
        written = upstream_url(reference)
        if written is None:
            found = ResolvedUpstream(reference, self._spec.upstreams[reference], ("upstreams", reference))
            return self.used.setdefault(reference, found)
        key = f"{written.protocol}://{written.servers[0].address}"
        if key not in self._urls:
            name = self._name(written)
            self._urls[key] = self.used[name] = ResolvedUpstream(name, written, path)
        return self._urls[key]

    def _name(self, upstream: Upstream) -> str:
        words = f"{upstream.protocol}-{upstream.servers[0].address}"
        stem = "".join(char if char.isascii() and char.isalnum() else "-" for char in words)[:50].strip("-")
        names = (f"{stem}-{at}" if at else stem for at in count())
        return next(name for name in names if name not in self._spec.upstreams and name not in self.used)


def _site(
    spec: Spec, path: Path, site: Site, listeners: tuple[ResolvedListener, ...], upstreams: _Upstreams
) -> ResolvedSite:
    policies = merged(DEFAULTS, site)
    routes = [_route(site, policies, path, at, route, upstreams) for at, route in enumerate(site.routes)]
    if site.upstream is not None:
        forward = Forward(upstreams.get(site.upstream, (*path, "upstream")), None, None, False)
        where = {name: (*path, name) for name in site.model_fields_set & Policies.model_fields.keys()}
        decides = _auth_upstream(policies, where, upstreams)
        routes.append(ResolvedRoute(Match(), forward, policies, (*path, "upstream"), decides, where))
    on = tuple(listener for listener in listeners if not site.listeners or listener.name in site.listeners)
    names = () if site.is_any else site.hostnames
    return ResolvedSite(names, on, tuple(routes), policies, site.canonical, site.hsts, path)


def _route(site: Site, policies: Policies, above: Path, at: int, route: Route, upstreams: _Upstreams) -> ResolvedRoute:
    path: Path = (*above, "routes", at)
    where = {name: (*above, name) for name in site.model_fields_set & Policies.model_fields.keys()}
    where |= {name: (*path, name) for name in route.model_fields_set & Policies.model_fields.keys()}
    action = _action(site, above, path, route, upstreams)
    both = merged(policies, route)
    return ResolvedRoute(route.matching, action, both, path, _auth_upstream(both, where, upstreams), where)


def _auth_upstream(policies: Policies, where: dict[str, Path], upstreams: _Upstreams) -> ResolvedUpstream | None:
    if policies.auth is None or policies.auth.forward is None:
        return None
    return upstreams.get(policies.auth.forward.upstream, (*where["auth"], "forward", "upstream"))


def _action(site: Site, above: Path, path: Path, route: Route, upstreams: _Upstreams) -> Action:
    reference = route.upstream or site.upstream
    place = (*path, "upstream") if route.upstream else (*above, "upstream")
    if route.static and route.static.by == "proxy":
        falls_back = route.static.fallback == "upstream" and reference is not None
        return ServeFiles(route.static, upstreams.get(reference, place) if falls_back and reference else None)
    for action in (route.internal, route.redirect, route.respond):
        if action is not None:
            return action
    assert reference is not None, "checked when the file was read"
    return Forward(upstreams.get(reference, place), route.websocket, route.replace_prefix, route.tell_prefix)
