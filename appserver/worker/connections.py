"""The connections of one worker: made, counted, ticked and drained here."""

from __future__ import annotations

import asyncio
from typing import Any

from appserver.accepted import Peer, ServedConnection
from appserver.config.options import Config
from appserver.contract import Application, Request
from appserver.h1.connection import Connection as Http1Connection
from appserver.h2.connection import Connection as Http2Connection
from appserver.h2.engine import Settings
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits
from appserver.http.upgrade import to_http2
from appserver.net.listeners import HTTP2, ListenerSettings
from appserver.worker.front import Front

__all__ = ["Connections"]

# What one read takes at most: as many bytes as fit into a core's cache beside the code.
READ_BYTES = 262_144


class Connections:
    """A `Registry` for the connections, a `Chooser` for their fronts."""

    def __init__(
        self, config: Config, loop: asyncio.AbstractEventLoop, engine: Any, application: Application, answers: AnswerContext
    ) -> None:
        self.loop = loop
        self.read_buffer = bytearray(READ_BYTES)
        self.answers = answers
        self._application = application
        self._engine = engine
        self._http1 = config.h1
        self._timeouts = config.timeout
        self.max_connections = config.limit.connections
        limit, h2 = config.limit, config.h2
        self._limits = Limits(
            limit.request_line, limit.request_fields, limit.field_size, limit.head_size, limit.request_body, limit.discard
        )
        self._settings = Settings(
            h2.max_concurrent_streams, h2.stream_window, h2.connection_window, limit.head_size, h2.max_window,
            config.websocket.enabled,
        )
        self._websocket = config.websocket.enabled
        self._open: set[ServedConnection] = set()
        self._draining = False
        self._none = asyncio.Event()

    def front(self, peer: Peer, settings: ListenerSettings) -> Front:
        """Return what a new connection begins with."""
        return Front(self, peer, settings.protocols, self._timeouts, settings.h2c_upgrade)

    # The front's calls

    def admit(self, front: ServedConnection) -> bool:
        """Register an accepted connection; False if `limit.connections` are served already."""
        self._open.add(front)
        if self._draining:
            front.drain()
        return not self.max_connections or len(self._open) <= self.max_connections

    def replace(
        self, front: ServedConnection, protocol: str, transport: asyncio.Transport, peer: Peer, h2c_upgrade: bool = False
    ) -> Any:
        """Put a connection of this protocol in the front's place; with `h2c_upgrade` HTTP/1.1 may become HTTP/2."""
        is_http2 = protocol == HTTP2
        connection = self._http2_connection(transport, peer) if is_http2 else self._http1_connection(transport, peer, h2c_upgrade)
        self._open.discard(front)
        self._open.add(connection)
        if self._draining:
            connection.drain()
        return connection

    def _http1_connection(self, transport: asyncio.Transport, peer: Peer, h2c_upgrade: bool) -> Any:
        return Http1Connection(
            transport, peer, self._application, self.answers, self._limits, self._http1, self._timeouts, self, self._websocket,
            h2c_upgrade and peer.tls is None,
        )  # fmt: skip

    def _http2_connection(self, transport: asyncio.Transport, peer: Peer) -> Any:
        return Http2Connection(
            transport, peer, self._application, self.answers, self._engine, self._limits, self._settings, self._timeouts, self
        )

    # The connections' calls

    def upgrade(
        self, connection: ServedConnection, transport: asyncio.Transport, peer: Peer, request: Request, settings: bytes
    ) -> None:
        """Put a connection of HTTP/2 in the place of one of HTTP/1.1 (RFC 7540 3.2)."""
        to_http2(request)
        upgraded = self.replace(connection, HTTP2, transport, peer)
        transport.set_protocol(upgraded)
        upgraded.upgrade(request, settings)

    def closed(self, connection: ServedConnection) -> None:
        """Let a connection go that is closed."""
        self._open.discard(connection)
        if not self._open:
            self._none.set()

    # The worker's calls

    @property
    def inflight(self) -> int:
        """Requests that were begun and are not answered."""
        return sum(connection.inflight for connection in self._open)

    def tick(self) -> None:
        """Have deadlines checked; called about once a second."""
        now = self.loop.time()
        for connection in list(self._open):
            connection.tick(now)

    def drain(self) -> None:
        """Take no new requests, those on their way excepted; so does every connection that comes after this."""
        self._draining = True
        for connection in list(self._open):
            connection.drain()

    def terminate(self) -> None:
        """Cut what is in flight, and say so to the clients."""
        for connection in list(self._open):
            connection.terminate()

    def abort(self) -> None:
        """Close every socket at once."""
        for connection in list(self._open):
            connection.abort()

    async def wait_closed(self) -> None:
        """Return once no connection is open."""
        while self._open:
            self._none.clear()
            await self._none.wait()
