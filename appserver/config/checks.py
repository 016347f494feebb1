"""What options forbid each other: one function per rule, named for what it forbids.

A rule takes the whole configuration and yields what breaks it; the caller adds where the value came from.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appserver.config.catalog import OPTIONS
from appserver.config.grammar import TcpBind, parse_app, parse_bind, parse_mode, parse_owner, parse_trust
from appserver.config.options import Config, ListenerOptions
from appserver.config.values import BadValue, quoted, spell

__all__ = ["RULES", "Finding", "findings", "missing_application"]

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{1,5})?")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: the option to blame, why, and the option it clashes with."""

    option: str
    problem: str
    other: str = ""


Findings = Iterator[Finding]


def findings(config: Config) -> list[Finding]:
    """Return everything that is wrong with a configuration, whatever it is used for."""
    return [finding for rule in RULES for finding in rule(config)]


def missing_application(config: Config) -> Findings:
    """Without an application there is nothing to run; asked only where one is needed."""
    if not config.server.app:
        yield Finding("server.app", "no application given; write: appserver MODULE:APP")


def malformed_application(config: Config) -> Findings:
    """`app` is not MODULE or MODULE:ATTRIBUTE."""
    if config.server.app:
        yield from _unreadable("server.app", parse_app, config.server.app)


def no_address(config: Config) -> Findings:
    """`bind` is empty, and there is no other listener; or that of a table is."""
    for key, listener in _listeners(config):
        if not listener.bind and (key != "server" or not config.listeners):
            yield Finding(f"{key}.bind", "no address to listen on; write HOST:PORT or unix:PATH")


def option_without_listener(config: Config) -> Findings:
    """An option of the default listener is set, and that one is not opened."""
    if config.server.bind or not config.listeners:
        return
    blank = type(config.server)()
    for name in ("http1", *(item.name for item in dataclasses.fields(ListenerOptions))):
        if name != "bind" and getattr(config.server, name) != getattr(blank, name):
            reason = "the default listener is not opened; give bind, or write this into the [[listener]] that it is for"
            yield Finding(f"server.{name}", reason)


def malformed_address(config: Config) -> Findings:
    """`bind` has an entry that is not an address."""
    for key, listener in _listeners(config):
        for text in listener.bind:
            yield from _unreadable(f"{key}.bind", parse_bind, text)


def duplicate_address(config: Config) -> Findings:
    """Two entries of `bind` are the same socket."""
    seen: dict[object, str] = {}
    for key, listener in _listeners(config):
        for text in listener.bind:
            try:
                address = parse_bind(text)
            except BadValue:
                continue
            if isinstance(address, TcpBind) and address.port == 0:
                continue
            if address in seen:
                yield Finding(f"{key}.bind", f"{quoted(text)} is the same address as {quoted(seen[address])}; drop one")
            seen.setdefault(address, text)


def malformed_mode(config: Config) -> Findings:
    """`unix_mode` is not octal."""
    for key, listener in _listeners(config):
        yield from _unreadable(f"{key}.unix_mode", parse_mode, listener.unix_mode)


def malformed_owner(config: Config) -> Findings:
    """`unix_owner` is not USER, USER:GROUP or :GROUP."""
    for key, listener in _listeners(config):
        if listener.unix_owner:
            yield from _unreadable(f"{key}.unix_owner", parse_owner, listener.unix_owner)


def no_protocol(config: Config) -> Findings:
    """`http_protocols` is empty, or nothing is left of it."""
    for key, listener in _listeners(config):
        if not listener.http_protocols:
            yield Finding(f"{key}.http_protocols", "no HTTP version is left; write h2, http/1.1 or both")
    if not config.server.http1 and config.server.http_protocols == ("http/1.1",):
        yield Finding("server.http1", "no HTTP version is left", other="server.http_protocols")


