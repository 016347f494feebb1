"""Which WebSocket handshakes are let in: by the page that opens them, and by how many one connection has."""

from __future__ import annotations

from collections.abc import Iterable

from appserver.accepted import Peer
from appserver.contract import Request
from appserver.errors import Forbidden, Unavailable

__all__ = ["ANY", "SAME", "Admission"]

ANY = "*"
SAME = "same-origin"
HTTP2 = "2"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Admission:
    """What the handshakes of one application are measured by.

    `origins` are those whose pages may open a WebSocket, as browsers write them (RFC 6454 6.1), ANY, or SAME for the
    host that was asked. A handshake without Origin comes from no browser (RFC 6455 10.2) and is let in.
    `max_per_connection` bounds the WebSockets of one HTTP/2 connection; 0 does not.
    """

    __slots__ = ("_any", "_counts", "_max_per_connection", "_origins", "_same")

    def __init__(self, origins: Iterable[str] = (ANY,), max_per_connection: int = 0) -> None:
        known = frozenset(origins)
        self._any = ANY in known
        self._same = SAME in known
        self._origins = frozenset(_without_default_port(origin.lower()) for origin in known - {SAME})
        self._max_per_connection = max_per_connection
        self._counts: dict[Peer, int] = {}

    def enter(self, request: Request) -> None:
        """Let a handshake in; raises RequestRefused. Whoever was let in leaves, once."""
        if not self._any:
            self._judge_origin(request)
        if self._max_per_connection and request.version == HTTP2 and request.peer is not None:
            count = self._counts.get(request.peer, 0)
            if count >= self._max_per_connection:
                raise Unavailable(f"more WebSockets on one connection than websocket.max_per_connection ({count})")
            self._counts[request.peer] = count + 1

    def leave(self, request: Request) -> None:
        """A WebSocket that was let in is over."""
        if self._max_per_connection and request.version == HTTP2 and request.peer is not None:
            count = self._counts.pop(request.peer) - 1
            if count:
                self._counts[request.peer] = count

    def _judge_origin(self, request: Request) -> None:
        said = [value.decode("latin-1") for name, value in request.fields if name == b"origin"]
        if not said:
            return
        origin = said[0].lower()
        if len(said) == 1 and (origin in self._origins or (self._same and origin == _origin_of(request))):
            return
        raise Forbidden(f"a WebSocket handshake from {', '.join(said)[:80]!r}, which websocket.allowed_origins has not")


def _origin_of(request: Request) -> str:
    return _without_default_port(f"{request.scheme}://{request.authority.decode('latin-1').lower()}")


def _without_default_port(origin: str) -> str:
    scheme = origin.partition("://")[0]
    return origin.removesuffix(DEFAULT_PORTS.get(scheme, "://"))
