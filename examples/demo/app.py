"""The demo's application: plain ASGI, no framework, one small endpoint for each thing `make demo` proves.

GET  /                    this list
GET  /scope               what the application sees of the request
GET  /barrier?size=N      answered when N such requests wait at once, with the connections they came on
POST /digest              size and SHA-256 of the body, read as it arrives
GET  /bytes?size=N&seed=S N reproducible bytes
GET  /drip?parts=N&seed=S N reproducible blocks with pauses between
GET  /events?session=X    server-sent events; each waits until the one before was acknowledged
POST /events/ack?session=X
GET  /hints               a 103 Early Hints before the page, and a trailer behind it
WS   /echo                each message comes back
GET  /inflight            requests of /digest and /drip that are half done
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Query = dict[str, str]
T = TypeVar("T")

BLOCK = 65_536
ESTABLISHED = "01"

inflight: Counter[str] = Counter()
sessions: dict[str, asyncio.Queue[bytes]] = {}
waiting: list[asyncio.Future[int]] = []


# What client and application both can compute.


def blocks(seed: str, size: int) -> Iterator[bytes]:
    """Yield `size` bytes that follow from `seed`, in blocks."""
    for number, start in enumerate(range(0, size, BLOCK)):
        yield random.Random(f"{seed}:{number}").randbytes(min(BLOCK, size - start))


# Answers.


async def start(send: Send, status: int, kind: str, *more: tuple[bytes, bytes]) -> None:
    """Send a response head."""
    headers = [(b"content-type", kind.encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def answer(send: Send, body: bytes, status: int = 200, kind: str = "text/plain; charset=utf-8") -> None:
    """Send a whole response."""
    await start(send, status, kind, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, value: object) -> None:
    """Send `value` as JSON."""
    await answer(send, json.dumps(value, indent=2).encode() + b"\n", kind="application/json")


async def body_of(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the request's body as it arrives; raise if the client goes away in the middle."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def unless_gone(receive: Receive, awaited: Awaitable[T]) -> T:
    """Wait for `awaited`, or raise if the client goes away before."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    wanted, leaving = asyncio.ensure_future(awaited), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({wanted, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise ConnectionError("the client went away")
        return wanted.result()
    finally:
        wanted.cancel()
        leaving.cancel()


# Endpoints.


async def index(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """List the endpoints."""
    await answer(send, (__doc__ or "").encode())


async def show_scope(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Tell what the application sees."""
    seen = {key: scope.get(key) for key in ("http_version", "scheme", "method", "path", "client", "server")}
    seen["headers"] = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    await answer_json(send, seen)


def connections_on(port: int) -> int:
    """Count the established TCP connections whose local end is `port`: the server's side of the hop."""
    count = 0
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        path = Path(table)
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            _, local, _, state = line.split()[:4]
            count += state == ESTABLISHED and int(local.rpartition(":")[2], 16) == port
    return count


async def barrier(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Wait for `size` requests to be here at once; count the connections at that moment."""
    arrived = asyncio.get_running_loop().create_future()
    waiting.append(arrived)
    try:
        if len(waiting) >= int(query["size"]):
            count = connections_on(scope["server"][1])
            for future in waiting:
                future.set_result(count)
        connections = await unless_gone(receive, arrived)
    finally:
        waiting.remove(arrived)
    await answer_json(send, {"connections": connections})


async def digest(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Hash the body as it arrives."""
    size, sha = 0, hashlib.sha256()
    try:
        async for chunk in body_of(receive):
            inflight["digest"] += not size and bool(chunk)
            size += len(chunk)
            sha.update(chunk)
    finally:
        inflight["digest"] -= bool(size)
    await answer_json(send, {"size": size, "sha256": sha.hexdigest()})


async def send_bytes(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Send `size` reproducible bytes."""
    size = int(query["size"])
    await start(send, 200, "application/octet-stream", (b"content-length", str(size).encode()))
    for block in blocks(query["seed"], size):
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def drip(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Send `parts` blocks with pauses between them."""
    inflight["drip"] += 1
    try:
        await start(send, 200, "application/octet-stream")
        for block in blocks(query["seed"], int(query["parts"]) * BLOCK):
            await send({"type": "http.response.body", "body": block, "more_body": True})
            await asyncio.sleep(float(query.get("pause", "0.05")))
        await send({"type": "http.response.body", "body": b""})
    finally:
        inflight["drip"] -= 1


async def events(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Send server-sent events, each only after the one before was acknowledged."""
    acknowledged = sessions.setdefault(query["session"], asyncio.Queue())
    try:
        await start(send, 200, "text/event-stream", (b"cache-control", b"no-cache"))
        for number in range(int(query.get("count", "5"))):
            event = f"id: {number}\ndata: event {number}\n\n".encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await unless_gone(receive, acknowledged.get())
        await send({"type": "http.response.body", "body": b""})
    finally:
        del sessions[query["session"]]


async def acknowledge(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Let the session's next event go."""
    sessions[query["session"]].put_nowait(b"")
    await answer(send, b"", status=204)


async def hints(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Send a hint, a page, and its digest as a trailer: where the server offers that."""
    page = b"<link rel=stylesheet href=/style.css>\n"
    trailing = "http.response.trailers" in scope["extensions"]
    if "http.response.early_hint" in scope["extensions"]:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload; as=style"]})
    headers = [(b"content-type", b"text/html"), *([(b"trailer", b"x-sha256")] if trailing else [])]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": trailing})
    await send({"type": "http.response.body", "body": page})
    if trailing:
        digest = hashlib.sha256(page).hexdigest().encode()
        await send({"type": "http.response.trailers", "headers": [(b"x-sha256", digest)]})


async def echo(receive: Receive, send: Send) -> None:
    """Send each message of a WebSocket back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def show_inflight(scope: Scope, query: Query, receive: Receive, send: Send) -> None:
    """Count the half-done requests."""
    await answer_json(send, dict(inflight))


ROUTES = {
    ("GET", "/"): index,
    ("GET", "/scope"): show_scope,
    ("GET", "/barrier"): barrier,
    ("POST", "/digest"): digest,
    ("GET", "/bytes"): send_bytes,
    ("GET", "/drip"): drip,
    ("GET", "/events"): events,
    ("POST", "/events/ack"): acknowledge,
    ("GET", "/hints"): hints,
    ("GET", "/inflight"): show_inflight,
}


async def lifespan(receive: Receive, send: Send) -> None:
    """Start and stop without work to do."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI 3 entry point."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket" and scope["path"] == "/echo":
        await echo(receive, send)
        return
    if scope["type"] != "http":
        raise ValueError(f"there is no {scope['type']} at {scope.get('path')}")
    endpoint = ROUTES.get((scope["method"], scope["path"]))
    if endpoint is None:
        await answer(send, b"not found\n", status=404)
        return
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
    try:
        await endpoint(scope, query, receive, send)
    except ConnectionError:
        return  # nobody is left to answer
    except (KeyError, ValueError) as error:
        await answer(send, f"bad query: {error}\n".encode(), status=400)
