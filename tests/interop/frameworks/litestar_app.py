"""The endpoints of test_frameworks, by Litestar."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream

seen = {"background": 0, "endless": 0, "started": 0}


async def start(app: Litestar) -> None:
    app.state.greeting = "from startup"


async def marked(response: Response[Any]) -> Response[Any]:
    response.headers["x-middleware"] = "was here"
    return response


@get("/json")
async def json(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"framework": "litestar", "state": request.app.state.greeting, "scheme": request.url.scheme}


@get("/items/{id:int}")
async def item(id: int, q: str | None = None) -> dict[str, Any]:
    return {"id": id, "q": q}


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(await request.body(), media_type="application/octet-stream")


@post("/upload", status_code=200)
async def upload(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"size": sum([len(chunk) async for chunk in request.stream()])}


@get("/stream")
async def stream() -> Stream:
    async def parts() -> AsyncIterator[str]:
        for n in range(10):
            yield f"part {n}\n"
            await asyncio.sleep(0.001)

    return Stream(parts(), media_type="text/plain")


@get("/endless")
async def endless() -> Stream:
    async def parts() -> AsyncIterator[str]:
        seen["started"] += 1
        try:
            while True:
                yield "again\n"
                await asyncio.sleep(0.005)
        finally:
            seen["endless"] += 1

    return Stream(parts(), media_type="text/plain")


@get("/background")
async def background() -> Response[dict[str, int]]:
    async def work() -> None:
        await asyncio.sleep(0.05)
        seen["background"] += 1

    return Response({"background": seen["background"]}, background=BackgroundTask(work))


@get("/told")
async def told() -> dict[str, int]:
    gc.collect()  # a framework may leave a generator to the collector
    return seen


@get("/fail")
async def fail() -> None:
    raise ValueError("as asked")


app = Litestar(
    [json, item, echo, upload, stream, endless, background, told, fail],
    after_request=marked,
    on_startup=[start],
    openapi_config=None,
)
