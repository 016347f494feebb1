"""The endpoints of test_frameworks, by Starlette."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

seen = {"background": 0, "endless": 0, "started": 0}


async def json(request: Request) -> Response:
    return JSONResponse({"framework": "starlette", "state": request.state.greeting, "scheme": request.url.scheme})


async def item(request: Request) -> Response:
    return JSONResponse({"id": request.path_params["id"], "q": request.query_params.get("q")})


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


async def upload(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return JSONResponse({"size": size})


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for n in range(10):
            yield f"part {n}\n"
            await asyncio.sleep(0.001)

    return StreamingResponse(parts(), media_type="text/plain")


async def endless(request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        seen["started"] += 1
        try:
            while True:
                yield "again\n"
                await asyncio.sleep(0.005)
        finally:
            seen["endless"] += 1

    return StreamingResponse(parts(), media_type="text/plain")


async def background(request: Request) -> Response:
    async def work() -> None:
        await asyncio.sleep(0.05)
        seen["background"] += 1

    return JSONResponse({"background": seen["background"]}, background=BackgroundTask(work))


async def told(request: Request) -> Response:
    gc.collect()  # a framework may leave a generator to the collector
    return JSONResponse(seen)


async def fail(request: Request) -> Response:
    raise ValueError("as asked")


async def chat(websocket: WebSocket) -> None:
    if "token" not in websocket.query_params:
        await websocket.send_denial_response(JSONResponse({"error": "no token"}, 401))
        return
    await websocket.accept(subprotocol=websocket.scope["subprotocols"][0])
    try:
        while True:
            await websocket.send_json(await websocket.receive_json())
    except WebSocketDisconnect as left:
        seen["left"] = left.code


class Marked(BaseHTTPMiddleware):
    """The kind of middleware that runs the application in a task of its own."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-middleware"] = "was here"
        return response


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": "from startup"}


app = Starlette(
    routes=[
        Route("/json", json),
        Route("/items/{id:int}", item),
        Route("/echo", echo, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/endless", endless),
        Route("/background", background),
        Route("/told", told),
        Route("/fail", fail),
        WebSocketRoute("/chat", chat),
    ],
    middleware=[Middleware(Marked)],
    lifespan=lifespan,
)