def malformed_root_path(config: Config) -> Findings:
    """`root_path` would not join with a path."""
    root = config.server.root_path
    if root and (not root.startswith("/") or root.endswith("/") or "?" in root or "#" in root):
        yield Finding("server.root_path", f"{quoted(root)} must start with '/', not end with it, and have no query")


def root_path_in_target_without_it(config: Config) -> Findings:
    """Targets are said to begin with a path that is not given."""
    if config.server.root_path_in_target and not config.server.root_path:
        yield Finding("server.root_path_in_target", "needs the path that they begin with", other="server.root_path")


def malformed_server_header(config: Config) -> Findings:
    """`server_header` is not a field value (RFC 9110 section 5.5)."""
    text = config.server.server_header
    if text and not _FIELD_VALUE.fullmatch(text):
        yield Finding("server.server_header", f"{quoted(text)} is not visible ASCII text")


def connection_window_below_stream_window(config: Config) -> Findings:
    """One stream could never use the window it is offered."""
    if config.h2.connection_window < config.h2.stream_window:
        yield _exceeds(config, "h2.stream_window", "h2.connection_window")


def field_above_head(config: Config) -> Findings:
    """One field of the allowed size could never fit."""
    if config.limit.field_size > config.limit.head_size:
        yield _exceeds(config, "limit.field_size", "limit.head_size")


def upgrade_without_cleartext(config: Config) -> Findings:
    """`h2c_upgrade` is set where there is no HTTP/1.1 in cleartext that could become HTTP/2."""
    for key, listener in _listeners(config):
        if not listener.h2c_upgrade:
            continue
        if listener.certfile:
            yield Finding(f"{key}.h2c_upgrade", "over TLS the client and ALPN choose the version", other=f"{key}.certfile")
        elif len(listener.http_protocols) < 2:
            yield Finding(f"{key}.h2c_upgrade", "needs both HTTP versions", other=f"{key}.http_protocols")
    if config.server.h2c_upgrade and not config.server.http1 and not config.server.certfile:
        yield Finding("server.h2c_upgrade", "needs both HTTP versions", other="server.http1")


def certificate_without_key(config: Config) -> Findings:
    """There are keys, and not one for each certificate."""
    for key, listener in _listeners(config):
        if listener.keyfile and len(listener.keyfile) != len(listener.certfile):
            reason = f"{len(listener.keyfile)} keys for {len(listener.certfile)} certificates; give one for each, or none"
            yield Finding(f"{key}.keyfile", reason, other=f"{key}.certfile")


def tls_option_without_certificate(config: Config) -> Findings:
    """An option of TLS is set, and the listener does not speak it."""
    for key, listener in _listeners(config):
        for name in ("keyfile_password", "ca_certs", "crl_file", "ciphers"):
            if getattr(listener, name) and not listener.certfile:
                yield Finding(f"{key}.{name}", "without certfile there is no TLS", other=f"{key}.certfile")
        if listener.cert_reqs != "none" and not listener.certfile:
            yield Finding(f"{key}.cert_reqs", "without certfile there is no TLS", other=f"{key}.certfile")


def client_certificates_without_authority(config: Config) -> Findings:
    """Clients are asked for certificates that nothing can be checked against, or are not asked at all."""
    for key, listener in _listeners(config):
        if listener.certfile and listener.cert_reqs != "none" and not listener.ca_certs:
            reason = "no certificate could be checked; name the authorities by ca_certs"
            yield Finding(f"{key}.cert_reqs", reason, other=f"{key}.ca_certs")
        if listener.certfile and listener.cert_reqs == "none" and (listener.ca_certs or listener.crl_file):
            name = "ca_certs" if listener.ca_certs else "crl_file"
            yield Finding(f"{key}.{name}", "no client is asked for a certificate", other=f"{key}.cert_reqs")


