"""Taking a PROXY header off a connection before anything else reads it.

Who must send one is decided by the peer's address, never by the bytes: a listener that guesses lets anybody forge it.
"""

from __future__ import annotations

import asyncio
import socket

from appserver.accepted import Peer
from appserver.net.listeners import PeerTrust
from appserver.net.proxy_protocol import ProxyError, ProxyParser

__all__ = ["VERSIONS", "ProxyRefused", "RequiredProxyHeader"]

VERSIONS = {"v1": frozenset({1}), "v2": frozenset({2}), "auto": frozenset({1, 2})}
PEEKED = 4_096


class ProxyRefused(ConnectionError):
    """The connection ends without a byte of HTTP."""


class RequiredProxyHeader:
    """Requires a header of `senders` and refuses everybody else; `trust` is that of the client which it names."""

    def __init__(self, versions: frozenset[int], senders: PeerTrust, trust: PeerTrust, max_size: int) -> None:
        self._versions = versions
        self._senders = senders
        self._trust = trust
        self._max_size = max_size

    async def consume(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: Peer) -> None:
        """Take exactly the header off the socket and write into `peer` what it says. Raises ProxyRefused."""
        if self._senders.for_peer(peer.client[0] if peer.client else None) is None:
            raise ProxyRefused("not a peer of proxy_protocol_from")
        parser = ProxyParser(self._versions, self._max_size)
        try:
            while not parser.done:
                data = await _peek(loop, sock)
                if not data:
                    raise ProxyRefused("it closed before its PROXY header was whole")
                sock.recv(parser.feed(data))
        except ProxyError as error:
            raise ProxyRefused(str(error)) from None
        self._apply(parser, peer)

    def _apply(self, parser: ProxyParser, peer: Peer) -> None:
        facts = parser.facts
        assert facts is not None
        peer.proxy = facts
        if facts.client is not None:
            peer.client, peer.server = facts.client, facts.server
            peer.trust = self._trust.for_peer(facts.client[0])
        elif facts.family == "unix":
            # A socket of the proxy's machine: nobody that an entry "unix" of ours means.
            peer.client = peer.trust = None
        if facts.is_tls:
            peer.scheme = "https"


async def _peek(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    """Return bytes that stay in the socket; what follows the header is not ours to take."""
    while True:
        try:
            return sock.recv(PEEKED, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(loop, sock)


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    waiter = loop.create_future()
    loop.add_reader(sock, _wake, waiter)
    try:
        await waiter
    finally:
        loop.remove_reader(sock)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
