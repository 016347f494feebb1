"""The ASGI side of the waist: an exchange for each request, and the application's life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from appserver.apps.asgi.exchange import Exchange
from appserver.apps.asgi.host import Host
from appserver.apps.asgi.lifespan import Lifespan
from appserver.apps.asgi.scope import ScopeBuilder
from appserver.apps.asgi.websocket import WebSocket
from appserver.config.options import LifespanOptions, WebSocketOptions
from appserver.contract import Application, Receiver, Request, Stream
from appserver.http.answer import AnswerContext
from appserver.ws.admission import Admission
from appserver.ws.deflate import DeflateSettings
from appserver.ws.handshake import PROTOCOL
from appserver.ws.session import SessionSettings

__all__ = ["AsgiApplication"]

# What was cancelled gets this long to see it.
CANCEL_SECONDS = 1.0


class AsgiApplication(Application):
    """`contract.Application` for ASGI 3. Its loop is the one that `startup` runs in; `answers` are ticked by the worker."""

    __slots__ = ("_lifespan", "host")

    def __init__(
        self, app: Callable[..., Any], answers: AnswerContext, lifespan: LifespanOptions, root_path: str = "",
        root_path_in_target: bool = False, websocket: WebSocketOptions | None = None,
    ) -> None:  # fmt: skip
        scopes = ScopeBuilder(root_path, root_path_in_target)
        options = websocket or WebSocketOptions()
        admission = Admission(options.allowed_origins, options.max_per_connection)
        self.host = Host(app, answers, scopes, session_settings(options), admission)
        self._lifespan = Lifespan(app, lifespan)

    def begin(self, request: Request, stream: Stream) -> Receiver:
        """Take a request; `start` of what is returned runs the application."""
        if request.protocol is not None and request.protocol == PROTOCOL:
            session = WebSocket.__new__(WebSocket)
            session.open(self.host, request, stream)
            return session
        exchange = Exchange.__new__(Exchange)
        exchange.open(self.host, request, stream)
        return exchange

    async def startup(self) -> None:
        """Run the application's lifespan startup; raises StartupError."""
        self.host.bind(asyncio.get_running_loop())
        await self._lifespan.startup()
        self.host.scopes.state = self._lifespan.state

    async def shutdown(self) -> None:
        """Run the application's lifespan shutdown; what goes wrong is logged."""
        await self._lifespan.shutdown()
        self.host.files.close()

    def tick(self) -> None:
        """Send pings, and end WebSockets whose client does not answer."""
        if self.host.websockets:
            now = self.host.loop.time()  # type: ignore[union-attr] # there are none before `startup`
            for websocket in list(self.host.websockets):
                websocket.tick(now)

    def busy(self) -> int:
        """Return how many requests still run application code; some outlive their responses."""
        return len(self.host.running)

    async def wait_idle(self) -> None:
        """Return once nothing is busy."""
        while self.host.running:
            await asyncio.wait(set(self.host.running))

    async def cancel(self) -> None:
        """Cancel what is busy; an application that ignores that is left to run."""
        tasks = set(self.host.running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)


def session_settings(options: WebSocketOptions) -> SessionSettings:
    """Return what the options say of each session."""
    deflate = DeflateSettings(options.context_takeover, options.deflate_window_bits, options.deflate_level)
    return SessionSettings(
        options.max_message, options.ping_interval, options.ping_timeout, options.close_timeout,
        deflate if options.permessage_deflate else None,
    )  # fmt: skip
