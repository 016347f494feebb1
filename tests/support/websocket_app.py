"""The WebSocket application of tests/interop: `/` echoes, other paths do one thing each, and `/told` says what was seen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

told: dict[str, Any] = {"disconnects": [], "sent": 0}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Do what the path says."""
    if scope["type"] == "http":
        body = json.dumps(told).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "websocket":
        await receive()
        await PATHS.get(scope["path"], echo)(scope, receive, send)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send each message back."""
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
    told["disconnects"].append([message["code"], message["reason"]])


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """Send without end; `told` says how much."""
    await send({"type": "websocket.accept"})
    told["sent"] = 0
    while True:
        await send({"type": "websocket.send", "bytes": bytes(65_536)})
        told["sent"] += 65_536


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """Receive nothing until the client has left."""
    await send({"type": "websocket.accept"})
    await asyncio.sleep(3_600)


async def closes(scope: Any, receive: Any, send: Any) -> None:
    """Close at once."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4000, "reason": "done"})


async def refuses(scope: Any, receive: Any, send: Any) -> None:
    """Refuse with 403."""
    await send({"type": "websocket.close"})


async def raises(scope: Any, receive: Any, send: Any) -> None:
    """Raise, before the answer."""
    raise ValueError("as asked")


PATHS = {"/flood": flood, "/deaf": deaf, "/closes": closes, "/refuses": refuses, "/raises": raises}
