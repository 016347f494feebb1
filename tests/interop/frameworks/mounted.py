"""Applications that build URLs, behind a proxy under a prefix: x-framework says which one answers.

Each has /where (the URL of /item/7, and its own), /folder/ (redirected to from /folder) and /static/hello.txt;
FastAPI its documentation too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from fastapi import FastAPI
from fastapi import Request as FastApiRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

FILES = Path(__file__).parent / "files"


async def where(request: Request) -> Response:
    return JSONResponse([str(request.url_for("item", id=7)), str(request.url)])


async def item(request: Request) -> Response:
    return PlainTextResponse("item")


starlette = Starlette(
    routes=[
        Route("/where", where), Route("/item/{id}", item, name="item"), Route("/folder/", item),
        Mount("/static", StaticFiles(directory=FILES)),
    ]
)  # fmt: skip
fastapi = FastAPI()
fastapi.mount("/static", StaticFiles(directory=FILES))


@fastapi.get("/where")
async def where_fastapi(request: FastApiRequest) -> list[str]:
    return [str(request.url_for("item_fastapi", id=7)), str(request.url)]


@fastapi.get("/item/{id}")
@fastapi.get("/folder/")
async def item_fastapi(id: int = 0) -> str:
    return "item"


settings.configure(
    ALLOWED_HOSTS=["*"], MIDDLEWARE=["django.middleware.common.CommonMiddleware"], ROOT_URLCONF=__name__,
    SECRET_KEY="of a test", LOGGING_CONFIG=None, STATIC_URL="static/",
)  # fmt: skip


def where_django(request: HttpRequest) -> HttpResponse:
    return JsonResponse([request.build_absolute_uri(reverse("item", args=[7])), request.build_absolute_uri()], safe=False)


def item_django(request: HttpRequest, id: int = 0) -> HttpResponse:
    return HttpResponse("item")


def static_django(request: HttpRequest) -> HttpResponse:
    return HttpResponse((FILES / "hello.txt").read_bytes())


urlpatterns = [
    path("where", where_django), path("item/<int:id>", item_django, name="item"), path("folder/", item_django),
    path("static/hello.txt", static_django),
]  # fmt: skip
django: Any = get_asgi_application()
APPLICATIONS: dict[bytes, Any] = {b"starlette": starlette, b"fastapi": fastapi, b"django": django}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    name = b"starlette" if scope["type"] == "lifespan" else dict(scope["headers"])[b"x-framework"]
    await APPLICATIONS[name](scope, receive, send)
