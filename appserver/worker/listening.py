"""The listeners of a configuration: the default one and those of the file, each with its own settings."""

from __future__ import annotations

from collections.abc import Sequence

from appserver.config.options import Config, ListenerOptions
from appserver.net.listeners import DEFAULT_OPTION, HTTP1, Listener, ListenerSettings, open_all
from appserver.net.peer import TrustList
from appserver.net.proxy_header import VERSIONS, RequiredProxyHeader

__all__ = ["open_listeners"]


def open_listeners(config: Config) -> list[Listener]:
    """Bind every address of every listener, or none; raises ConfigError naming the first that cannot be had."""
    opened: list[Listener] = []
    try:
        server = config.server
        protocols = server.http_protocols if server.http1 else tuple(p for p in server.http_protocols if p != HTTP1)
        max_header = config.limit.proxy_header
        settings = _settings(server, protocols, config.forwarded.trust, max_header)
        opened += open_all(server.bind, server.unix_mode, settings, server.unix_owner, DEFAULT_OPTION)
        for table in config.listeners:
            settings = _settings(table, table.http_protocols, table.trust, max_header)
            opened += open_all(
                table.bind, table.unix_mode, settings, table.unix_owner, f"{table.where} bind", opened
            )
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


def _settings(
    options: ListenerOptions, protocols: tuple[str, ...], trusted: Sequence[str], max_header: int
) -> ListenerSettings:
    trust = TrustList(trusted)
    header = None
    if options.proxy_protocol != "off":
        senders = TrustList(options.proxy_protocol_from)
        header = RequiredProxyHeader(VERSIONS[options.proxy_protocol], senders, trust, max_header)
    return ListenerSettings(trust, protocols, proxy_protocol=header)
