"""The listeners of a configuration: the default one and those of the file, each with its own settings."""

from __future__ import annotations

from collections.abc import Sequence

from appserver.accepted import Forwarding
from appserver.config.options import DIALECTS, Config, ListenerOptions
from appserver.http.forwarding import forwarding_policy
from appserver.net.listeners import DEFAULT_OPTION, HTTP1, Listener, ListenerSettings, open_all
from appserver.net.peer import TrustList
from appserver.net.proxy_header import VERSIONS, RequiredProxyHeader
from appserver.net.tls import Tls, TlsFiles

__all__ = ["open_listeners"]


def open_listeners(config: Config) -> list[Listener]:
    """Bind every address of every listener, or none; raises ConfigError naming the first that cannot be had."""
    opened: list[Listener] = []
    try:
        server = config.server
        protocols = server.http_protocols if server.http1 else tuple(p for p in server.http_protocols if p != HTTP1)
        max_header = config.limit.proxy_header
        forwarded = config.forwarded
        policies = {name: forwarding_policy(name, forwarded.fields, forwarded.strip) for name in DIALECTS}
        forwarding = policies[forwarded.dialect]
        settings = _settings(server, protocols, forwarded.trust, max_header, "server.certfile", forwarding)
        opened += open_all(server.bind, server.unix_mode, settings, server.unix_owner, DEFAULT_OPTION)
        for table in config.listeners:
            name = f"{table.where} certfile"
            settings = _settings(table, table.http_protocols, table.trust, max_header, name, policies[table.forwarded_dialect])
            opened += open_all(
                table.bind, table.unix_mode, settings, table.unix_owner, f"{table.where} bind", opened
            )
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


def _settings(
    options: ListenerOptions, protocols: tuple[str, ...], trusted: Sequence[str], max_header: int, name: str,
    forwarding: Forwarding,
) -> ListenerSettings:  # fmt: skip
    """Return a listener's settings; `name` is how errors name its certfile. Raises ConfigError."""
    trust = TrustList(trusted)
    header = None
    if options.proxy_protocol != "off":
        senders = TrustList(options.proxy_protocol_from)
        header = RequiredProxyHeader(VERSIONS[options.proxy_protocol], senders, trust, max_header)
    return ListenerSettings(
        trust, protocols, _tls(options, protocols, name), header, forwarding, options.early_hints, options.h2c_upgrade
    )


def _tls(options: ListenerOptions, protocols: tuple[str, ...], name: str) -> Tls | None:
    if not options.certfile:
        return None
    files = TlsFiles(
        name, options.certfile, options.keyfile, options.keyfile_password, options.ca_certs, options.cert_reqs,
        options.crl_file, options.ciphers, options.tls_min_version,
    )  # fmt: skip
    return Tls(files, protocols)
