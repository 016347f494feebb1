"""One accepted connection, as everybody knows it: who is there, and the worker's hold on it.

`net.accept` makes the `Peer`; the worker is the `Registry`; h1, h2 and the front are `ServedConnection`s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["ConnectionFacts", "Forwarding", "Peer", "Registry", "ServedConnection", "Trust"]


class Trust:
    """Turns what a trusted peer forwards into who the client is. A base, so that the compiled build calls a C slot."""

    __slots__ = ()

    def resolve(self, forwarded_for: bytes) -> tuple[str, int] | None:
        """Return the client's (host, port) from all of X-Forwarded-For, one list; None if it says nothing usable."""
        raise NotImplementedError

    def trusts(self, hop: Any) -> bool:
        """Tell whether a `http.forwarded.Hop` is the address of a peer that may speak for its own client."""
        raise NotImplementedError


class Forwarding:
    """What is done with forwarding fields. A base, so that the compiled build reads C fields and calls a C slot.

    `reads_for` and `reads_proto` say whether X-Forwarded-For and -Proto of a trusted peer are believed; with
    `is_plain` a head of a trusted peer that has no other such field needs no `apply`.
    """

    __slots__ = ("is_plain", "reads_for", "reads_proto")

    def __init__(self) -> None:
        self.reads_for: bool = True
        self.reads_proto: bool = True
        self.is_plain: bool = True

    def apply(self, request: Any) -> None:
        """Finish a `contract.Request` that has forwarding fields."""
        raise NotImplementedError


class ConnectionFacts(Protocol):
    """What was said before HTTP: by a PROXY header, by a TLS handshake."""

    def extension(self) -> dict[str, Any]:
        """Return it as an extension of the scope, a dictionary of the caller's own."""


class Peer:
    """Who is on the other side of one connection. Shared by its requests, never changed after accept.

    `client` and `server` are (host, port); a unix socket has no client and its path as (path, None).
    `scheme` is the connection's own: https over TLS, or where a PROXY header said so, else http.
    `trust` resolves forwarding fields if this peer may speak for the client, else it is None.
    `tls` are the facts of the TLS handshake, `proxy` those of a PROXY header; None where there was none.
    `forwarding` is what is done with forwarding fields; None believes X-Forwarded-For and -Proto and takes nothing out.
    `early_hints` says whether interim responses of applications (103 and other 1xx) may be sent to it.
    `memo` is the application's own: a place to keep what is the same for each request of a connection.
    """

    __slots__ = ("client", "early_hints", "forwarding", "memo", "proxy", "scheme", "server", "tls", "trust")

    def __init__(
        self,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str,
        trust: Trust | None = None,
        tls: ConnectionFacts | None = None,
        proxy: ConnectionFacts | None = None,
        forwarding: Forwarding | None = None,
        early_hints: bool = True,
    ) -> None:
        self.client = client
        self.server = server
        self.scheme = scheme
        self.trust = trust
        self.tls = tls
        self.proxy = proxy
        self.forwarding = forwarding
        self.early_hints = early_hints
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

    def upgrade(
        self, connection: ServedConnection, transport: asyncio.Transport, peer: Peer, request: Any, settings: bytes
    ) -> None:
        """Put a connection of HTTP/2 in the place of one of HTTP/1.1, with a `contract.Request` and its client's SETTINGS."""


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
