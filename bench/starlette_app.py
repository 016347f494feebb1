"""A small Starlette application under load: routing, a request object, a response object."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def home(request: Request) -> PlainTextResponse:
    """Answer with 13 bytes."""
    return PlainTextResponse("Hello, World!")


app = Starlette(routes=[Route("/", home)])
