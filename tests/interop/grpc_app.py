"""gRPC without a gRPC library: the framing of messages and the trailers, in plain ASGI.

/test.Probe/Echo answers with the request; /test.Probe/Count with as many messages as the request has bytes;
/test.Probe/Fail and /test.Probe/FailAtOnce with a status, in trailers or in the head; /test.Probe/Wait never.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

GRPC = (b"content-type", b"application/grpc")
OK = (b"grpc-status", b"0")
FAILURE = [(b"grpc-status", b"5"), (b"grpc-message", b"no such thing")]
cancelled = 0


def framed(message: bytes) -> bytes:
    return struct.pack(">?I", False, len(message)) + message


async def body_of(receive: Receive) -> bytes:
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        pieces.append(message["body"])
        more = message["more_body"]
    return b"".join(pieces)


async def app(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    request = (await body_of(receive))[5:]
    await ENDPOINTS[scope["path"]](request, receive, send)


async def echo(request: bytes, receive: Receive, send: Send) -> None:
    await answer(send, [request])


async def count(request: bytes, receive: Receive, send: Send) -> None:
    await answer(send, [b"%d" % n for n in range(len(request))])


async def answer(send: Send, messages: list[bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [GRPC], "trailers": True})
    for message in messages:
        await send({"type": "http.response.body", "body": framed(message), "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    await send({"type": "http.response.trailers", "headers": [OK, (b"x-messages", b"%d" % len(messages))]})


async def fail(request: bytes, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [GRPC], "trailers": True})
    await send({"type": "http.response.body", "body": b""})
    await send({"type": "http.response.trailers", "headers": FAILURE})


async def fail_at_once(request: bytes, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [GRPC, *FAILURE]})
    await send({"type": "http.response.body", "body": b""})


async def wait(request: bytes, receive: Receive, send: Send) -> None:
    global cancelled
    assert (await receive())["type"] == "http.disconnect"
    cancelled += 1


async def told(request: bytes, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.01)
    await answer(send, [b"%d" % cancelled])


ENDPOINTS = {
    "/test.Probe/Echo": echo,
    "/test.Probe/Count": count,
    "/test.Probe/Fail": fail,
    "/test.Probe/FailAtOnce": fail_at_once,
    "/test.Probe/Wait": wait,
    "/test.Probe/Cancelled": told,
}
