"""The applications under load. Plain ASGI, no dependency; the Starlette one is in `starlette_app.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HELLO = b"Hello, World!"
PART = bytes(range(256)) * 64
PARTS = 64
MEBIBYTE = PART * PARTS
SHORT_FILE = PART * 8
LONG_FILE = MEBIBYTE * 10


def mebibyte_start() -> Message:
    """Return a response head; a new one each time, as frameworks make it."""
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"1048576")]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer the lifespan protocol, which some servers insist on."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    """13 bytes."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HELLO})


road = hello
"""The same under a name of its own: servers that are put on the road are started with other options."""


async def client(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with the client's address, as the server knows it."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    body = str((scope["client"] or [""])[0]).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def body1m(scope: Message, receive: Receive, send: Send) -> None:
    """1 MiB in one message."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send(mebibyte_start())
    await send({"type": "http.response.body", "body": MEBIBYTE})


async def stream1m(scope: Message, receive: Receive, send: Send) -> None:
    """1 MiB in 64 messages of 16 KiB."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send(mebibyte_start())
    for left in range(PARTS - 1, -1, -1):
        await send({"type": "http.response.body", "body": PART, "more_body": left > 0})


async def echo_length(scope: Message, receive: Receive, send: Send) -> None:
    """Read the whole request body and answer with its length."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body = b"%d" % size
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def websocket_echo(scope: Message, receive: Receive, send: Send) -> None:
    """Send each WebSocket message back."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        if data is None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": data})
