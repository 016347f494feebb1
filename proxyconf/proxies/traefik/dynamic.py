"""dynamic.yaml: routers in their order, and everything they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxyconf.facts.gate import Gate
from proxyconf.proxies.traefik.middlewares import Chain, Middlewares
from proxyconf.proxies.traefik.plan import NO_SERVICE, Tree
from proxyconf.proxies.traefik.raw import merged, raw_tree
from proxyconf.proxies.traefik.rules import (
    ANYTHING,
    HAD_TLS,
    IS_WEBSOCKET,
    all_of,
    from_peers,
    longer_than,
    of_hosts,
    of_match,
)
from proxyconf.proxies.traefik.services import Services
from proxyconf.proxies.traefik.static import entry_points
from proxyconf.proxies.traefik.tcp import tcp
from proxyconf.proxies.traefik.tls import options_name, tls
from proxyconf.spec.deployment import Deployment, Forward, ResolvedListener, ResolvedRoute, ResolvedSite
from proxyconf.spec.routes import RedirectTo

__all__ = ["dynamic"]


def dynamic(deployment: Deployment, gate: Gate) -> Tree:
    """Return what dynamic.yaml is to say."""
    routers = _Routers(deployment, Middlewares(deployment, gate), Services(deployment, gate))
    for listener in deployment.listeners:
        routers.middlewares.at_the_edge(listener)
    made = list(routers.made())
    # The first that fits wins: numbers go down, and none is left to the length of its rule.
    named = {name: {**router, "priority": len(made) - at} for at, (name, router) in enumerate(made)}
    http: Tree = {"routers": named, "middlewares": routers.middlewares.made}
    if not deployment.listeners:
        return merged({**tcp(deployment), **tls(deployment)}, raw_tree(deployment, "dynamic"))
    if routers.services.made:
        http |= {"services": routers.services.made, "serversTransports": routers.services.transports}
    return merged({"http": http, **tcp(deployment), **tls(deployment)}, raw_tree(deployment, "dynamic"))


def _order(site: ResolvedSite) -> int:
    """Sort names before wildcards, the longer first, and what stands for every name last."""
    if site.is_any:
        return 1_000
    return max(500 - len(name) if name.startswith("*.") else 0 for name in site.hostnames)


@dataclass
class _Routers:
    """The routers of a deployment."""

    deployment: Deployment
    middlewares: Middlewares
    services: Services

    def made(self) -> Iterator[tuple[str, Tree]]:
        """Yield them, the first to be asked first."""
        for number, site in sorted(enumerate(self.deployment.sites), key=lambda pair: _order(pair[1])):
            yield from self._site(f"site{number}", site)
        yield from self._strangers()

    def _strangers(self) -> Iterator[tuple[str, Tree]]:
        """Yield who answers for names of no site. Without a name Traefik has the default options of TLS only."""
        for name, own_options in (("unknown", False), ("unknown-otherwise", True)):
            points = [
                point for listener in self.deployment.listeners
                if not any(site.is_any for site in self.deployment.on(listener))
                and own_options == (listener.tls is not None and options_name(self.deployment, listener) != "default")
                for point in entry_points(listener)
            ]  # fmt: skip
            if points:
                router = _router(points, ANYTHING, self.middlewares.misdirected())
                yield name, {**router, "tls": {}} if own_options else router

    def _site(self, name: str, site: ResolvedSite) -> Iterator[tuple[str, Tree]]:
        names = (site.canonical,) if site.canonical else site.hostnames
        redirecting = [listener for listener in site.listeners if listener.redirect_port is not None]
        serving = [listener for listener in site.listeners if listener.redirect_port is None]
        for listener in site.listeners if site.aliases else ():
            yield f"{name}-aliases-{listener.name}", self._aliases(site, listener)
        if serving:
            yield from self._routes(name, site, serving, of_hosts(names), behind_tls=False)
        if redirecting and self.deployment.trusted_networks:
            # A balancer in front has ended TLS and says so: who comes through it is not sent round again.
            had_tls = all_of(of_hosts(names), HAD_TLS)
            yield from self._routes(f"{name}-had-tls", site, redirecting, had_tls, behind_tls=True)
        for listener in redirecting:
            assert listener.redirect_port is not None
            rule = of_hosts(names) or ANYTHING
            yield f"{name}-{listener.name}", _router(entry_points(listener), rule, self.middlewares.to_tls(listener.redirect_port))

    def _aliases(self, site: ResolvedSite, listener: ResolvedListener) -> Tree:
        scheme = "https" if listener.redirect_port else listener.scheme
        port = listener.redirect_port or listener.public_port
        usual = (scheme, port) in (("https", 443), ("http", 80))
        origin = f"{scheme}://{site.canonical}{'' if usual else f':{port}'}"
        return _router(entry_points(listener), of_hosts(site.aliases), self.middlewares.to_canonical(origin))

    def _routes(
        self, name: str, site: ResolvedSite, listeners: list[ResolvedListener], hosts: str, *, behind_tls: bool
    ) -> Iterator[tuple[str, Tree]]:
        points = [point for listener in listeners for point in entry_points(listener)]
        limits = {route.policies.limits.request_body.bytes for route in site.routes if isinstance(route.action, Forward)}
        if len(limits) == 1 and (limit := max(limits)):
            yield f"{name}-too-large", _router(points, all_of(hosts, longer_than(limit)), self.middlewares.too_large())
        everything, takes_everything = all_of(hosts), False
        for number, route in enumerate(site.routes):
            rule = all_of(hosts, of_match(route.match)) if hosts or of_match(route.match) else ""
            if len(limits) > 1 and isinstance(route.action, Forward) and (limit := route.policies.limits.request_body.bytes):
                too_large = _router(points, all_of(rule, longer_than(limit)), self.middlewares.too_large())
                yield f"{name}-route{number}-too-large", too_large
            for suffix, whose, trusted in self._peers(route):
                answers = self.middlewares.of_answers(site, route.policies, behind_tls=behind_tls)
                door = [*answers, *self.middlewares.of_clients(route, trusted=trusted)]
                for kind, router in self._route(route, points, all_of(rule, whose), door):
                    quiet: Tree = {"observability": {"accessLogs": False}} if route.policies.log == "off" else {}
                    takes_everything |= router["rule"] == everything
                    yield f"{name}-route{number}{suffix}{kind}", {**router, **quiet}
        if not takes_everything:
            # Else a wildcard or any site, or who answers strangers, would be asked next.
            yield f"{name}-not-found", _router(points, everything, self.middlewares.not_found(site, behind_tls=behind_tls))

    def _peers(self, route: ResolvedRoute) -> list[tuple[str, str, bool]]:
        """Tell trusted peers from others where the client's address decides.

        What a trusted proxy says of the client is read from the right; a peer that is none is the client itself.
        """
        policies, networks = route.policies, self.deployment.trusted_networks
        asks = policies.allow or policies.rate_limit or (policies.maintenance and policies.maintenance.exempt)
        if not networks or not asks:
            return [("", "", False)]
        return [("-trusted", from_peers(networks), True), ("", "", False)]

    def _route(self, route: ResolvedRoute, points: list[str], rule: str, door: Chain) -> Iterator[tuple[str, Tree]]:
        action, down = route.action, route.policies.maintenance
        if isinstance(action, RedirectTo):
            yield "", _router(points, rule, [*door, *self.middlewares.redirect(route, action)])
        elif down is not None and not down.exempt:
            yield "", _router(points, rule, door)
        elif isinstance(action, Forward):
            service = self.services.name(action.upstream, route.policies.timeouts)
            if action.may_be_websocket and not action.upstream.options.is_grpc:
                chain = [*door, *self.middlewares.of_hop(route, action, websocket=True)]
                yield "-websocket", _router(points, all_of(rule, IS_WEBSOCKET), chain, service)
            if not action.websocket:
                chain = [*door, *self.middlewares.of_bodies(route), *self.middlewares.of_hop(route, action, websocket=False)]
                yield "", _router(points, rule or ANYTHING, chain, service)
        else:
            raise AssertionError(f"{type(action).__name__} was refused before")


def _router(points: list[str], rule: str, chain: Chain, service: str = NO_SERVICE) -> Tree:
    return {"entryPoints": points, "rule": rule, "middlewares": chain, "service": service}
