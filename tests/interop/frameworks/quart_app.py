"""The endpoints of test_frameworks, by Quart."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, Response, request

app = Quart(__name__)

seen = {"background": 0, "endless": 0, "started": 0}


@app.before_serving
async def start() -> None:
    app.config["GREETING"] = "from startup"


@app.after_request
async def marked(response: Response) -> Response:
    response.headers["x-middleware"] = "was here"
    return response


@app.get("/json")
async def json() -> dict[str, Any]:
    return {"framework": "quart", "state": app.config["GREETING"], "scheme": request.scheme}


@app.get("/items/<int:id>")
async def item(id: int) -> dict[str, Any]:
    return {"id": id, "q": request.args.get("q")}


@app.post("/echo")
async def echo() -> Response:
    return Response(await request.get_data(as_text=False), content_type="application/octet-stream")


@app.post("/upload")
async def upload() -> dict[str, int]:
    size = 0
    async for chunk in request.body:
        size += len(chunk)
    return {"size": size}


@app.get("/stream")
async def stream() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for n in range(10):
            yield b"part %d\n" % n
            await asyncio.sleep(0.001)

    return Response(parts(), content_type="text/plain")


@app.get("/endless")
async def endless() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        seen["started"] += 1
        try:
            while True:
                yield b"again\n"
                await asyncio.sleep(0.005)
        finally:
            seen["endless"] += 1

    response = Response(parts(), content_type="text/plain")
    response.timeout = None
    return response


@app.get("/background")
async def background() -> dict[str, int]:
    async def work() -> None:
        await asyncio.sleep(0.05)
        seen["background"] += 1

    app.add_background_task(work)
    return {"background": seen["background"]}


@app.get("/told")
async def told() -> dict[str, int]:
    gc.collect()  # a framework may leave a generator to the collector
    return seen


@app.get("/fail")
async def fail() -> dict[str, int]:
    raise ValueError("as asked")