def malformed_password_source(config: Config) -> Findings:
    """`keyfile_password` is not file:PATH or env:NAME."""
    for key, listener in _listeners(config):
        kind, _, name = listener.keyfile_password.partition(":")
        if listener.keyfile_password and (kind not in ("file", "env") or not name):
            # Not repeated: it may be the password itself.
            yield Finding(f"{key}.keyfile_password", "is neither file:PATH nor env:NAME; a password is never an option")


def nobody_sends_the_header(config: Config) -> Findings:
    """A PROXY header is required, and nobody may send one."""
    for key, listener in _listeners(config):
        if listener.proxy_protocol != "off" and not listener.proxy_protocol_from:
            yield Finding(f"{key}.proxy_protocol_from", "nobody could connect; name the proxies", other=f"{key}.proxy_protocol")


def malformed_trust(config: Config) -> Findings:
    """`trust` or `proxy_protocol_from` has an entry that is not a peer."""
    for text in config.forwarded.trust:
        yield from _unreadable("forwarded.trust", parse_trust, text)
    for key, listener in _listeners(config):
        for text in listener.proxy_protocol_from:
            yield from _unreadable(f"{key}.proxy_protocol_from", parse_trust, text)
    for index, table in enumerate(config.listeners):
        if table.trust != config.forwarded.trust:
            for text in table.trust:
                yield from _unreadable(f"listener.{index}.trust", parse_trust, text)


def malformed_origin(config: Config) -> Findings:
    """An entry of `allowed_origins` is nothing that a browser sends as Origin (RFC 6454 6.1)."""
    for text in config.websocket.allowed_origins:
        if text not in ("*", "same-origin", "null") and not _ORIGIN.fullmatch(text):
            reason = f"{quoted(text)} is no origin; write scheme://host or scheme://host:port without a path, same-origin or *"
            yield Finding("websocket.allowed_origins", reason)


def field_without_parameter(config: Config) -> Findings:
    """A word of `fields` is one that Forwarded (RFC 7239) has no parameter for, and no listener reads X-Forwarded-*."""
    dialects = [table.forwarded_dialect for table in config.listeners]
    if config.server.bind or not dialects:
        dialects.append(config.forwarded.dialect)
    if "x-forwarded" not in dialects:
        for word in ("port", "prefix"):
            if word in config.forwarded.fields:
                reason = f"Forwarded has no parameter for {quoted(word)}; drop it" + (" (host says the port)" if word == "port" else "")
                yield Finding("forwarded.fields", reason, other="forwarded.dialect")


RULES: tuple[Callable[[Config], Findings], ...] = (
    malformed_application,
    no_address,
    option_without_listener,
    malformed_address,
    duplicate_address,
    malformed_mode,
    malformed_owner,
    no_protocol,
    malformed_root_path,
    root_path_in_target_without_it,
    malformed_server_header,
    connection_window_below_stream_window,
    field_above_head,
    upgrade_without_cleartext,
    certificate_without_key,
    tls_option_without_certificate,
    client_certificates_without_authority,
    malformed_password_source,
    nobody_sends_the_header,
    malformed_trust,
    malformed_origin,
    field_without_parameter,
)


def _listeners(config: Config) -> Iterator[tuple[str, ListenerOptions]]:
    """Yield each listener with the first part of its options' keys; the default one first."""
    yield "server", config.server
    for index, table in enumerate(config.listeners):
        yield f"listener.{index}", table


def _unreadable(option: str, parse: Callable[[str], object], text: str) -> Findings:
    try:
        parse(text)
    except BadValue as bad:
        yield Finding(option, str(bad))


def _exceeds(config: Config, bigger: str, smaller: str) -> Finding:
    large, small = (spell(OPTIONS[key], _value(config, key)) for key in (bigger, smaller))
    return Finding(bigger, f"{large} is more than {OPTIONS[smaller].toml}, {small}", other=smaller)


def _value(config: Config, key: str) -> int:
    section, _, name = key.partition(".")
    value: int = getattr(getattr(config, section), name)
    return value
