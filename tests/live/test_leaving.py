"""Clients that leave: the application is told once, its sends raise, and nothing of it stays."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.live.conftest import PROBE, Talk
from tests.support.clients import Http1, Http2
from tests.support.process import ENGINES, Server, demand, until

Said = Callable[[], str]
Leave = Callable[[Any], None]
LEAVES = {
    "h1 reset": (Http1, lambda client: client.tear()),
    "h2 stream reset": (Http2, lambda client: client.reset(client.streams[1])),
    "h2 connection closed": (Http2, lambda client: client.close()),
    "h2 connection reset": (Http2, lambda client: client.tear()),
}
# A client that only closes its side of HTTP/1.1 may still read (RFC 9112 9.6).
CLOSE = {**LEAVES, "h1 close": (Http1, lambda client: client.close())}


@pytest.fixture(params=sorted(LEAVES))
def way(request: pytest.FixtureRequest, server: Server) -> tuple[Talk, Leave]:
    protocol, leave = LEAVES[request.param]
    return Talk(server, protocol), leave


@pytest.fixture(params=sorted(CLOSE))
def any_way(request: pytest.FixtureRequest, server: Server) -> tuple[Talk, Leave]:
    protocol, leave = CLOSE[request.param]
    return Talk(server, protocol), leave


@pytest.fixture
def id(request: pytest.FixtureRequest) -> str:
    """A name for the notes of this test."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


def ask(client: Any, method: str, path: str, body: bytes | None = None, length: int | None = None) -> None:
    """Send a request, or the beginning of one."""
    fields = [] if length is None else [("content-length", str(length))]
    if isinstance(client, Http1):
        client.request(method, path, fields, body)
    else:
        stream = client.open(method, path, fields, end=body is None and length is None)
        if body:
            client.upload(stream, body, end=False)


@pytest.mark.parametrize("receivers", [1, 3])
def test_each_waiting_receive_is_told_once(way: tuple[Talk, Leave], id: str, receivers: int) -> None:
    talk, leave = way
    with talk.new() as client:
        ask(client, "GET", f"/wait?id={id}&receivers={receivers}")
        talk.until_noted(id, "waiting")
        leave(client)
        notes = talk.until_noted(id, "over")
    assert notes == ["begun", "waiting", *["http.disconnect"] * receivers, *["ClientDisconnected"] * 5, "over"]


def test_a_client_that_leaves_while_it_sends(any_way: tuple[Talk, Leave], id: str) -> None:
    talk, leave = any_way
    with talk.new() as client:
        ask(client, "POST", f"/drip?id={id}", b"some", 1000)
        talk.until_noted(id, "body")
        leave(client)
        notes = talk.until_noted(id, "over")
    assert notes == ["begun", "body", "http.disconnect", "over"]


def test_a_body_cut_short_is_never_taken_for_a_whole_one(any_way: tuple[Talk, Leave], id: str) -> None:
    talk, leave = any_way
    with talk.new() as client:
        ask(client, "POST", f"/digest?id={id}", b"some", 1000)
        talk.until_noted(id, "begun")
        leave(client)
        notes = talk.until_noted(id, "over")
    assert notes == ["begun", "http.disconnect", "ConnectionError", "over"]


def test_a_client_that_leaves_while_it_reads(any_way: tuple[Talk, Leave], id: str) -> None:
    talk, leave = any_way
    with talk.new() as client:
        ask(client, "GET", f"/drip?id={id}")
        talk.until_noted(id, "begun")
        client.receive()
        leave(client)
        notes = talk.until_noted(id, "over")
    assert notes == ["begun", "http.disconnect", "over"]


def test_a_client_that_leaves_while_send_waits_for_it(any_way: tuple[Talk, Leave], id: str) -> None:
    talk, leave = any_way
    with talk.new() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ask(client, "GET", f"/flood?id={id}&mib=40")
        talk.until_noted(id, "sent")
        leave(client)
        notes = talk.until_noted(id, "over")
    sent = notes.count("sent")
    assert sent < 40
    assert notes == ["begun", *["sent"] * sent, "ClientDisconnected", "over"]


def test_a_connection_lives_on_after_a_reset_stream(h2: Talk, id: str) -> None:
    with h2.new() as client:
        for _ in range(100):
            client.reset(client.open("GET", f"/wait?id={id}"))
            stream = client.open("POST", f"/digest?id={id}", [("content-length", "1000")], end=False)
            client.upload(stream, b"some", end=False)
            client.reset(stream)
        assert client.ask("GET", "/hello").body == b"hello"


def test_a_stream_reset_in_the_read_that_opened_it_never_runs(h2: Talk, id: str) -> None:
    with h2.new() as client:
        pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", f"/wait?id={id}")]
        client.send(client.client.headers(1, pseudo, end=True), client.client.reset(1))
        client.next_id = 3
        assert client.ask("GET", "/hello").body == b"hello"
    assert h2.notes(id) == []


