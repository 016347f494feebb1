"""Applications that call receive and send from threads: WSGI by way of a2wsgi, and by hand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from a2wsgi import WSGIMiddleware


def digest(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer in three pieces what the body's digest is."""
    seen = hashlib.sha256()
    while piece := environ["wsgi.input"].read(10_000):
        seen.update(piece)
    text = seen.hexdigest().encode("ascii")
    start_response("200 OK", [("content-length", str(len(text)))])
    return [text[:10], text[10:20], text[20:]]


by_a2wsgi = WSGIMiddleware(digest)  # type: ignore[arg-type]  # its environ is a TypedDict


async def by_hand(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The same, each call from a thread."""
    if scope["type"] == "http":
        await asyncio.to_thread(converse, receive, send, asyncio.get_running_loop())


def converse(receive: Any, send: Any, loop: asyncio.AbstractEventLoop) -> None:
    def wait(call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, loop).result(10)

    seen, more = hashlib.sha256(), True
    while more:
        message = wait(receive())
        seen.update(message["body"])
        more = message["more_body"]
    wait(send({"type": "http.response.start", "status": 200}))
    wait(send({"type": "http.response.body", "body": seen.hexdigest().encode("ascii")}))


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await (by_hand if scope.get("path") == "/by-hand" else by_a2wsgi)(scope, receive, send)  # type: ignore[arg-type]  # as above
