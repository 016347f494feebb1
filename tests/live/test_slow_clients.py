"""Clients that do not read, or never open their window: they stall nobody else, and cost bounded memory."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from tests.live.conftest import LOOPS, PROBE, Talk
from tests.support.clients import Http1, Http2
from tests.support.process import ENGINES, Server, demand, until

MIB = 2**20
MOST_GROWTH = 8 * MIB


def closed_window(server: Server, window: int = 0) -> Http2:
    """A client that never opens its streams' windows."""
    return Http2(server.connect(), window=window)


def narrow(client: Any) -> Any:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return client


@pytest.fixture(params=ENGINES)
def fresh(request: pytest.FixtureRequest) -> Any:
    """A server of one's own, to see its memory."""
    with Server(PROBE, "--h2-engine", demand(request.param), "--loop", LOOPS[request.param]) as server:
        Talk(server, Http2).ask("GET", "/stream?parts=300&size=65536")
        Talk(server, Http1).ask("GET", "/stream?parts=300&size=65536")
        yield server


def test_a_closed_window_costs_bounded_memory(fresh: Server) -> None:
    talk = Talk(fresh, Http2)
    before = fresh.memory()
    with closed_window(fresh) as client:
        client.open("GET", "/flood?id=window&mib=64")
        talk.until_noted("window", "begun")
        client.pending(0.3)
        assert talk.notes("window") == ["begun"]  # not one MiB was taken
        assert fresh.memory() - before < MOST_GROWTH


def test_many_streams_with_closed_windows_cost_bounded_memory(fresh: Server) -> None:
    talk = Talk(fresh, Http2)
    before = fresh.memory()
    with closed_window(fresh, 1) as client:
        for _ in range(100):
            client.open("GET", "/flood?id=windows&mib=64")
        until(lambda: talk.notes("windows").count("begun") == 100, "all have begun")
        client.pending(0.3)
        assert talk.notes("windows") == ["begun"] * 100
        # 1 MiB for the connection, and one write of 64 KiB for each stream that was let through
        assert fresh.memory() - before < MOST_GROWTH + 100 * 65_536


def test_a_client_that_does_not_read_costs_bounded_memory(fresh: Server) -> None:
    for protocol in (Http1, Http2):
        before = fresh.memory()
        with narrow(protocol(fresh.connect())) as client:
            ask = client.request if isinstance(client, Http1) else client.open
            ask("GET", f"/flood?id=unread{protocol.version}&mib=64")
            time.sleep(0.4)
            assert len(Talk(fresh, Http2).notes(f"unread{protocol.version}")) < 16  # what the two sockets hold
            assert fresh.memory() - before < MOST_GROWTH


def test_a_body_that_nobody_reads_costs_bounded_memory(fresh: Server) -> None:
    for protocol in (Http1, Http2):
        before, sent = fresh.memory(), 0
        with protocol(fresh.connect()) as client:
            client.sock.settimeout(0.3)
            while (pushed := push(client)) and sent < 64 * MIB:
                sent += pushed
            assert sent < 16 * MIB
            assert fresh.memory() - before < MOST_GROWTH
            Talk(fresh, Http2).ask("GET", f"/open?gate=unread{protocol.version}")


def push(client: Any) -> int:
    """Send a piece of a body to somebody who does not read it; 0 if it is not taken."""
    try:
        return push_piece(client)
    except TimeoutError:
        return 0


def push_piece(client: Any) -> int:
    if isinstance(client, Http1):
        if client.rest == b"":
            client.request("POST", f"/gate?gate=unread{client.version}", [("content-length", str(64 * MIB))])
            client.rest = b"asked"
        client.sock.settimeout(0.3)
        client.sock.sendall(bytes(65_536))
        return 65_536
    stream = client.streams.get(1) or client.open("POST", f"/gate?gate=unread{client.version}", end=False)
    while min(stream.credit, client.credit) < 16_384:
        client.read(0.3)
    client.upload(stream, bytes(16_384), end=False)
    return 16_384


def test_nobody_waits_for_a_stuck_client(talk: Talk, server: Server) -> None:
    stuck = [narrow(Http1(server.connect())) for _ in range(5)]
    for client in stuck:
        client.request("GET", "/flood?mib=64")
    windows = [closed_window(server) for _ in range(5)]
    for window in windows:
        for _ in range(20):
            window.open("GET", "/flood?mib=64")
    with talk.new() as client:
        assert {client.ask("GET", "/hello").body for _ in range(50)} == {b"hello"}
        assert client.ask("GET", "/stream?parts=64&size=65536").size == 4 * MIB
    for client in (*stuck, *windows):
        client.close()


def test_a_stuck_stream_does_not_stall_its_neighbours(h2: Talk, server: Server) -> None:
    with closed_window(server, 65_535) as client:
        stuck = [client.open("GET", "/flood?mib=64") for _ in range(20)]
        client.send(client.client.window(0, 2**30))
        for _ in range(20):
            assert client.ask("GET", "/hello").body == b"hello"
        stream = client.open("GET", "/stream?parts=16&size=65536")
        client.send(client.client.window(stream.id, 2**30))
        assert client.answer(stream).size == MIB
        assert {one.answer.size for one in stuck} == {65_535}


def test_a_window_that_opens_late_gets_everything(h2: Talk, server: Server) -> None:
    with closed_window(server) as client:
        stream = client.open("GET", "/stream?parts=64&size=65536")
        client.read_until(lambda: stream.answer.status == 200)
        client.pending(0.1)
        assert stream.answer.size == 0
        client.send(client.client.window(0, 2**30))
        for _ in range(65):
            client.send(client.client.window(stream.id, 65_536))
        assert client.answer(stream).size == 64 * 65_536


def test_a_client_that_takes_nothing_is_closed() -> None:
    with Server(PROBE, "--timeout-response-stall", "1", "--timeout-keep-alive", "1") as server:
        talk = Talk(server, Http1)
        before = talk.json("/tasks")
        with narrow(Http1(server.connect())) as one, narrow(Http2(server.connect())) as two:
            one.request("GET", "/flood?id=one&mib=64")
            two.open("GET", "/flood?id=two&mib=64")
            talk.until_noted("one", "over")
            talk.until_noted("two", "over")
        assert talk.json("/tasks") <= before
