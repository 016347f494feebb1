"""One accepted connection, as everybody knows it: who is there, and the worker's hold on it.

`net.accept` makes the `Peer`; the worker is the `Registry`; h1, h2 and the front are `ServedConnection`s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["Peer", "Registry", "ServedConnection", "Trust"]


class Trust:
    """Turns what a trusted peer forwards into who the client is. A base, so that the compiled build calls a C slot."""

    __slots__ = ()

    def resolve(self, forwarded_for: bytes) -> tuple[str, int] | None:
        """Return the client's (host, port) from all of X-Forwarded-For, one list; None if it says nothing usable."""
        raise NotImplementedError


class Peer:
    """Who is on the other side of one connection. Shared by its requests, never changed after accept.

    `client` and `server` are (host, port); a unix socket has no client and its path as (path, None).
    `scheme` is the connection's own: https over TLS, or where a PROXY header said so, else http.
    `trust` resolves forwarding fields if this peer may speak for the client, else it is None.
    `tls` are the facts of the TLS handshake, `proxy` those of a PROXY header; None where there was none.
    `memo` is the application's own: a place to keep what is the same for each request of a connection.
    """

    __slots__ = ("client", "memo", "proxy", "scheme", "server", "tls", "trust")

    def __init__(
        self,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str,
        trust: Trust | None = None,
        tls: object = None,
        proxy: object = None,
    ) -> None:
        self.client = client
        self.server = server
        self.scheme = scheme
        self.trust = trust
        self.tls = tls
        self.proxy = proxy
        self.memo: dict[str, Any] | None = None


class Registry(Protocol):
    """The worker's set of connections, as each of them sees it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that everything runs on."""

    @property
    def read_buffer(self) -> bytearray:
        """Where a connection may have the loop read into: it has to be done with it when `buffer_updated` returns."""

    def closed(self, connection: ServedConnection) -> None:
        """Let a connection go that is closed."""


class ServedConnection(Protocol):
    """One accepted socket, as the worker sees it."""

    def tick(self, now: float) -> None:
        """Check deadlines; called about once a second with `loop.time()`."""

    def drain(self) -> None:
        """Take no new requests, finish what is in flight, then close; `Receiver.on_drain` to what is in flight."""

    def terminate(self) -> None:
        """Cut what is in flight, say so to the client, close."""

    def abort(self) -> None:
        """Close at once."""

    @property
    def inflight(self) -> int:
        """Requests that were begun and are not answered."""
