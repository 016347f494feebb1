"""The lifespan protocol: what an application does in it, and what becomes of the process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clients import Http1
from tests.support.process import Server, until

# Each application logs to the file LOG what it sees of its lifespan.
HEAD = '''
import asyncio, os
def log(word):
    with open(os.environ["LOG"], "a") as file:
        file.write(word + "\\n")
async def http(scope, receive, send):
    body = repr(scope.get("state", "no state")).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
    if "state" in scope:
        scope["state"]["more"] = "of a request"
async def app(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
'''
WHOLE = '''
    assert (await receive())["type"] == "lifespan.startup"
    log("startup")
    scope["state"]["pool"] = 5
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    log("shutdown")
    await send({"type": "lifespan.shutdown.complete"})
    log("over")
'''
APPS = {
    "whole": WHOLE,
    "none": '''
    assert scope["type"] == "http"
''',
    "returns": "",
    "speaks-http": '''
    await http(scope, receive, send)
''',
    "fails": '''
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
''',
    "raises": '''
    await receive()
    raise ValueError("no database")
''',
    "exits": '''
    await receive()
    raise SystemExit("no database")
''',
    "slow": '''
    await receive()
    log("startup")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        log("cancelled")
        raise
''',
    "fails-at-the-end": '''
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "cannot flush"})
''',
    "raises-at-the-end": '''
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise ValueError("cannot flush")
''',
    "slow-at-the-end": '''
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(60)
''',
    "works-on-after-the-end": '''
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
    try:
        await asyncio.sleep(60)
    finally:
        log("cancelled")
''',
    "gone-before-the-end": '''
    await receive()
    await send({"type": "lifespan.startup.complete"})
    log("gone")
''',
    "leaves-tasks": '''
    await receive()
    async def forever():
        try:
            await asyncio.sleep(60)
        finally:
            log("cancelled")
    task = asyncio.ensure_future(forever())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
''',
}
Make = Callable[..., Server]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def server(kind: str, *options: str) -> Server:
        (tmp_path / "main.py").write_text(HEAD + APPS[kind])
        return Server("main:app", *options, cwd=tmp_path, env={"LOG": str(tmp_path / "log")})

    return server


@pytest.fixture
def logged(tmp_path: Path) -> Callable[[], list[str]]:
    def read() -> list[str]:
        path = tmp_path / "log"
        return path.read_text().split() if path.exists() else []

    return read


Logged = Callable[[], list[str]]


def answer(server: Server) -> str:
    with Http1(server.connect()) as client:
        text: str = client.ask("GET", "/").text
        return text


def trouble(server: Server) -> list[str]:
    return [line for line in server.lines if " INFO " not in line]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_and_shutdown_happen_once(make: Make, logged: Logged, mode: str, loop: str) -> None:
    with make("whole", "--lifespan-mode", mode, "--loop", loop) as server:
        assert logged() == ["startup"]
        assert [answer(server) for _ in range(2)] == ["{'pool': 5}"] * 2
        assert server.stop() == 0
        assert logged() == ["startup", "shutdown", "over"]
        assert trouble(server) == []


def test_switched_off(make: Make, logged: Logged) -> None:
    with make("whole", "--lifespan-mode", "off") as server:
        assert answer(server) == "'no state'"
        assert server.stop() == 0
    assert logged() == []


@pytest.mark.parametrize("kind", ["none", "returns", "speaks-http", "raises"])
def test_an_application_without_lifespan(make: Make, kind: str) -> None:
    with make(kind) as server:
        assert answer(server) == "'no state'"
        assert server.stop() == 0
    assert trouble(server) == []
    assert any("does not support lifespan" in line for line in server.lines)


@pytest.mark.parametrize("kind", ["none", "returns", "speaks-http"])
def test_an_application_without_lifespan_where_it_is_demanded(make: Make, kind: str) -> None:
    server = make(kind, "--lifespan-mode", "on")
    assert server.run() == 3
    assert server.lines[-1].startswith("appserver: lifespan.mode is on, but the application does not support lifespan")
    assert not any("listening" in line for line in server.lines)


@pytest.mark.parametrize(
    ("mode", "kind", "traces"),
    [("auto", "fails", 0), ("auto", "exits", 1), ("on", "fails", 0), ("on", "raises", 1), ("on", "exits", 1)],
)
def test_a_startup_that_fails(make: Make, kind: str, mode: str, traces: int) -> None:
    server = make(kind, "--lifespan-mode", mode)
    assert server.run() == 3
    assert server.lines[-1].startswith("appserver: the application's startup")
    assert "no database" in server.said
    assert server.said.count("Traceback (most recent call last)") == traces
    assert not any("listening" in line for line in server.lines)


def test_a_startup_that_is_slow(make: Make, logged: Logged) -> None:
    server = make("slow", "--lifespan-startup", "0.2")
    assert server.run() == 3
    assert server.lines[-1] == "appserver: the application's startup took more than lifespan.startup = 0.2 s"
    assert logged() == ["startup", "cancelled"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_signal_before_it_is_ready(make: Make, logged: Logged, number: int, loop: str) -> None:
    server = make("slow", "--loop", loop)
    server.start()
    try:
        until(lambda: logged() == ["startup"], "the startup has begun")
        server.signal(number)
        assert server.wait() == 0
        assert logged() == ["startup", "cancelled"]
        assert trouble(server) == []
    finally:
        server.leave()


@pytest.mark.parametrize(("kind", "words"), [("fails-at-the-end", "cannot flush"), ("raises-at-the-end", "cannot flush"),
                                             ("slow-at-the-end", "did not finish in 0.2 s")])  # fmt: skip
def test_a_shutdown_that_fails_is_told_and_ends_it_all_the_same(make: Make, kind: str, words: str) -> None:
    with make(kind, "--lifespan-shutdown", "0.2") as server:
        assert server.stop() == 0
        first = trouble(server)[0]
        assert " ERROR    lifespan shutdown " in first
        assert words in first


@pytest.mark.parametrize(("kind", "left"), [("works-on-after-the-end", ["cancelled"]), ("leaves-tasks", ["cancelled"])])
def test_what_runs_on_after_the_end_is_cancelled_in_peace(make: Make, logged: Logged, kind: str, left: list[str]) -> None:
    with make(kind) as server:
        answer(server)
        assert server.stop() == 0
        assert trouble(server) == []
    assert logged() == left


def test_an_application_that_leaves_its_lifespan_is_told_of(make: Make) -> None:
    with make("gone-before-the-end") as server:
        assert answer(server) == "{}"
        assert server.stop() == 0
    assert [line.rpartition("ERROR")[2].strip() for line in trouble(server)] == [
        "lifespan shutdown failed: the application returned without lifespan.shutdown.complete"
    ]
