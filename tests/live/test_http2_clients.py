"""HTTP/2 clients that are cut anywhere, change their settings on the way, or ask for more than they read."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from tests.live.conftest import LOOPS, PROBE, Talk
from tests.support.clients import Http1, Http2
from tests.support.frames import (
    GET,
    POST,
    PREFACE,
    SETTINGS,
    Client,
    Data,
    Goaway,
    Head,
    Sent,
    Settings,
    Wire,
    changed,
    frame,
)
from tests.support.process import ENGINES, Server, demand, until

HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 4, 5
NO_LINGER = struct.pack("ii", 1, 0)


class Watcher(Client):
    """A client that writes down all frames, and does only what it is told; the preface is its own to send."""

    def __init__(self, sock: socket.socket, settings: dict[int, int] | None = None) -> None:
        super().__init__()
        self.sock, self.wire = sock, Wire()
        self.acknowledged = 0
        self.frames: list[Sent] = []
        if settings is not None:
            self.say(PREFACE)
            self.settle(settings)

    def say(self, *data: bytes) -> None:
        self.sock.sendall(b"".join(data))

    def until(self, holds: Callable[[], bool]) -> None:
        """Read until something holds."""
        while not holds():
            data = self.sock.recv(2**18)
            assert data, f"the connection was closed: {self.frames[-3:]}"
            for sent in self.wire.read(data):
                assert not isinstance(sent, Goaway), sent
                self.frames.append(sent)
                self.acknowledged += isinstance(sent, Settings) and sent.ack

    def settle(self, values: dict[int, int]) -> None:
        """Change the settings and wait until the server has read that, and answered what was asked before."""
        due = self.acknowledged + 1
        self.say(self.settings(values))
        self.until(lambda: self.acknowledged == due)

    def pieces(self, stream: int) -> list[bytes]:
        return [sent.body for sent in self.frames if isinstance(sent, Data) and sent.stream == stream]

    def size(self, stream: int) -> int:
        return sum(map(len, self.pieces(stream)))

    def until_ended(self, stream: int) -> None:
        self.until(lambda: any(isinstance(sent, Head | Data) and sent.stream == stream and sent.end for sent in self.frames))

    def statuses(self) -> dict[int, int]:
        return {sent.stream: sent.status for sent in self.frames if isinstance(sent, Head)}


@pytest.fixture(params=ENGINES)
def alone(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of one's own, to see its descriptors and its memory."""
    with Server(PROBE, "--h2-engine", demand(request.param), "--loop", LOOPS[request.param]) as server:
        Talk(server, Http2).ask("GET", "/stream?parts=100&size=65536")
        yield server
        assert server.stop() == 0
        assert "CRITICAL" not in server.said


def conversation() -> bytes:
    """A request of every kind of frame that a client has."""
    client = Client()
    return b"".join([
        PREFACE, frame(SETTINGS, 0, 0), client.headers(1, changed(POST, path="/digest"), parts=2, pad=3),
        client.priority(3, 1), client.priority_update(3, b"u=1"), client.data(1, b"hello", pad=2), client.ping(), client.window(0, 9), client.window(1, 9),
        frame(0x42, 0, 1, b"unknown"), client.data(1, b"world", end=True), client.headers(3, GET, end=True), client.reset(3),
    ])  # fmt: skip


def test_a_conversation_in_any_two_pieces(h2: Talk) -> None:
    whole = conversation()
    for at in range(1, len(whole)):
        with h2.server.connect() as sock:
            client = Watcher(sock)
            sock.sendall(whole[:at])
            sock.sendall(whole[at:])
            client.until_ended(1)
            assert client.statuses()[1] == 200


@pytest.mark.parametrize("linger", [None, NO_LINGER], ids=["FIN", "RST"])
def test_a_client_that_is_cut_at_any_byte_leaves_nothing(alone: Server, linger: bytes | None) -> None:
    whole = conversation()
    before = len(alone.descriptors())
    for at in range(1, len(whole)):
        with alone.connect() as sock:
            if linger is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            sock.sendall(whole[:at])
    until(lambda: len(alone.descriptors()) <= before, "all connections are closed")
    assert Talk(alone, Http1).ask("GET", "/hello").body == b"hello"


def test_a_window_that_becomes_negative_on_the_way(h2: Talk) -> None:
    with h2.server.connect() as sock:
        client = Watcher(sock, {INITIAL_WINDOW_SIZE: 60_000})
        client.say(client.headers(1, changed(GET, path="/flood?id=negative&mib=1"), end=True))
        client.until(lambda: client.size(1) == 60_000)
        client.settle({INITIAL_WINDOW_SIZE: 0})
        client.say(client.window(1, 50_000))
        client.settle({})
        assert client.size(1) == 60_000  # 10,000 are still owed
        client.settle({INITIAL_WINDOW_SIZE: 12_000})
        client.until(lambda: client.size(1) == 62_000)
        client.say(client.window(0, 2**20), client.window(1, 2**20))
        client.until_ended(1)
        assert client.size(1) == 2**20


def test_larger_frames_and_no_table_on_the_way(h2: Talk) -> None:
    with h2.server.connect() as sock:
        client = Watcher(sock, {INITIAL_WINDOW_SIZE: 2**20})
        client.say(client.window(0, 2**22))
        for n, size in enumerate((4_096, 0, 50, 2**32 - 1)):
            client.settle({HEADER_TABLE_SIZE: size, MAX_FRAME_SIZE: 16_384 << n})
            for stream in (4 * n + 1, 4 * n + 3):
                client.say(client.headers(stream, changed(GET, path="/stream?parts=1&size=204800"), end=True))
                client.until_ended(stream)
                assert (client.statuses()[stream], client.size(stream)) == (200, 204_800)
                assert max(map(len, client.pieces(stream))) <= 16_384 << n


def test_who_asks_for_answers_and_reads_none_costs_bounded_memory(alone: Server) -> None:
    before, sent = alone.memory(), 0
    asks = Client().ping() * 1_000 + frame(SETTINGS, 0, 0) * 1_000
    with alone.connect() as sock:
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0))
        sock.settimeout(0.5)
        try:
            while sent < 32 * 2**20:
                sent += sock.send(asks)
        except (TimeoutError, ConnectionError):
            pass  # the server reads no more, or has had enough
        assert alone.memory() - before < 8 * 2**20
        assert Talk(alone, Http2).ask("GET", "/hello").body == b"hello"


def test_memory_is_flat_over_streams(alone: Server) -> None:
    def ask(client: Http2, count: int) -> int:
        for n in range(count // 50):
            streams = [client.open("GET", f"/echo?{n}", [("x-id", f"{n}-{k}")]) for k in range(50)]
            for k, stream in enumerate(streams):
                if k % 10 == 9:
                    client.reset(stream)
                    stream.over = True
            for stream in streams:
                client.answer(stream)
            client.streams.clear()
        return alone.memory()

    with Http2(alone.connect()) as client:
        before = ask(client, 2_000)
        assert ask(client, 2_000) - before < 2**21
