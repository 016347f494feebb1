"""An application whose answers are given up while they wait for a client that reads late: one path for each way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
PIECE = bytes(300_000)
SECONDS = 0.3


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    assert scope["type"] == "http"
    await ENDPOINTS[scope["path"]](send)


async def start(send: Send, length: int = -1) -> None:
    headers = [(b"content-length", b"%d" % length)] if length >= 0 else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def flood(send: Send) -> None:
    while True:
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})


async def hello(send: Send) -> None:
    await start(send, 5)
    await send({"type": "http.response.body", "body": b"hello"})


async def endless(send: Send) -> None:
    await start(send)
    await flood(send)


async def raises(send: Send) -> None:
    await start(send)
    async with asyncio.timeout(SECONDS):
        await flood(send)


async def too_short(send: Send) -> None:
    await start(send, 10**9)
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await flood(send)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def too_long(send: Send) -> None:
    await start(send, 100_000)
    await send({"type": "http.response.body", "body": PIECE, "more_body": True})


async def trailers_too_early(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await flood(send)
    await send({"type": "http.response.trailers", "headers": []})


ENDPOINTS = {
    "/hello": hello,
    "/endless": endless,
    "/raises": raises,
    "/too-short": too_short,
    "/too-long": too_long,
    "/trailers-too-early": trailers_too_early,
}
