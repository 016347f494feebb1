"""Applications that send files: Starlette's own responses as they are, and the two extensions by hand.

The folder is named by FILES in the environment. `/starlette/NAME` is a FileResponse; `/path/NAME` a path without a
length, `/sent/NAME` one with it; `/part/NAME?offset&count` a part of a descriptor.
"""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["app"]

FOLDER = Path(os.environ["FILES"])


async def serve(request: Request) -> Response:
    assert "http.response.pathsend" in request.scope["extensions"]
    return FileResponse(FOLDER / request.path_params["name"])


starlette = Starlette(
    routes=[Route("/starlette/{name}", serve), Mount("/static", StaticFiles(directory=FOLDER))],
    middleware=[Middleware(GZipMiddleware)],
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan" or scope["path"].startswith("/sta"):
        return await starlette(scope, receive, send)
    _, kind, name = scope["path"].split("/", 2)
    path = FOLDER / name
    size = path.stat().st_size if path.exists() else 7
    query = {key: int(value) for key, value in urllib.parse.parse_qsl(scope["query_string"].decode())}
    if kind == "part":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with path.open("rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file, "more_body": True, **query})
            await send({"type": "http.response.body", "body": b"<end>"})
        return None
    headers = [] if kind == "path" else [(b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.pathsend", "path": str(path)})
    return None
