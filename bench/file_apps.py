"""The applications that send a file: by `http.response.pathsend` where a server has it, else as Starlette reads it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import apps

Application = Callable[[apps.Message, apps.Receive, apps.Send], Awaitable[None]]
READ = 65_536

# Where files of services are: on a disk, and not in /tmp, which may be memory. Goes with the process.
FOLDER = tempfile.TemporaryDirectory(prefix="files-", dir=Path(__file__).parent)


def sending(name: str, content: bytes) -> Application:
    """Return an application that answers with a file of that content."""
    path = Path(FOLDER.name) / name
    path.write_bytes(content)
    length = b"%d" % len(content)

    async def app(scope: apps.Message, receive: apps.Receive, send: apps.Send) -> None:
        if scope["type"] == "lifespan":
            await apps.lifespan(receive, send)
            return
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if "http.response.pathsend" in scope.get("extensions", {}):
            await send({"type": "http.response.pathsend", "path": str(path)})
            return
        file = await asyncio.to_thread(path.open, "rb")
        try:
            left = len(content)
            while left:
                chunk = await asyncio.to_thread(file.read, READ)
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
        finally:
            await asyncio.to_thread(file.close)

    return app


short = sending("short", apps.SHORT_FILE)
long = sending("long", apps.LONG_FILE)
