"""A response that is given up while its client reads nothing: the worker serves on, and the client hears of it.

One client opens large windows, reads late, and meanwhile the answer is broken off. It once made the worker spin for ever.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.live.conftest import LOOPS
from tests.support.clients import Http2, Open
from tests.support.process import ENGINES, Server, demand

APP = "tests.support.given_up:app"
OPTIONS = ("--timeout-response-stall", "1", "--timeout-graceful", "0.5", "--no-http1")


@pytest.fixture(params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    engine = demand(request.param)
    with Server(APP, *OPTIONS, "--h2-engine", engine, "--loop", LOOPS[engine]) as server:
        yield server


def late(server: Server) -> Http2:
    """A client with windows without end and hardly a buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", server.port))
    sock.settimeout(10.0)
    return Http2(sock)


def answers(server: Server) -> None:
    """The worker is there for others."""
    with Http2(server.connect()) as other:
        assert other.ask("GET", "/hello").body == b"hello"


def client_resets(client: Http2, stream: Open) -> None:
    client.reset(stream)


def client_overfills(client: Http2, stream: Open) -> None:
    client.send(client.client.data(stream.id, b"more than three"))


def nothing(client: Http2, stream: Open) -> None:
    return None


WAYS: dict[str, tuple[str, str, Callable[[Http2, Open], None]]] = {
    "the application raises": ("GET", "/raises", nothing),
    "fewer bytes than its content-length": ("GET", "/too-short", nothing),
    "more bytes than its content-length": ("GET", "/too-long", nothing),
    "trailers where a body is due": ("GET", "/trailers-too-early", nothing),
    "the client resets": ("GET", "/endless", client_resets),
    "more body than was announced": ("POST", "/endless", client_overfills),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_given_up_unread_stops_nobody(server: Server, way: str) -> None:
    method, path, act = WAYS[way]
    with late(server) as client:
        upload = [("content-length", "3")] if method == "POST" else []
        stream = client.open(method, path, upload, end=method == "GET")
        time.sleep(0.2)
        act(client, stream)
        time.sleep(0.4)
        answers(server)
        if act is client_resets:
            client.pending(0.3)
        else:
            client.answer(stream)
            assert stream.answer.reset > 0
            assert not stream.answer.whole
        # The connection itself goes on.
        assert client.ask("GET", "/hello").body == b"hello"
    answers(server)


def test_a_stalled_answer_stops_nobody(server: Server) -> None:
    with late(server) as client:
        client.open("GET", "/endless")
        time.sleep(3.2)
        answers(server)
        client.pending(0.3)
    answers(server)


def test_a_connection_terminated_unread_stops_nobody(server: Server) -> None:
    with late(server) as client:
        client.open("GET", "/endless")
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        time.sleep(0.7)
        client.pending(0.5)
        assert server.wait() == 0
