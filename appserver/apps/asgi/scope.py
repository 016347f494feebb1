"""The HTTP connection scope of ASGI 3, spec version 2.5: a dictionary that is the request's own, all the way down."""

from __future__ import annotations

from typing import Any

from appserver.accepted import Peer
from appserver.contract import Request

__all__ = ["ScopeBuilder"]

HTTP2 = "2"
HTTP10 = "1.0"
ASGI: dict[str, str] = {"version": "3.0", "spec_version": "2.5"}


class ScopeBuilder:
    """Makes the scopes of one application. `state` is the lifespan's, None if it has none.

    With `in_target` a request's path begins with `root_path` as it came, without it a proxy has taken that off.
    """

    __slots__ = ("_in_target", "_inside", "root_path", "state")

    def __init__(self, root_path: str = "", in_target: bool = False) -> None:
        self.root_path = root_path
        self._in_target = in_target
        self._inside = root_path + "/"
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
        scope["extensions"] = self._extensions(peer, request.version)
        if peer.tls is not None:
            scope["extensions"]["tls"] = peer.tls.extension()
        if peer.proxy is not None:
            scope["extensions"]["proxy_protocol"] = peer.proxy.extension()
        if request.priority is not None or request.dependency is not None:
            self._add_priorities(scope["extensions"], request)
        if request.version != HTTP2:
            scope["http_version"] = request.version
        if request.scheme is not peer.scheme:
            scope["scheme"] = request.scheme
        if request.client is not peer.client:
            scope["client"] = request.client
        if request.server is not None:
            scope["server"] = request.server
        scope["method"] = request.method
        scope["path"] = request.path
        scope["raw_path"] = request.raw_path
        scope["query_string"] = request.query
        scope["headers"] = request.fields
        if request.prefix:
            # Taken off the target, whatever the option says: whoever took it off knows best.
            scope["root_path"] = request.prefix
            scope["path"] = request.prefix + request.path
        elif self.root_path and request.path != "*":  # OPTIONS * is about the server (RFC 9110 7.1)
            if not self._in_target:
                scope["path"] = self.root_path + request.path
            elif request.path != self.root_path and not request.path.startswith(self._inside):
                scope["root_path"] = ""  # a health check say, which did not come through the proxy
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def _extensions(self, peer: Peer, version: str) -> dict[str, Any]:
        # One value for all that have nothing to say: dictionaries of the request's own are most of what a scope costs.
        nothing: dict[str, Any] = {}
        if peer.early_hints and version != HTTP10:
            return {
                "http.request.trailers": nothing, "http.response.trailers": nothing,
                "http.response.pathsend": nothing, "http.response.zerocopysend": nothing,
                "http.response.early_hint": nothing, "http.response.informational": nothing,
            }  # fmt: skip
        return {
            "http.request.trailers": nothing, "http.response.trailers": nothing,
            "http.response.pathsend": nothing, "http.response.zerocopysend": nothing,
        }  # fmt: skip

    def _add_priorities(self, extensions: dict[str, Any], request: Request) -> None:
        if request.priority is not None:
            urgency, incremental = request.priority
            extensions["http.request.priority"] = {"urgency": urgency, "incremental": incremental}
        if request.dependency is not None:
            # As gunicorn's applications know it.
            weight, depends_on = request.dependency
            extensions["http.response.priority"] = {"weight": weight, "depends_on": depends_on}

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
