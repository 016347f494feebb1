"""Whether a site makes sense as a whole, whatever proxy it is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from proxyconf.document.findings import Finding, Path, Rule
from proxyconf.spec.addresses import ListenAddress, ServerAddress
from proxyconf.spec.deployment import Deployment, ResolvedRoute, ResolvedSite
from proxyconf.spec.tcp import tcp_sense

__all__ = ["sense"]

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test", ".example", ".invalid", ".corp", ".home")


def sense(deployment: Deployment) -> Iterator[Finding]:
    """Yield what contradicts itself, circles, is never reached, or is there for nothing."""
    yield from tcp_sense(deployment)
    yield from _addresses(deployment)
    yield from _certificates(deployment)
    yield from _loops(deployment)
    for site in deployment.sites:
        yield from _routes(site)
        yield from _timeouts(site)
    yield from _trust(deployment)
    yield from _unused(deployment)
    yield from _guesses(deployment)


def _addresses(deployment: Deployment) -> Iterator[Finding]:
    taken: dict[ListenAddress, str] = {}
    for listener in deployment.all_listeners:
        for address in listener.addresses:
            if address in taken:
                message = f"{taken[address]} and {listener.name} share the address {address}; give them different ports"
                yield Finding(Rule.REPEATED, (*listener.path, "address"), message)
            taken[address] = listener.name


def _certificates(deployment: Deployment) -> Iterator[Finding]:
    for site in deployment.sites:
        automatic = [one for one in site.listeners if one.tls and one.tls.source == "automatic"]
        for at, name in enumerate(site.hostnames):
            if automatic and _is_private(name):
                listener = automatic[0].name
                message = (
                    f"no public CA certifies {name}; write issuer: internal under listeners.{listener}.tls,"
                    " or give certificate files"
                )
                yield Finding(Rule.PRIVATE_NAME, (*site.path, "hostnames", at), message)


def _is_private(name: str) -> bool:
    if "." not in name:
        return True
    try:
        return not ip_address(name).is_global
    except ValueError:
        # .test and .example are reserved, yet written in examples and tests: an operator who asks a CA is told by it.
        return name.endswith(tuple(suffix for suffix in _PRIVATE_SUFFIXES if suffix not in (".test", ".example")))


def _loops(deployment: Deployment) -> Iterator[Finding]:
    listening = [address for listener in deployment.all_listeners for address in listener.addresses]
    for upstream in deployment.all_upstreams:
        for at, server in enumerate(upstream.options.servers):
            if any(_reaches(server.address, address) for address in listening):
                written = upstream.path[:1] == ("upstreams",)
                path: Path = (*upstream.path, "servers", at, "address") if written else upstream.path
                message = f"{server.address} is where this proxy itself listens; a request would circle"
                yield Finding(Rule.LOOP, path, message)


def _reaches(server: ServerAddress, listener: ListenAddress) -> bool:
    if server.is_unix or server.port != listener.port:
        return False
    return server.is_loopback if listener.host in ("", "0.0.0.0") else server.host == listener.host


def _routes(site: ResolvedSite) -> Iterator[Finding]:
    """Yield routes that an earlier one leaves nothing for."""
    for at, route in enumerate(site.routes):
        for earlier in site.routes[:at]:
            covers = _covers(earlier, route)
            if covers is False:
                continue
            line = f"routes[{earlier.path[-1]}]" if "routes" in earlier.path else "an earlier route"
            shown = f"{earlier.match.path.value} ({line})"
            if covers:
                yield Finding(Rule.UNREACHABLE, route.path, f"never reached: {shown} stands above it and takes all of it")
            else:
                yield Finding(Rule.UNREACHABLE_REGEX, route.path, f"probably never reached: {shown} stands above it")
            break


def _covers(earlier: ResolvedRoute, later: ResolvedRoute) -> bool | None:
    first, second = earlier.match, later.match
    if first.methods and not (second.methods and set(second.methods) <= set(first.methods)):
        return False
    for mine, its in ((first.headers, second.headers), (first.query, second.query)):
        if any(its.get(name) != value for name, value in mine.items()):
            return False
    return first.path.covers(second.path)


def _timeouts(site: ResolvedSite) -> Iterator[Finding]:
    for route in site.routes:
        timeouts = route.policies.timeouts
        attempt, whole = timeouts.backend_request, timeouts.request
        if attempt is not None and not whole.is_off and (attempt.is_off or attempt > whole):
            message = f"one attempt may take {attempt}, all of them {whole}; make backend_request at most as long as request"
            yield Finding(Rule.ORDER, (*route.where("timeouts"), "backend_request"), message)


def _trust(deployment: Deployment) -> Iterator[Finding]:
    names = deployment.trust.trusted_proxies
    if "any" in names:
        at = names.index("any")
        message = "`any` believes everybody who reaches a listener; anyone can forge a client's address"
        yield Finding(Rule.TRUST_ANY, ("trust", "trusted_proxies", at), message)


def _unused(deployment: Deployment) -> Iterator[Finding]:
    used = {upstream.name for upstream in deployment.all_upstreams}
    for name, upstream in deployment.spec.upstreams.items():
        if name not in used:
            yield Finding(Rule.UNUSED, ("upstreams", name), f"nothing uses the upstream '{name}'", key=True)
        yield from _twice(("upstreams", name, "servers"), [server.address for server in upstream.servers], "server")
    for listener in deployment.all_listeners:
        if listener.tls:
            pairs = [pair.cert for pair in listener.tls.certificates]
            yield from _twice((*listener.path, "tls", "certificates"), pairs, "certificate")
    for listener in deployment.listeners:
        if deployment.sites and not deployment.on(listener) and not listener.redirect_port:
            yield Finding(Rule.UNUSED, listener.path, f"no site is on the listener '{listener.name}'", key=True)


def _twice(path: Path, values: Sequence[object], what: str) -> Iterator[Finding]:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield Finding(Rule.DUPLICATE, (*path, at), f"the {what} {value} stands here twice; remove one")


def _guesses(deployment: Deployment) -> Iterator[Finding]:
    if deployment.spec.appserver is not None:
        return
    for upstream in deployment.all_upstreams:
        if "protocol" not in upstream.options.model_fields_set and upstream.path[:1] == ("upstreams",):
            message = (
                "'protocol' is left out and h2c is assumed; a server that speaks HTTP/1.1 only would be 502 for"
                " everything: write protocol: h2c or protocol: http1, or the appserver section"
            )
            yield Finding(Rule.GUESS, upstream.path, message, key=True)