def test_an_endless_answer_ends_when_its_client_goes(any_way: tuple[Talk, Leave], id: str, said_since: Said) -> None:
    talk, leave = any_way
    for size in (1, 65_536):
        with talk.new() as client:
            ask(client, "GET", f"/endless?size={size}&id={id}{size}")
            talk.until_noted(f"{id}{size}", "begun")
            client.receive()
            leave(client)
        assert talk.until_noted(f"{id}{size}", "over") == ["begun", "ClientDisconnected", "over"]
    assert "ERROR" not in said_since()


def test_who_swallows_that_the_client_is_gone_stalls_nobody(any_way: tuple[Talk, Leave], id: str) -> None:
    talk, leave = any_way
    for _ in range(10):
        with talk.new() as client:
            ask(client, "GET", f"/swallow?gate={id}&id={id}")
            talk.until_noted(id, "begun")
            client.receive()
            leave(client)
    talk.ask("GET", f"/open?gate={id}")
    until(lambda: talk.notes(id).count("over") == 10, "the endless answers are over")


def test_an_endless_answer_does_not_keep_the_loop_to_itself(talk: Talk, id: str) -> None:
    # A client that takes all there is at once, and an application that never waits for anything but send.
    with talk.new() as greedy, talk.new() as other:
        ask(greedy, "GET", f"/endless?size=0&id={id}")
        talk.until_noted(id, "begun")
        assert [other.ask("GET", "/hello").body for _ in range(20)] == [b"hello"] * 20
        greedy.tear()
        assert talk.until_noted(id, "over")[-2:] == ["ClientDisconnected", "over"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("protocol", [Http1, Http2], ids=["h1", "h2"])
def test_a_client_that_takes_nothing_is_gone_after_the_bound(engine: str, protocol: Any) -> None:
    with Server(PROBE, "--h2-engine", demand(engine), "--timeout-response-stall", "0.2") as server:
        talk = Talk(server, protocol)
        with talk.new() as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            ask(client, "GET", "/flood?id=stalled&mib=40")
            notes = talk.until_noted("stalled", "over")
        assert notes[-2:] == ["ClientDisconnected", "over"]
        assert "ERROR" not in server.said


def test_a_client_that_closed_its_half_still_gets_its_answer(h1: Talk, id: str) -> None:
    with h1.new() as client:
        client.request("GET", f"/wait?id={id}")
        h1.until_noted(id, "waiting")
        client.sock.shutdown(socket.SHUT_WR)
        answer = client.answer()
    assert (answer.status, answer.body, answer.whole) == (200, b"for who still reads", True)
    assert h1.until_noted(id, "over") == ["begun", "waiting", "http.disconnect", *["sent"] * 5, "over"]


GONE = ("/drip?id=leak", "/flood?id=leak&mib=1", "/echo?id=leak", "/wait?id=leak")


def test_nothing_stays_of_hundreds_that_left(way: tuple[Talk, Leave], server: Server) -> None:
    talk, leave = way
    tasks, descriptors = talk.json("/tasks"), len(server.descriptors())
    for n in range(200):
        with talk.new() as client:
            if n % 2:
                ask(client, "GET", GONE[n // 2 % 4])
            leave(client) if n % 2 or talk.protocol is Http1 else client.tear()
    until(lambda: talk.json("/tasks") <= tasks, "all tasks are over")
    until(lambda: len(server.descriptors()) <= descriptors, "all sockets are closed")


def test_nothing_stays_of_the_streams_of_a_lost_connection(h2: Talk, server: Server) -> None:
    tasks = h2.json("/tasks")
    for _ in range(5):
        with h2.new() as client:
            for n in range(100):
                client.open("GET", GONE[n % 4])
    until(lambda: h2.json("/tasks") <= tasks, "all tasks are over")


def test_a_receive_that_is_a_task_misses_nothing(h2: Talk, id: str) -> None:
    # The task begins to run after the client has left: in the same turn of the loop, with luck.
    for n in range(20):
        with h2.new() as client:
            ask(client, "GET", f"/drip?id={id}{n}")
            client.receive()
    for n in range(20):
        if h2.notes(f"{id}{n}"):
            assert h2.until_noted(f"{id}{n}", "over") == ["begun", "http.disconnect", "over"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_waiting_receive_is_told_of_a_client_that_closed(engine: str) -> None:
    # Else such a request stays in flight for good, and a stop waits for it.
    with Server(PROBE, "--h2-engine", demand(engine), "--timeout-graceful", "60") as server:
        talk = Talk(server, Http1)
        with talk.new() as client:
            client.request("GET", "/wait?id=closed")
            talk.until_noted("closed", "waiting")
        assert "http.disconnect" in talk.until_noted("closed", "over")
        assert server.stop() == 0
