"""The first bytes of a connection: is it HTTP/2 or HTTP/1.1?

Owns at most 24 bytes. Hands the transport to the connection it chose and is gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from appserver.accepted import Peer, Registry, ServedConnection, Trust

__all__ = ["PREFACE", "Chooser", "Front"]

# What was sent before a stop has arrived by then.
DRAIN_SECONDS = 0.2
# RFC 9113 3.4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REASON = b"This listener speaks HTTP/2 only (cleartext, prior knowledge: h2c)\n"
REFUSAL = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(REASON), REASON)
)


class Chooser(Registry, Protocol):
    """What the front needs of the worker."""

    def admit(self, front: ServedConnection) -> bool:
        """Register an accepted connection; False if there are too many."""

    def connect_h2(self, front: ServedConnection, transport: asyncio.Transport, peer: Peer) -> asyncio.Protocol:
        """Put an HTTP/2 connection in the front's place."""

    def connect_h1(self, front: ServedConnection, transport: asyncio.Transport, peer: Peer) -> asyncio.Protocol | None:
        """Put an HTTP/1.1 connection in the front's place; None if it is switched off."""


class Front(asyncio.Protocol):
    """One accepted socket before its protocol is known."""

    __slots__ = ("_accepted", "_chooser", "_first", "_patience", "_refused", "_trusts", "peer", "transport")

    def __init__(self, chooser: Chooser, trusts: Callable[[str | None], Trust | None], patience: float) -> None:
        self._chooser = chooser
        self._trusts = trusts
        self._patience = patience
        self._first = b""
        self._accepted = 0.0
        self._refused = False
        self.peer: Peer | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who is there; bytes decide the rest."""
        transport = cast(asyncio.Transport, transport)  # uvloop's are none by type
        self.transport = transport
        self._accepted = self._chooser.loop.time()
        self.peer = describe(transport, self._trusts)
        if self.peer is None or not self._chooser.admit(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Choose as soon as the bytes leave no doubt (RFC 9113 3.3: prior knowledge)."""
        if self._refused:
            return
        first = self._first + data if self._first else data
        if first.startswith(PREFACE):
            self._hand_over(first, h2=True)
        elif PREFACE.startswith(first):
            self._first = first
        else:
            self._hand_over(first, h2=not _may_be_http1(first))

    def _hand_over(self, first: bytes, h2: bool) -> None:
        transport, peer = self.transport, self.peer
        assert transport is not None and peer is not None
        connect = self._chooser.connect_h2 if h2 else self._chooser.connect_h1
        connection = connect(self, transport, peer)
        if connection is None:
            self._refuse(transport)
            return
        self.transport = None
        transport.set_protocol(connection)
        connection.data_received(first)

    def _refuse(self, transport: asyncio.Transport) -> None:
        # Closing with unread bytes would be a reset, and might destroy the answer on its way: the rest is read.
        self._refused = True
        transport.write(REFUSAL)
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """It went away before it said anything useful."""
        self._chooser.closed(self)

    # As the worker sees it

    @property
    def inflight(self) -> int:
        """Nothing was asked yet."""
        return 0

    def tick(self, now: float) -> None:
        """Close a connection that cannot make up its mind."""
        if now - self._accepted > self._patience:
            self.abort()

    def drain(self) -> None:
        """A request that is on its way already is served; the worker drains what comes of it."""
        self._chooser.loop.call_later(DRAIN_SECONDS, self.abort)

    def terminate(self) -> None:
        """There is nothing to cut."""
        self.abort()

    def abort(self) -> None:
        """Close the socket, unless it was handed over."""
        if self.transport is not None:
            self.transport.abort()


def _may_be_http1(first: bytes) -> bool:
    """Tell a request line from a wrong preface (RFC 9113 3.4), as far as the first segment shows it."""
    line, end, _ = first.partition(b"\r\n")
    words = line.split(b" ")
    return not end or len(words) != 3 or words[2][:5].upper() == b"HTTP/"


def describe(transport: asyncio.Transport, trusts: Callable[[str | None], Trust | None]) -> Peer | None:
    """Return the peer of an accepted transport, None if it has gone since; switch Nagle's algorithm off."""
    sock = transport.get_extra_info("socket")
    client = transport.get_extra_info("peername")
    server = transport.get_extra_info("sockname")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        path = server.decode("utf-8", "surrogateescape") if isinstance(server, bytes) else str(server or "")
        return Peer(None, (path, None), "http", trusts(None))
    if not client or not server:
        return None
    # uvloop and asyncio do so for most sockets; a listener made with proto=0 once cost uvicorn 40 ms a request.
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        return None
    return Peer((client[0], client[1]), (server[0], server[1]), "http", trusts(client[0]))
