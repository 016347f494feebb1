"""The endpoints of test_frameworks, by FastAPI."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import BackgroundTasks, Depends, FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, StreamingResponse

seen = {"background": 0, "endless": 0, "started": 0}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": "from startup"}


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def marked(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["x-middleware"] = "was here"
    return response


@app.get("/json")
async def json(request: Request) -> dict[str, Any]:
    return {"framework": "fastapi", "state": request.state.greeting, "scheme": request.url.scheme}


def query(q: str | None = None) -> Iterator[str | None]:
    yield q


# Without async: run in a thread, with a dependency that is torn down after the answer.
@app.get("/items/{id}")
def item(id: int, q: str | None = Depends(query)) -> dict[str, Any]:
    time.sleep(0.001)
    return {"id": id, "q": q}


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    return {"size": sum([len(chunk) async for chunk in request.stream()])}


@app.get("/stream")
async def stream() -> StreamingResponse:
    def parts() -> Iterator[str]:
        for n in range(10):
            yield f"part {n}\n"
            time.sleep(0.001)

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/endless")
async def endless() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        seen["started"] += 1
        try:
            while True:
                yield "again\n"
                await asyncio.sleep(0.005)
        finally:
            seen["endless"] += 1

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/background")
async def background(tasks: BackgroundTasks) -> dict[str, int]:
    async def work() -> None:
        await asyncio.sleep(0.05)
        seen["background"] += 1

    tasks.add_task(work)
    return {"background": seen["background"]}


@app.get("/told")
async def told() -> dict[str, int]:
    gc.collect()  # a framework may leave a generator to the collector
    return seen


@app.get("/fail")
async def fail() -> None:
    raise ValueError("as asked")


@app.websocket("/chat")
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
