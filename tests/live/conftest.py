"""The servers that serve the probe to the tests of this directory: each engine, each loop, each protocol."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.clients import Http1, Http2, Talker
from tests.support.process import ENGINES, Server, demand, until

PROBE = "tests.support.probe:app"
LOOPS = {"kernel": "uvloop", "pure": "asyncio"}
# Lines that no client and no application may bring a worker to write.
FAULTS = ("CRITICAL", "never awaited", "never retrieved", "is pending", "Exception ignored", "Exception in", "socket.send()")


class Talk:
    """One protocol to one server: `new()` is a connection, `ask` a request on one of its own."""

    def __init__(self, server: Server, protocol: type[Http1] | type[Http2]) -> None:
        self.server, self.protocol = server, protocol
        self.version = protocol.version

    @contextmanager
    def new(self) -> Iterator[Any]:
        with self.protocol(self.server.connect()) as client:
            yield client

    def ask(self, method: str, path: str, *more: Any, **named: Any) -> Any:
        with self.new() as client:
            return client.ask(method, path, *more, **named)

    def json(self, path: str) -> Any:
        return json.loads(self.ask("GET", path).body)

    def notes(self, id: str) -> list[Any]:
        found: list[Any] = self.json(f"/notes?of={id}")
        return found

    def until_noted(self, id: str, *notes: Any) -> list[Any]:
        """Wait until the application has left these notes; return all."""
        until(lambda: set(self.notes(id)) >= set(notes), f"the application notes {notes}, not {self.notes(id)}")
        return self.notes(id)

    def goes_on(self, client: Talker) -> bool:
        """Tell whether a connection is in order: its next request is answered right, or it is closed."""
        try:
            answer = client.ask("GET", "/hello")
        except (BrokenPipeError, ConnectionResetError):
            return True
        return (answer.whole and answer.body == b"hello") or (not answer.status and client.is_closed())


@pytest.fixture(scope="session", params=ENGINES)
def running(request: pytest.FixtureRequest) -> Iterator[Server]:
    engine = demand(request.param)
    with Server(PROBE, "--h2-engine", engine, "--loop", LOOPS[engine]) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """A server with the probe; it must live on, and blame nobody but the application or the peer."""
    before = len(running.said)
    yield running
    assert not running.ended
    said = running.said[before:]
    assert [line for line in said.splitlines() if any(fault in line for fault in FAULTS)] == []


@pytest.fixture(params=[Http1, Http2], ids=["h1", "h2"])
def talk(server: Server, request: pytest.FixtureRequest) -> Talk:
    return Talk(server, request.param)


@pytest.fixture
def h1(server: Server) -> Talk:
    return Talk(server, Http1)


@pytest.fixture
def h2(server: Server) -> Talk:
    return Talk(server, Http2)


@pytest.fixture
def said_since(server: Server) -> Callable[[], str]:
    """What the server wrote since the test began: its log comes later than its answers, so one line of ours is waited for."""
    mark = f"raised at {secrets.token_hex(8)}\n"
    Talk(server, Http1).ask("GET", f"/raise?when={mark.split()[-1]}")
    until(lambda: mark in server.said, "what was before is logged")
    before = len(server.said)
    return lambda: server.said[before:]
