"""What all exchanges of one worker share: the application, its state and observer, Date, scopes."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

from appserver.accepted import Peer
from appserver.contract import Observer, Request
from appserver.errors import ApplicationError
from appserver.events import Event
from appserver.http.dates import http_date
from appserver.http.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Host"]

EXTENSIONS: dict[str, dict[str, object]] = {"http.response.early_hint": {}, "http.response.trailers": {}}


class Host:
    """One application in one worker. `state` is the lifespan's, None if it has none."""

    __slots__ = ("app", "date", "dated", "eager", "loop", "observer", "reply", "root_path", "running", "server", "state", "task")

    def __init__(
        self,
        app: Callable[..., Any],
        loop: asyncio.AbstractEventLoop,
        root_path: str = "",
        dated: bool = True,
        server: str = "",
        observer: Observer | None = None,
    ) -> None:
        self.app = app
        self.loop = loop
        self.task: Any = asyncio.Task
        self.eager: dict[str, Any] = {"loop": loop, "eager_start": True}
        self.root_path = root_path
        self.observer = observer
        self.reply = Reply()
        self.state: dict[str, Any] | None = None
        self.running: set[asyncio.Task[None]] = set()
        self.dated = dated
        self.date: tuple[bytes, bytes] | None = None
        self.server = (b"server", server.encode("latin-1")) if server else None
        self.tick()

    def scope(self, request: Request) -> dict[str, Any]:
        """Return the HTTP connection scope of ASGI 3, spec version 2.5."""
        peer = request.peer
        assert peer is not None
        template = peer.memo
        if template is None:
            template = peer.memo = self._template(peer)
        scope: dict[str, Any] = template.copy()
        if request.version is not scope["http_version"]:
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
        if self.root_path:
            scope["path"] = self.root_path + request.path
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def _template(self, peer: Peer) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "2",
            "method": "",
            "scheme": peer.scheme,
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "root_path": self.root_path,
            "headers": [],
            "client": peer.client,
            "server": peer.server,
            "extensions": EXTENSIONS,
        }

    def tick(self) -> None:
        """Renew Date; the worker calls this about once a second (RFC 9110 6.6.1)."""
        if self.dated:
            self.date = (b"date", http_date(time.time()).encode("ascii"))

    def report(self, request: Request, error: BaseException) -> None:
        """Log what a request's application did wrong, once, with an id to find it by."""
        request_id = os.urandom(6).hex()
        if isinstance(error, ApplicationError):
            Event.APPLICATION_BROKE_ASGI.log(
                request_id=request_id, method=request.method, path=request.path, reason=error
            )
        else:
            Event.APPLICATION_FAILED.log(
                exc_info=error, request_id=request_id, method=request.method, path=request.path
            )
