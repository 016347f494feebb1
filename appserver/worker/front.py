"""The first bytes of a connection: is it HTTP/2 or HTTP/1.1?

Owns at most 24 bytes. Hands the transport to the connection it chose and is gone.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from appserver.accepted import Peer, Registry, ServedConnection
from appserver.config.options import TimeoutOptions
from appserver.http.answer import AnswerContext
from appserver.net.listeners import HTTP1, HTTP2
from appserver.worker.refusal import refusal

__all__ = ["PREFACE", "Chooser", "Front"]

# RFC 9113 3.4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Chooser(Registry, Protocol):
    """What the front needs of the worker's connections."""

    @property
    def answers(self) -> AnswerContext:
        """What the answers of this worker have in common."""

    def admit(self, front: ServedConnection) -> bool:
        """Register an accepted connection; False if there are too many."""

    def replace(
        self, front: ServedConnection, protocol: str, transport: asyncio.Transport, peer: Peer, h2c_upgrade: bool = False
    ) -> asyncio.Protocol:
        """Put a connection of this protocol in the front's place; with `h2c_upgrade` HTTP/1.1 may become HTTP/2."""


class Front(asyncio.Protocol):
    """One accepted socket before its protocol is known; `protocols` and `h2c_upgrade` are those of its listener."""

    __slots__ = (
        "_accepted", "_chooser", "_first", "_h2c_upgrade", "_peer", "_protocols", "_refused", "_timeouts", "_transport",
    )  # fmt: skip

    def __init__(
        self, chooser: Chooser, peer: Peer, protocols: tuple[str, ...], timeouts: TimeoutOptions, h2c_upgrade: bool = False
    ) -> None:
        self._h2c_upgrade = h2c_upgrade
        self._chooser = chooser
        self._peer = peer
        self._protocols = protocols
        self._timeouts = timeouts
        self._first = b""
        self._accepted = 0.0
        self._refused = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, if there is one; bytes decide the rest."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by type
        self._accepted = self._chooser.loop.time()
        if not self._chooser.admit(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Choose as soon as the bytes leave no doubt (RFC 9113 3.3: prior knowledge)."""
        if self._refused:
            return
        first = self._first + data if self._first else data
        if first.startswith(PREFACE):
            self._hand_over(first, HTTP2)
        elif PREFACE.startswith(first):
            self._first = first
        else:
            self._hand_over(first, HTTP1 if _may_be_http1(first) else HTTP2)

    def _hand_over(self, first: bytes, protocol: str) -> None:
        transport = self._transport
        assert transport is not None
        if protocol not in self._protocols:
            # What speaks the other version says best what is wrong: HTTP/1.1 to a preface, we to HTTP/1.1.
            if protocol == HTTP1:
                self._refuse(transport, first)
                return
            protocol = HTTP1
        connection = self._chooser.replace(self, protocol, transport, self._peer, self._h2c_upgrade)
        self._transport = None
        transport.set_protocol(connection)
        connection.data_received(first)

    def _refuse(self, transport: asyncio.Transport, first: bytes) -> None:
        # Closing with unread bytes would be a reset, and might destroy the answer on its way: the rest is read.
        self._refused = True
        transport.write(refusal(self._chooser.answers, self._peer, first))
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
        if now - self._accepted > self._timeouts.preface:
            self.abort()

    def drain(self) -> None:
        """A request that is on its way already is served; the worker drains what comes of it."""
        self._chooser.loop.call_later(self._timeouts.drain_idle, self.abort)

    def terminate(self) -> None:
        """There is nothing to cut."""
        self.abort()

    def abort(self) -> None:
        """Close the socket, unless it was handed over."""
        if self._transport is not None:
            self._transport.abort()


def _may_be_http1(first: bytes) -> bool:
    """Tell a request line from a wrong preface (RFC 9113 3.4), as far as the first segment shows it."""
    line, end, _ = first.partition(b"\r\n")
    words = line.split(b" ")
    return not end or len(words) != 3 or words[2][:5].upper() == b"HTTP/"
