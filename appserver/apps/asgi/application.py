"""The ASGI side of the waist: an exchange for each request."""

from __future__ import annotations

from appserver.apps.asgi.exchange import Exchange
from appserver.apps.asgi.host import Host
from appserver.contract import Application, Receiver, Request, Stream

__all__ = ["AsgiApplication"]


class AsgiApplication(Application):
    """`contract.Application` for ASGI 3."""

    __slots__ = ("host",)

    def __init__(self, host: Host) -> None:
        self.host = host

    def begin(self, request: Request, stream: Stream) -> Receiver:
        """Take a request; `Exchange.start` runs the application."""
        exchange = Exchange.__new__(Exchange)
        exchange.open(self.host, request, stream)
        return exchange
