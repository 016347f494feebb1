"""The HTTP connection scope of ASGI 3, spec version 2.5: a dictionary that is the request's own, all the way down."""

from __future__ import annotations

from typing import Any

from appserver.accepted import Peer
from appserver.contract import Request

__all__ = ["ScopeBuilder"]

HTTP2 = "2"
ASGI: dict[str, str] = {"version": "3.0", "spec_version": "2.5"}


class ScopeBuilder:
    """Makes the scopes of one application. `state` is the lifespan's, None if it has none."""

    __slots__ = ("root_path", "state")

    def __init__(self, root_path: str = "") -> None:
        self.root_path = root_path
        self.state: dict[str, Any] | None = None

    def build(self, request: Request) -> dict[str, Any]:
        """Return the scope of one request."""
        peer = request.peer
        assert peer is not None
        template = peer.memo
        if template is None:
            template = peer.memo = self._template(peer)
        scope: dict[str, Any] = template.copy()
        scope["asgi"] = ASGI.copy()
        scope["extensions"] = {"http.response.early_hint": {}, "http.response.trailers": {}}
        if request.version != HTTP2:
            scope["http_version"] = request.version
        if request.scheme is not peer.scheme:
            scope["scheme"] = request.scheme
        if request.client is not peer.client:
            scope["client"] = request.client
        scope["method"] = request.method
        scope["path"] = request.path
        scope["raw_path"] = request.raw_path
        scope["query_string"] = request.query
        scope["headers"] = request.fields
        if self.root_path and request.path != "*":  # OPTIONS * is about the server (RFC 9110 7.1)
            scope["path"] = self.root_path + request.path
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def build_websocket(self, request: Request, subprotocols: list[str]) -> dict[str, Any]:
        """Return the scope of one WebSocket."""
        scope = self.build(request)
        extensions = scope["extensions"]
        scope["extensions"] = {name: extensions[name] for name in extensions if not name.startswith("http.")}
        scope["extensions"]["websocket.http.response"] = {}
        scope["type"] = "websocket"
        scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
        scope["subprotocols"] = subprotocols
        del scope["method"]
        return scope

    def _template(self, peer: Peer) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": None,
            "http_version": HTTP2,
            "method": "",
            "scheme": peer.scheme,
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "root_path": self.root_path,
            "headers": None,
            "client": peer.client,
            "server": peer.server,
            "extensions": None,
        }
