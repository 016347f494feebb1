"""The Caddyfile as a whole: global options, listeners, and a block for each site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from posixpath import basename, dirname

from proxyconf.facts.gate import Gate
from proxyconf.proxies.caddy.handles import routes
from proxyconf.proxies.caddy.matchers import matcher
from proxyconf.proxies.caddy.plan import NOTHING, Block, Files, Handle, Matcher, Page, Plan, Server, Tls, Words
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedSite
from proxyconf.syntax.caddyfile import joined
from proxyconf.syntax.words import Raw, raw

__all__ = ["plan"]

# The client's own spellings of what the proxy says; before 2.11.4 Caddy lets '_' pass for '-'.
_ERASED = ("X-Forwarded-*", "Forwarded", "X-Real-IP")
_ERASED_ALIASES = ("X_Forwarded*", "X-Forwarded_*", "X_Real*", "X-Real_*")
# Caddy passes any upgrade on to an HTTP/1.1 upstream: one to h2c would tunnel requests past every rule.
_OTHER_PROTOCOL = matcher("other_protocol", (Raw("header Upgrade *"),), (Raw("not header_regexp Upgrade (?i)^websocket$"),))
_CLIENT_FIELDS = {"cf-connecting-ip": "CF-Connecting-IP", "x-real-ip": "X-Real-IP"}


def plan(deployment: Deployment, gate: Gate) -> Plan:
    """Return what the Caddyfile is to say."""
    secured = [listener for listener in deployment.listeners if listener.tls]
    sources = {listener.tls.source for listener in secured if listener.tls}
    internal = "internal" in sources
    names = [name for site in deployment.sites for name in site.hostnames if not name.startswith("*.")]
    acme = next((listener.tls.acme for listener in secured if listener.tls and listener.tls.acme), None)
    admin = gate.target.admin
    return Plan(
        admin="off" if admin == "off" else f"unix/{admin.removeprefix('unix:')}",
        email=(acme.email if acme else None) or "",
        acme_ca=(acme.directory if acme else None) or "",
        # Redirects are ours: Caddy's would open port 80 unasked.
        auto_https=Raw("off" if sources <= {"files"} else "disable_redirects"),
        internal_ca=internal,
        # The certificate for a client that names no host, or one of no site; it can then be told 421.
        fallback_sni=names[0] if internal and names else "",
        grace_period=raw(deployment.drain),
        metrics=deployment.spec.metrics is not None and gate.can("metrics"),
        extra=_lines(deployment.raw("caddy", "global")),
        servers=tuple(_servers(deployment, gate)),
        blocks=tuple(_blocks(deployment, gate)),
    )


def _lines(text: str) -> tuple[Raw, ...]:
    return tuple(Raw(line) for line in text.splitlines())


def _servers(deployment: Deployment, gate: Gate) -> Iterator[Server]:
    """Yield one `servers` for all listeners where they are alike, else one for each."""
    made = [(listener, _server(deployment, listener, gate)) for listener in deployment.listeners]
    if len({server for _, server in made}) == 1:
        yield made[0][1]
        return
    for listener, server in made:
        for address in listener.addresses:
            host = f"[{address.host}]" if ":" in address.host else address.host
            yield Server(f"{host}:{address.port}", *(getattr(server, name) for name in Server.__slots__[1:]))


def _server(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> Server:
    sites = deployment.on(listener) or deployment.sites
    policies = next((route.policies for site in sites for route in site.routes), deployment.sites[0].policies)
    spoken = [("http1", "h1"), ("h2", "h2"), ("h3", "h3")]
    wanted = set(listener.options.protocols) if listener.tls else {"http1", "h2"}
    balancer = listener.options.proxy_protocol
    trust = deployment.trust
    idle = policies.timeouts.stream_idle
    field = _CLIENT_FIELDS.get(trust.client_address)
    return Server(
        address="",
        protocols=Raw(" ".join(short for long, short in spoken if long in wanted)),
        balancers=tuple(map(_prefix, balancer.trusted)) if balancer and balancer.accept != "off" else (),
        trusted=deployment.trusted_networks,
        client_ip_headers=(Raw(field),) if field else (),
        max_header_size=raw(policies.limits.request_headers),
        idle=NOTHING if policies.timeouts.client_idle.is_off else raw(policies.timeouts.client_idle),
        body_idle=raw(idle) if gate.can("stream_idle") and not idle.is_off else NOTHING,
        extra=_lines(deployment.raw("caddy", "servers")),
    )


def _prefix(text: str) -> str:
    """Return an address as the network of it alone."""
    return text if "/" in text else f"{text}/{128 if ':' in text else 32}"


def _blocks(deployment: Deployment, gate: Gate) -> Iterator[Block]:
    # TLS first: an operator reads the sites before the redirects to them.
    for listener in sorted(deployment.listeners, key=lambda listener: listener.tls is None):
        sites = deployment.on(listener)
        if listener.redirect_port is not None:
            yield from _redirects(deployment, listener, sites, gate)
        else:
            for site in sites:
                yield from _site(deployment, listener, site, gate)
        if not any(site.is_any for site in sites):
            unknown = Handle(respond=(Raw("421"),))
            yield _block(listener, ("",), (unknown,), comment="A host name of no site.")
    if deployment.spec.metrics is not None and gate.can("metrics"):
        yield _metrics(deployment.spec.metrics.listen)


def _metrics(listen: ListenAddress) -> Block:
    bind = (listen.host,) if listen.host else ()
    return Block(
        (f"http://:{listen.port}",), bind, None, (), (), (), (), (), (), True, (), (Raw("metrics /metrics"),), NOTHING
    )


def _block(
    listener: ResolvedListener, names: tuple[str, ...], handles: tuple[Handle, ...], comment: str = ""
) -> Block:
    addresses, bind = _addresses(listener, names)
    return Block(addresses, bind, _tls(listener), (), (), (), (), (), handles, len(handles) == 1, (), (), Raw(comment))


def _addresses(listener: ResolvedListener, names: tuple[str, ...]) -> tuple[Words, Words]:
    """Return the addresses of a block and the hosts it binds to."""
    ports = dict.fromkeys(address.port for address in listener.addresses)
    # Caddy turns "0.0.0.0" into every address, IPv6 too, unless the network says otherwise.
    hosts = [
        "tcp4/0.0.0.0" if address.host == "0.0.0.0" else address.host
        for address in listener.addresses
        if address.host
    ]
    addresses = tuple(f"{listener.scheme}://{name}:{port}" for port in ports for name in names)
    return addresses, tuple(dict.fromkeys(hosts))


def _tls(listener: ResolvedListener) -> Tls | None:
    tls = listener.tls
    if tls is None:
        return None
    lines: list[Words] = []
    if tls.profile == "modern":
        lines.append((Raw("protocols tls1.3"),))
    auth = tls.client_auth
    mode = {"none": "", "optional": "verify_if_given", "require": "require_and_verify"}[auth.mode]
    pairs: list[Words] = [(pair.cert, pair.key) for pair in tls.certificates]
    pairs += [(Raw("internal"),)] if tls.source == "internal" else []
    return Tls(tuple(pairs[:-1]), pairs[-1] if pairs else (), tuple(lines), auth.ca or "", Raw(mode))


def _site(
    deployment: Deployment, listener: ResolvedListener, site: ResolvedSite, gate: Gate, before: tuple[Handle, ...] = (),
    matchers: tuple[Matcher, ...] = (),
) -> Iterator[Block]:  # fmt: skip
    """Yield the block of a site, and one for the names that lead to its canonical one."""
    names = site.hostnames or ("",)
    if site.canonical and site.aliases:
        port = _port(listener.public_port, listener.scheme)
        target = joined(f"{listener.scheme}://{site.canonical}{port}", Raw("{uri}"))
        yield _block(listener, site.aliases, (Handle(redirect=(target, Raw("308"))),))
        names = (site.canonical,)
    made = routes(deployment, site, gate)
    kept, named = _kept_name(deployment)
    handles = (*before, *made.handles)
    addresses, bind = _addresses(listener, names)
    proxied = any(handle.proxies or handle.auth for handle in handles)
    matchers = (*matchers, _OTHER_PROTOCOL) if proxied else matchers
    flat = len(handles) == 1 and not handles[0].matcher and handles[0].auth is None
    yield Block(
        addresses, bind, _tls(listener), _log(deployment), tuple(_vars(deployment, proxied)), named,
        (*matchers, *kept, *made.matchers), tuple(_prepare(deployment, gate)) if proxied else (), handles, flat,
        tuple(_pages(site)), _lines(deployment.raw_of_site("caddy", site)), NOTHING,
    )  # fmt: skip


def _port(port: int, scheme: str) -> str:
    return "" if (scheme, port) in (("https", 443), ("http", 80)) else f":{port}"


def _kept_name(deployment: Deployment) -> tuple[tuple[Matcher, ...], tuple[Words, ...]]:
    """Return what keeps the name that a trusted proxy gave a request."""
    request_id = deployment.trust.request_id
    if request_id is None or not request_id.accept_from_trusted or not deployment.trusted_networks:
        return (), ()
    field = Raw(f"header {request_id.header} *")
    named = matcher("named", (Raw("remote_ip"), *deployment.trusted_networks), (field,))
    return (named,), ((named.name, Raw(f"request_id {{header.{request_id.header}}}")),)


def _vars(deployment: Deployment, proxied: bool) -> Iterator[Words]:
    """Yield what is remembered before fields are erased.

    `header_up -X-Forwarded-*` would erase Caddy's own words too. Of a trusted proxy's words, scheme and
    host are carried around the erasing in variables; Caddy overwrites both if the peer is not trusted.
    """
    if deployment.trusted_networks and proxied:
        yield (Raw("lasthop_proto {header.X-Forwarded-Proto}"),)
        yield (Raw("lasthop_host {header.X-Forwarded-Host}"),)
    if deployment.trust.request_id is not None:
        yield (Raw("request_id {http.request.uuid}"),)


def _prepare(deployment: Deployment, gate: Gate) -> Iterator[Words]:
    """Erase what the client says about itself; Caddy then says it, in `reverse_proxy`."""
    aliases = () if gate.can("underscore_fields_dropped") else _ERASED_ALIASES
    for name in (*_ERASED, *aliases):
        yield (Raw(f"-{name}"),)
    yield _OTHER_PROTOCOL.name, Raw("-Upgrade")
    if deployment.trusted_networks:
        yield (Raw("X-Forwarded-Proto {vars.lasthop_proto}"),)
        yield (Raw("X-Forwarded-Host {vars.lasthop_host}"),)


def _pages(site: ResolvedSite) -> Iterator[Page]:
    seen = set()
    for route in site.routes:
        errors = route.policies.errors
        for page in errors.pages if errors else ():
            if page not in seen:
                seen.add(page)
                statuses = tuple(raw(status) for status in page.statuses)
                yield Page(NOTHING, statuses, dirname(page.file), f"/{basename(page.file)}")


def _redirects(
    deployment: Deployment, listener: ResolvedListener, sites: tuple[ResolvedSite, ...], gate: Gate
) -> Iterator[Block]:
    assert listener.redirect_port is not None
    target = Raw(f"https://{{host}}{_port(listener.redirect_port, 'https')}{{uri}}")
    redirect = Handle(redirect=(target, Raw("308")))
    webroot = listener.options.acme_webroot
    challenges = (Handle(Raw("/.well-known/acme-challenge/*"), files=Files(NOTHING, webroot, "", "", ())),) if webroot else ()
    if not deployment.trusted_networks:
        names = tuple(name for site in sites for name in (site.hostnames or ("",)))
        yield _block(listener, names, (*challenges, redirect))
        return
    # A balancer in front may have ended TLS and say so; whoever it speaks for is not sent round again.
    untrusted = matcher("untrusted", (Raw("not remote_ip"), *deployment.trusted_networks))
    cleartext = matcher("cleartext", (Raw("not header X-Forwarded-Proto https"),))
    before = (*challenges, *(replace(redirect, matcher=one.name) for one in (untrusted, cleartext)))
    for site in sites:
        yield from _site(deployment, listener, site, gate, before, (untrusted, cleartext))


def _log(deployment: Deployment) -> Words:
    return (Raw("json"),) if deployment.spec.logging is not None else ()
