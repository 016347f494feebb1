"""The probe origin as an ASGI application, for any server: it shows what that server makes of the hop.

    PROXYCONF_VERIFY_CONTROL=/tmp/x/control.sock appserver proxyconf.verify.origin.asgi:app --bind 127.0.0.1:8000

It answers probes as the origin of its own does; what ASGI does not tell (raw bytes, connections) stays empty, as do
trailers of requests where the server has no `http.request.trailers`. One process only: what it keeps is in its memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from proxyconf.verify.answer import ID_FIELD, Fields
from proxyconf.verify.origin.control import serve_control
from proxyconf.verify.origin.exchange import Cut, perform
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.seen import Seen

__all__ = ["CONTROL", "FEATURES", "NAME", "ProbeApp", "app"]

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONTROL, NAME = "PROXYCONF_VERIFY_CONTROL", "PROXYCONF_VERIFY_SERVER"
FEATURES = "PROXYCONF_VERIFY_FEATURES"  # what a scope does not tell, such as "websocket"
EXTENSIONS = {
    "http.response.early_hint": "early_hints", "http.response.trailers": "trailers", "http.request.trailers": "request_trailers",
}  # fmt: skip
ESTABLISHED = "01"


class BrokenOff(Exception):
    """Raised in place of the rest of a response, so that the server must break it off."""


class ProbeApp:
    """One application with its journal."""

    def __init__(self, server: str, control: Path | None) -> None:
        self.journal, self._path = Journal(server), control
        self.features = set(os.environ.get(FEATURES, "").split())
        self.port = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3 entry point."""
        match scope["type"]:
            case "lifespan":
                await self._lifespan(receive, send)
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        control = await serve_control(self.journal, self._path, self.features, self._count) if self._path else None
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if control is not None:
            control.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _count(self) -> dict[str, int]:
        return {f"127.0.0.1:{self.port}": connections_on(self.port)} if self.port else {}

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.features |= {EXTENSIONS[name] for name in scope.get("extensions") or {} if name in EXTENSIONS}
        seen = self.journal.note(_seen(scope))
        self.port = (scope.get("server") or ["", 0])[1] or 0
        exchange = AsgiExchange(seen, receive, send)
        try:
            await perform(seen, exchange, self.journal)
        except asyncio.CancelledError:
            if not exchange.is_gone:
                raise
        finally:
            exchange.close()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = self.journal.note(_seen(scope))
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") is not None:
                seen.messages.append(message["text"])
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
        seen.ended = seen.answered = "whole"


class AsgiExchange:
    """One request of such a server."""

    def __init__(self, seen: Seen, receive: Receive, send: Send) -> None:
        self.seen, self._receive, self._send = seen, receive, send
        self.is_gone = False
        self._watch: asyncio.Task[None] | None = None

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body; afterwards a client that leaves ends the task."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Cut
            more = message.get("more_body", False)
            self.seen.trailers += [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("trailers", ())]
            if data := message.get("body", b""):
                yield data
        task = asyncio.current_task()
        assert task is not None
        self._watch = asyncio.create_task(self._until_gone(task))

    async def _until_gone(self, task: asyncio.Task[Any]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.is_gone = True
        task.cancel()

    def close(self) -> None:
        """The request is over."""
        if self._watch is not None:
            self._watch.cancel()

    async def inform(self, status: int, fields: Fields) -> None:
        """Send the links of a 103; another 1xx as servers take it that have one."""
        if status != 103:
            await self._send({"type": "http.response.informational", "status": status, "headers": _encoded(fields)})
            return
        links = [value.encode("latin-1") for name, value in fields if name == "link"]
        await self._send({"type": "http.response.early_hint", "links": links})

    async def respond(self, status: int, fields: Fields, *, end: bool, trailers: bool) -> None:
        """Send the head."""
        start: Message = {"type": "http.response.start", "status": status, "headers": _encoded(fields)}
        await self._send({**start, "trailers": True} if trailers else start)
        if end:
            await self._send({"type": "http.response.body", "body": b""})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, trailers: Fields) -> None:
        """End the response."""
        self.close()
        await self._send({"type": "http.response.body", "body": b""})
        if trailers:
            await self._send({"type": "http.response.trailers", "headers": _encoded(trailers)})

    async def abort(self) -> None:
        """Break the response off."""
        raise BrokenOff("as the probe asked")


def _encoded(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]


def _seen(scope: Scope) -> Seen:
    query = scope["query_string"].decode("latin-1")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    client, server = scope.get("client"), scope.get("server")
    version = scope.get("http_version", "")
    seen = Seen(
        protocol=f"HTTP/{version}", listener=f"{server[0]}:{server[1]}" if server else "",
        method=scope.get("method", "GET"), target=f"{path}?{query}" if query else path, scheme=scope.get("scheme", ""),
        fields=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        client=client[0] if client else "none", extended="websocket" if scope["type"] == "websocket" and version == "2" else "",
    )  # fmt: skip
    seen.id, seen.proxy = seen.value(ID_FIELD), _named_by_proxy(scope)
    return seen


def _named_by_proxy(scope: Scope) -> dict[str, Any] | None:
    """Return what a PROXY header said, where the server tells its applications."""
    said = (scope.get("extensions") or {}).get("proxy_protocol")
    return said and {"version": said["version"], "source": (said["client"] or [""])[0]}


def connections_on(port: int) -> int:
    """Count the established TCP connections whose local end is `port`: the server's side of the hop (Linux)."""
    count = 0
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        path = Path(table)
        for line in path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []:
            _, local, _, state = line.split()[:4]
            count += state == ESTABLISHED and int(local.rpartition(":")[2], 16) == port
    return count


app = ProbeApp(os.environ.get(NAME, "an ASGI server"), Path(path) if (path := os.environ.get(CONTROL)) else None)
