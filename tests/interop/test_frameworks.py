"""Starlette, FastAPI, Quart, Litestar and Django serve the same endpoints, over both protocols."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.live.conftest import FAULTS
from tests.support.clients import Http1, Http2, Open
from tests.support.process import Server, best, until

FRAMEWORKS = ("starlette", "fastapi", "quart", "litestar", "django")
VERSIONS = ("HTTP/1.1", "HTTP/2")


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(framework: str) -> Iterator[Server]:
    app = f"tests.interop.frameworks.{framework}_app:app"
    with Server(app, "--h2-engine", best(), "--timeout-graceful", "10") as server:
        yield server
        assert server.stop() == 0
        assert "CRITICAL" not in server.said
        assert "were cut" not in server.said
        assert {fault for fault in FAULTS if fault in server.said} == set()


@pytest.fixture(params=VERSIONS)
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    h2 = request.param == "HTTP/2"
    with httpx.Client(base_url=server.url, timeout=10, http1=not h2, http2=h2) as client:
        yield client
        answer = client.get("/json")
        assert (answer.status_code, answer.http_version) == (200, request.param)


def test_json_and_middleware_and_startup(client: httpx.Client, framework: str) -> None:
    answer = client.get("/json")
    assert answer.json() == {"framework": framework, "state": "from startup", "scheme": "http"}
    assert answer.headers["x-middleware"] == "was here"
    assert answer.headers["content-length"] == str(len(answer.content))


def test_a_path_parameter_and_a_query(client: httpx.Client) -> None:
    assert client.get("/items/42", params={"q": "a b+c&ä"}).json() == {"id": 42, "q": "a b+c&ä"}
    assert client.get("/items/none").status_code in (404, 422)


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_a_body_comes_back(client: httpx.Client, size: int) -> None:
    body = random.Random(size).randbytes(size)
    assert client.post("/echo", content=body).content == body


def test_a_streamed_upload(client: httpx.Client) -> None:
    assert client.post("/upload", content=(bytes(10_000) for _ in range(100))).json() == {"size": 1_000_000}


def test_a_streamed_answer(client: httpx.Client) -> None:
    with client.stream("GET", "/stream") as answer:
        assert b"".join(answer.iter_bytes()) == b"".join(b"part %d\n" % n for n in range(10))


def test_head(client: httpx.Client, framework: str) -> None:
    answer = client.head("/json")
    assert answer.content == b""
    assert answer.status_code == (405 if framework in ("fastapi", "litestar") else 200)


def test_work_in_the_background(client: httpx.Client) -> None:
    before = client.get("/told").json()["background"]
    assert client.get("/background").json() == {"background": before}
    until(lambda: client.get("/told").json()["background"] == before + 1, "the work is done")


def test_an_error_is_a_500(client: httpx.Client, server: Server) -> None:
    answer = client.get("/fail")
    assert answer.status_code == 500
    assert "appserver" not in answer.text


Leaver = Http1 | Http2


def close(leaver: Leaver, stream: Open | None) -> None:
    leaver.close()


def tear(leaver: Leaver, stream: Open | None) -> None:
    leaver.tear()


def reset(leaver: Leaver, stream: Open | None) -> None:
    assert isinstance(leaver, Http2)
    assert stream is not None
    leaver.reset(stream)
    leaver.pending(0.05)


WAYS: dict[str, tuple[type[Leaver], Callable[[Any, Open | None], None]]] = {
    "h1 close": (Http1, close),
    "h1 reset": (Http1, tear),
    "h2 stream reset": (Http2, reset),
    "h2 connection closed": (Http2, close),
    "h2 connection reset": (Http2, tear),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_endless_answer_ends_when_its_client_is_gone(server: Server, way: str) -> None:
    protocol, leave = WAYS[way]
    before = len(server.said)
    with httpx.Client(base_url=server.url) as client:
        told = client.get("/told").json()
        with protocol(server.connect()) as leaver:
            leave(leaver, begin(leaver))
        until(lambda: client.get("/told").json()["started"] > told["started"], "the answer begins")
        until(lambda: client.get("/told").json()["endless"] > told["endless"], "the answer ends")
    assert "Traceback" not in server.said[before:]


def begin(leaver: Leaver) -> Open | None:
    """Ask for the endless answer, and see the begin of it."""
    if isinstance(leaver, Http1):
        leaver.request("GET", "/endless")
        leaver.take_until(b"again")
        return None
    stream = leaver.open("GET", "/endless")
    leaver.read_until(lambda: b"again" in stream.answer.body)
    return stream


def test_an_endless_answer_to_head_ends(server: Server) -> None:
    # The wire cannot say that nobody is there any more.
    with httpx.Client(base_url=server.url) as client:
        told = client.get("/told").json()
        if client.head("/endless").status_code == 200:
            until(lambda: client.get("/told").json()["endless"] > told["endless"], "the answer ends")
