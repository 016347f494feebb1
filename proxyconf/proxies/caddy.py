"""Caddy: a site as a Caddyfile."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from proxyconf.addresses import ListenAddress, ServerAddress
from proxyconf.findings import Path
from proxyconf.render import Bundle, Gate, Target
from proxyconf.spec import Site, Spec, Upstream
from proxyconf.syntax.braces import Argument, Blank, Block, Comment, Directive, Node, Raw, Unquotable
from proxyconf.syntax.caddyfile import CADDYFILE, quote

__all__ = ["RENDERER"]

_FILE = "Caddyfile"
# The client's own spellings of what the proxy says; before 2.11.4 Caddy lets '_' pass for '-'.
_ERASED = ("X-Forwarded-*", "Forwarded", "X-Real-IP")
_ERASED_ALIASES = ("X_Forwarded*", "X-Forwarded_*", "X_Real*", "X-Real_*")
# What Caddy holds for the whole listener, and where a site says it.
_PER_LISTENER = (("limits", "request_headers"), ("timeouts", "client_idle"), ("timeouts", "stream_idle"))


class Caddy:
    """The renderer."""

    name = "caddy"
    version_command = ("caddy", "version")

    def render(self, spec: Spec, target: Target) -> Bundle:
        """Return the Caddyfile, or nothing but findings if it cannot be written."""
        gate = Gate(target)
        _judge(spec, target, gate)
        bundle = Bundle({}, tuple(gate.findings), ("caddy", "validate", "--adapter", "caddyfile", "--config", _FILE))
        if bundle.refused:
            return bundle
        blocks = (_globals(spec, target, gate), *_sites(spec, gate))
        tree = tuple(node for block in blocks for node in (block, Blank()))[:-1]
        return Bundle({_FILE: CADDYFILE.print(tree)}, bundle.findings, bundle.validate)


RENDERER = Caddy()


def _judge(spec: Spec, target: Target, gate: Gate) -> None:
    """Find all that this Caddy cannot do."""
    _judge_texts(spec.model_copy(update={"appserver": None}), (), gate)
    _judge_sockets(spec, target, gate)
    _judge_listener_values(spec, gate)
    if target.admin != "off":
        gate.needs("admin_unix", (*target.path, "admin"), "admin: off")
    if spec.trust.trusted_proxies:
        gate.needs("trusted_proxies", ("trust", "trusted_proxies"), "no trusted_proxies")
    for index, site in enumerate(spec.sites):
        path: Path = ("sites", index)
        upstream = spec.upstream(site)
        gate.needs(f"{upstream.protocol}_upstream", (*path, "upstream"), "another protocol")
        _judge_certificates(spec, site, (*path, "hostnames"), gate)
        if "stream_idle" in site.timeouts.model_fields_set:
            gate.needs(
                "stream_idle", (*path, "timeouts", "stream_idle"), "remove the key: older versions have no such limit"
            )


def _judge_texts(value: object, path: Path, gate: Gate) -> None:
    """Try every text of the site on the Caddyfile's quoting, so that a refusal has a place."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            _judge_texts(getattr(value, name), (*path, name), gate)
    elif isinstance(value, tuple | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _judge_texts(item, (*path, key), gate)
    elif isinstance(value, str | ServerAddress):
        try:
            quote(str(value))
        except Unquotable as error:
            gate.refuse(path, f"{error}")


def _judge_sockets(spec: Spec, target: Target, gate: Gate) -> None:
    places = [((*target.path, "admin"), target.admin)]
    for name, upstream in spec.upstreams.items():
        places += [
            (("upstreams", name, "servers", at), str(server.address)) for at, server in enumerate(upstream.servers)
        ]
    for index, site in enumerate(spec.sites):
        places += [(("sites", index, "upstream"), str(server.address)) for server in spec.upstream(site).servers]
    refused: set[str] = set()
    for path, text in places:
        if text.startswith("unix:") and ("|" in text or "://" in text) and text not in refused:
            refused.add(text)
            gate.refuse(path, "Caddy reads '|' and '://' in the path of a unix socket as its own; use another path")


def _judge_listener_values(spec: Spec, gate: Gate) -> None:
    first = spec.sites[0]
    for index, site in enumerate(spec.sites[1:], start=1):
        for group, key in _PER_LISTENER:
            wanted, given = (getattr(getattr(one, group), key) for one in (site, first))
            if wanted != given:
                message = (
                    f"Caddy has one '{key}' for all sites of a listener: here {wanted},"
                    f" in the first site {given}; make them equal"
                )
                gate.refuse(("sites", index, group, key), message)


def _judge_certificates(spec: Spec, site: Site, path: Path, gate: Gate) -> None:
    if spec.listeners.https is None:
        return
    source = spec.listeners.https.tls.source
    gate.needs(f"tls_{source}", ("listeners", "https", "tls"), "tls: {certificates: [...]}")
    if source != "automatic":
        return
    for index, name in enumerate(site.hostnames):
        if name.startswith("*."):
            gate.refuse(
                (*path, index), f"an automatic certificate for {name} needs a DNS challenge; give certificate files"
            )


def _block(name: str, *body: Node) -> Block:
    return Block((Raw(name),), body)


def _line(name: str, *words: Argument) -> Directive:
    return Directive(name, words)


def _raw(name: str, words: object) -> Directive:
    return Directive(name, (Raw(words),))


def _globals(spec: Spec, target: Target, gate: Gate) -> Node:
    https = spec.listeners.https
    source = https.tls.source if https else "files"
    drain = spec.appserver.drain if spec.appserver else "30s"
    return Block((), (
        _line("admin", "off" if target.admin == "off" else f"unix/{target.admin.removeprefix('unix:')}"),
        _raw("persist_config", "off"),
        # Redirects are ours: Caddy's would open port 80 unasked.
        _raw("auto_https", "off" if source == "files" else "disable_redirects"),
        *(_internal_ca(spec) if source == "internal" else ()),
        _raw("grace_period", drain),
        _block("servers", *_server(spec, gate)),
    ))  # fmt: skip


def _internal_ca(spec: Spec) -> Iterator[Node]:
    yield _line("skip_install_trust")
    names = [name for site in spec.sites for name in site.hostnames if not name.startswith("*.")]
    if names:
        # The certificate for a client that names no host, or one of no site; it can then be told 421.
        yield _line("fallback_sni", names[0])


def _server(spec: Spec, gate: Gate) -> Iterator[Node]:
    first = spec.sites[0]
    yield _raw("protocols", "h1 h2")
    if spec.trust.trusted_proxies:
        yield _line("trusted_proxies", Raw("static"), *spec.trust.trusted_proxies)
        # Without it the leftmost address of X-Forwarded-For wins, which the client writes.
        yield _line("trusted_proxies_strict")
    yield _raw("max_header_size", first.limits.request_headers)
    idle = first.timeouts.stream_idle
    body = (_raw("read_body_idle", idle), _raw("write_idle", idle)) if gate.can("stream_idle") else ()
    yield _block("timeouts", _raw("read_header", "10s"), _raw("idle", first.timeouts.client_idle), *body)


def _sites(spec: Spec, gate: Gate) -> Iterator[Node]:
    http, https = spec.listeners.http, spec.listeners.https
    if https:
        tls = tuple(_tls(spec))
        for site in spec.sites:
            yield _site("https", https.address, site.hostnames, (*tls, *_handlers(spec, site, gate)))
        yield _site("https", https.address, ("",), (*tls, *_unknown()))
    if http and http.redirect and https:
        names = tuple(name for site in spec.sites for name in site.hostnames)
        yield _site("http", http.address, names, (_redirect(https.address),))
    elif http:
        for site in spec.sites:
            yield _site("http", http.address, site.hostnames, tuple(_handlers(spec, site, gate)))
    if http:
        yield _site("http", http.address, ("",), tuple(_unknown()))


def _site(scheme: str, address: ListenAddress, names: tuple[str, ...], body: tuple[Node, ...]) -> Block:
    # Caddy turns "0.0.0.0" into every address, IPv6 too, unless the network says otherwise.
    host = "tcp4/0.0.0.0" if address.host == "0.0.0.0" else address.host
    bind = (_line("bind", host),) if host else ()
    return Block(tuple(f"{scheme}://{name}:{address.port}" for name in names), (*bind, *body))


def _tls(spec: Spec) -> Iterator[Node]:
    https = spec.listeners.https
    if https and https.tls.source == "internal":
        yield _raw("tls", "internal")
    for pair in https.tls.certificates if https else ():
        yield _line("tls", pair.cert, pair.key)


def _unknown() -> Iterator[Node]:
    yield Comment("A host name of no site.")
    yield _raw("respond", "421")


def _redirect(address: ListenAddress) -> Node:
    port = "" if address.port == 443 else f":{address.port}"
    return _line("redir", Raw(f"https://{{host}}{port}{{uri}}"), Raw("308"))


def _handlers(spec: Spec, site: Site, gate: Gate) -> Iterator[Node]:
    if site.limits.request_body.bytes:
        yield _block("request_body", _raw("max_size", site.limits.request_body))
    yield from _forwarded(spec, gate)
    yield _proxy(spec, site, spec.upstream(site))


def _forwarded(spec: Spec, gate: Gate) -> Iterator[Node]:
    """Erase what the client says about itself; Caddy then says it, in `reverse_proxy`.

    `header_up -X-Forwarded-*` would erase Caddy's own words too. Of a trusted proxy's words, scheme and
    host are carried around the erasing in variables; Caddy overwrites both if the peer is not trusted.
    """
    kept = (
        {"X-Forwarded-Proto": "lasthop_proto", "X-Forwarded-Host": "lasthop_host"} if spec.trust.trusted_proxies else {}
    )
    if kept:
        yield _block("vars", *(_raw(variable, f"{{header.{field}}}") for field, variable in kept.items()))
    aliases = () if gate.can("underscore_fields_dropped") else _ERASED_ALIASES
    for field in (*_ERASED, *aliases):
        yield _raw("request_header", f"-{field}")
    for field, variable in kept.items():
        yield _raw("request_header", f"{field} {{vars.{variable}}}")


def _proxy(spec: Spec, site: Site, upstream: Upstream) -> Node:
    versions = {"h2c": "h2c", "http1": "1.1"}[upstream.protocol]
    # One address, Caddy's verdict, so that the app server has to trust nobody but Caddy.
    client = (_raw("header_up", "X-Forwarded-For {client_ip}"),) if spec.trust.trusted_proxies else ()
    # In turn, so that a retry meets another server; Caddy repeats only what was not sent, or a GET.
    balance = (_raw("lb_policy", "round_robin"), _raw("lb_retries", "2")) if len(upstream.servers) > 1 else ()
    return Block((Raw("reverse_proxy"), *(_dial(server.address) for server in upstream.servers)), (
        *client,
        *balance,
        _raw("flush_interval", "-1"),
        _block(
            "transport http",
            _raw("versions", versions),
            # Else Caddy asks for gzip where the client did not, and unpacks it.
            _raw("compression", "off"),
            _raw("dial_timeout", site.timeouts.connect),
            _raw("response_header_timeout", site.timeouts.request),
            _raw("keepalive", upstream.connections.idle_timeout),
        ),
    ))  # fmt: skip


def _dial(address: ServerAddress) -> str:
    return f"unix/{address.path}" if address.is_unix else str(address)
