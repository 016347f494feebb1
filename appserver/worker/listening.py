"""The listeners of a configuration: the default one and those of the file, each with its own settings."""

from __future__ import annotations

from collections.abc import Sequence

from appserver.config.options import Config, ListenerOptions
from appserver.net.listeners import DEFAULT_OPTION, HTTP1, Listener, ListenerSettings, open_all
from appserver.net.peer import TrustList

__all__ = ["open_listeners"]


def open_listeners(config: Config) -> list[Listener]:
    """Bind every address of every listener, or none; raises ConfigError naming the first that cannot be had."""
    opened: list[Listener] = []
    try:
        server = config.server
        protocols = server.http_protocols if server.http1 else tuple(p for p in server.http_protocols if p != HTTP1)
        opened += _open(server, protocols, config.forwarded.trust, DEFAULT_OPTION, opened)
        for table in config.listeners:
            opened += _open(table, table.http_protocols, table.trust, f"{table.where} bind", opened)
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


def _open(
    options: ListenerOptions, protocols: tuple[str, ...], trust: Sequence[str], name: str, beside: Sequence[Listener]
) -> list[Listener]:
    settings = ListenerSettings(TrustList(trust), protocols)
    return open_all(options.bind, options.unix_mode, settings, options.unix_owner, name, beside)
