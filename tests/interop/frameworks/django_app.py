"""The endpoints of test_frameworks, by Django."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[f"{__name__}.marked", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    LOGGING_CONFIG=None,
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)

seen = {"background": 0, "endless": 0, "started": 0}
running: set[asyncio.Task[None]] = set()
Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]


def marked(get_response: Answer) -> Answer:
    async def middleware(request: HttpRequest) -> HttpResponse:
        response = await get_response(request)
        response["x-middleware"] = "was here"
        return response

    from asgiref.sync import markcoroutinefunction

    markcoroutinefunction(middleware)
    return middleware


marked.async_capable = True  # type: ignore[attr-defined]  # this is how Django wants it
marked.sync_capable = False  # type: ignore[attr-defined]  # likewise


async def json(request: HttpRequest) -> HttpResponse:
    # Django takes no part in the lifespan.
    return JsonResponse({"framework": "django", "state": "from startup", "scheme": request.scheme})


# Without async: run in a thread.
def item(request: HttpRequest, id: int) -> HttpResponse:
    return JsonResponse({"id": id, "q": request.GET.get("q")})


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="application/octet-stream")


async def upload(request: HttpRequest) -> HttpResponse:
    size = 0
    while chunk := request.read(65_536):
        size += len(chunk)
    return JsonResponse({"size": size})


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        for n in range(10):
            yield f"part {n}\n"
            await asyncio.sleep(0.001)

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def endless(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        seen["started"] += 1
        try:
            while True:
                yield "again\n"
                await asyncio.sleep(0.005)
        finally:
            seen["endless"] += 1

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def background(request: HttpRequest) -> HttpResponse:
    async def work() -> None:
        await asyncio.sleep(0.05)
        seen["background"] += 1

    task = asyncio.create_task(work())
    running.add(task)
    task.add_done_callback(running.discard)
    return JsonResponse({"background": seen["background"]})


async def told(request: HttpRequest) -> HttpResponse:
    gc.collect()  # a framework may leave a generator to the collector
    return JsonResponse(seen)


async def fail(request: HttpRequest) -> HttpResponse:
    raise ValueError("as asked")


urlpatterns: list[Any] = [
    path("json", json),
    path("items/<int:id>", item),
    path("echo", echo),
    path("upload", upload),
    path("stream", stream),
    path("endless", endless),
    path("background", background),
    path("told", told),
    path("fail", fail),
]
app = get_asgi_application()
