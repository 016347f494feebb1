"""The front: which protocol the first bytes are, however they arrive, and what becomes of who sends none."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Peer
from appserver.net.peer import TrustList
from appserver.worker.front import DRAIN_SECONDS, PREFACE, REFUSAL, Front
from appserver.worker.loop import choose_loop
from tests.support.clock import ClockLoop
from tests.support.transport import MemoryTransport

REQUEST = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"


class Chosen(asyncio.Protocol):
    """The connection that the front's bytes go to."""

    def __init__(self, kind: str, transport: Any, peer: Peer) -> None:
        self.kind, self.transport, self.peer = kind, transport, peer
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data


class Worker:
    """What the front needs of it."""

    def __init__(self, loop: Any, http1: bool = True, full: bool = False) -> None:
        self.loop = loop
        self.http1, self.full = http1, full
        self.admitted: list[Any] = []
        self.forgotten: list[Any] = []
        self.chosen: Chosen | None = None

    def admit(self, front: object) -> bool:
        self.admitted.append(front)
        return not self.full

    def closed(self, connection: object) -> None:
        self.forgotten.append(connection)

    def connect_h2(self, front: object, transport: Any, peer: Peer) -> Any:
        return self._choose("h2", transport, peer)

    def connect_h1(self, front: object, transport: Any, peer: Peer) -> Any:
        return self._choose("h1", transport, peer) if self.http1 else None

    def _choose(self, kind: str, transport: Any, peer: Peer) -> Chosen:
        assert self.chosen is None
        self.chosen = Chosen(kind, transport, peer)
        return self.chosen


class Talk:
    def __init__(self, loop: ClockLoop, worker: Worker | None = None, **transport: Any) -> None:
        self.loop = loop
        self.worker = worker or Worker(loop)
        self.transport = MemoryTransport(loop, **transport)
        self.trust = TrustList(["192.0.2.1", "unix"])
        self.front = Front(self.worker, self.trust.for_peer, 5.0)
        self.transport.connect(self.front)

    def say(self, *pieces: bytes) -> Chosen | None:
        for piece in pieces:
            self.transport.say(piece)
        return self.worker.chosen


@pytest.fixture
def loop() -> Iterator[ClockLoop]:
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


# Choosing


@pytest.mark.parametrize("at", range(1, len(PREFACE)))
def test_the_preface_in_two_pieces(loop: ClockLoop, at: int) -> None:
    talk = Talk(loop)
    assert talk.say(PREFACE[:at]) is None

    chosen = talk.say(PREFACE[at:] + b"frames")

    assert chosen is not None
    assert (chosen.kind, chosen.received) == ("h2", PREFACE + b"frames")
    assert talk.transport.protocol is chosen


def test_the_preface_byte_by_byte(loop: ClockLoop) -> None:
    chosen = Talk(loop).say(*(bytes([byte]) for byte in PREFACE))

    assert chosen is not None
    assert (chosen.kind, chosen.received) == ("h2", PREFACE)


@pytest.mark.parametrize("at", range(len(REQUEST)))
def test_a_request_in_two_pieces(loop: ClockLoop, at: int) -> None:
    chosen = Talk(loop).say(*filter(None, [REQUEST[:at], REQUEST[at:]]))

    assert chosen is not None
    assert (chosen.kind, chosen.received) == ("h1", REQUEST)


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (PREFACE, "h2"),
        (PREFACE + PREFACE, "h2"),
        (b"POST / HTTP/1.1\r\n", "h1"),
        (b"P", None),
        (b"PR", None),
        (b"PROPFIND / HTTP/1.1\r\n", "h1"),
        (b"PRI * HTTP/1.1\r\n\r\n", "h1"),
        (b"PRI /x", "h1"),
        (b"\r\nGET / HTTP/1.1\r\n", "h1"),
        (b"GET / http/1.1\r\n", "h1"),
        (b"GET /\r\n", "h1"),
        (b"GET / x HTTP/1.1\r\n", "h1"),
        (b"\x16\x03\x01\x02\x00\x01", "h1"),
        (b"\0", "h1"),
        # RFC 9113 3.4: a wrong preface is a connection error of HTTP/2.
        (b"INVALID CONNECTION PREFACE\r\n\r\n", "h2"),
        (b"GET / HTTQ/1.1\r\n", "h2"),
    ],
)
def test_what_the_first_bytes_are(loop: ClockLoop, first: bytes, kind: str | None) -> None:
    chosen = Talk(loop).say(first)

    assert (chosen and chosen.kind) == kind
    assert chosen is None or chosen.received == first


ALMOST = [PREFACE[:size] + b"x" for size in range(len(PREFACE))]


@given(
    data=st.binary(max_size=60) | st.sampled_from([PREFACE, PREFACE + b"x", REQUEST, *ALMOST]),
    cuts=st.lists(st.integers(1, 59), max_size=4),
)
def test_no_byte_is_lost_or_doubled(data: bytes, cuts: list[int]) -> None:
    loop = ClockLoop()
    bounds = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(bounds) if start < stop]
    chosen = Talk(loop).say(*pieces)
    loop.close()

    if chosen is None:
        assert PREFACE.startswith(data)
        assert data != PREFACE
    else:
        assert chosen.received == data
        assert (chosen.kind == "h2") or not data.startswith(PREFACE)


def test_the_transport_is_the_connections_alone(loop: ClockLoop) -> None:
    talk = Talk(loop)
    chosen = talk.say(REQUEST)
    talk.front.abort()
    talk.front.tick(loop.time() + 100)

    assert chosen is not None
    assert chosen.transport is talk.transport
    assert not talk.transport.closing


# --no-http1


def test_http_1_is_refused_where_it_is_switched_off(loop: ClockLoop) -> None:
    talk = Talk(loop, Worker(loop, http1=False))
    talk.say(REQUEST)

    assert talk.transport.written == REFUSAL
    assert talk.transport.eof_written
    assert talk.worker.chosen is None

    talk.transport.hang_up()
    loop.turn()
    assert talk.worker.forgotten == [talk.front]


def test_the_refusal_is_a_whole_response() -> None:
    head, _, text = REFUSAL.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")

    assert lines[0] == b"HTTP/1.1 505 HTTP Version Not Supported"
    assert b"content-length: %d" % len(text) in lines
    assert b"connection: close" in lines
    assert b"HTTP/2 only" in text


def test_what_follows_a_refused_request_is_not_read_as_another(loop: ClockLoop) -> None:
    talk = Talk(loop, Worker(loop, http1=False))
    talk.say(REQUEST, b"the body", REQUEST, PREFACE)

    assert talk.transport.calls == [REFUSAL]
    assert not talk.transport.closing

    talk.front.tick(loop.time() + 5.1)
    assert talk.transport.aborted


def test_a_refusal_without_half_close(loop: ClockLoop) -> None:
    talk = Talk(loop, Worker(loop, http1=False), half_close=False)
    talk.say(REQUEST)

    assert talk.transport.written == REFUSAL
    assert talk.transport.closing


def test_http_2_goes_on_where_http_1_is_switched_off(loop: ClockLoop) -> None:
    chosen = Talk(loop, Worker(loop, http1=False)).say(PREFACE)

    assert chosen is not None
    assert chosen.kind == "h2"


# Waiting


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n"])
def test_patience(loop: ClockLoop, said: bytes) -> None:
    talk = Talk(loop)
    if said:
        talk.say(said)
    talk.front.tick(loop.time() + 5.0)
    assert not talk.transport.closing

    talk.front.tick(loop.time() + 5.1)
    loop.turn()

    assert talk.transport.aborted
    assert talk.worker.forgotten == [talk.front]


def test_too_many_connections(loop: ClockLoop) -> None:
    talk = Talk(loop, Worker(loop, full=True))
    loop.turn()

    assert talk.transport.aborted
    assert talk.worker.admitted == talk.worker.forgotten == [talk.front]


def test_a_client_that_leaves_without_a_word(loop: ClockLoop) -> None:
    talk = Talk(loop)
    talk.transport.hang_up()
    loop.turn()

    assert talk.worker.forgotten == [talk.front]
    assert talk.transport.written == b""


def test_a_stop_gives_bytes_on_their_way_a_moment(loop: ClockLoop) -> None:
    quick, silent = Talk(loop), Talk(loop)
    for talk in (quick, silent):
        talk.front.drain()
    loop.advance(DRAIN_SECONDS / 2)
    chosen = quick.say(REQUEST)
    loop.advance(DRAIN_SECONDS)

    assert chosen is not None
    assert not quick.transport.closing
    assert silent.transport.aborted


@pytest.mark.parametrize("how", ["terminate", "abort"])
def test_a_cut_is_at_once(loop: ClockLoop, how: str) -> None:
    talk = Talk(loop)
    getattr(talk.front, how)()

    assert talk.transport.aborted
    assert talk.front.inflight == 0


# Who is there


@pytest.mark.parametrize(
    ("transport", "client", "server", "trusted"),
    [
        ({}, ("192.0.2.1", 4711), ("192.0.2.2", 80), True),
        ({"peername": ("192.0.2.9", 1)}, ("192.0.2.9", 1), ("192.0.2.2", 80), False),
        (
            {"peername": ("2001:db8::1", 1, 0, 0), "sockname": ("::", 80, 0, 0), "family": socket.AF_INET6},
            ("2001:db8::1", 1), ("::", 80), False,
        ),
        ({"peername": "", "sockname": "/run/app.sock", "family": socket.AF_UNIX}, None, ("/run/app.sock", None), True),
        ({"peername": "", "sockname": b"/run/a\xff", "family": socket.AF_UNIX}, None, ("/run/a\udcff", None), True),
        ({"peername": "", "sockname": None, "family": socket.AF_UNIX}, None, ("", None), True),
    ],
)  # fmt: skip
def test_the_peer(loop: ClockLoop, transport: Any, client: Any, server: Any, trusted: bool) -> None:
    talk = Talk(loop, **transport)
    peer = talk.front.peer

    assert peer is not None
    assert (peer.client, peer.server, peer.scheme) == (client, server, "http")
    assert (peer.trust is talk.trust) is trusted
    no_delay = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert talk.transport.sock.options == ([no_delay] if client else [])


def test_a_peer_that_was_gone_before_it_was_accepted(loop: ClockLoop) -> None:
    talk = Talk(loop, peername=None)
    loop.turn()

    assert talk.transport.aborted
    assert talk.worker.admitted == []


@pytest.mark.parametrize("wish", ["asyncio", "auto"])
def test_a_peer_that_resets_before_it_is_accepted_is_no_fault_of_ours(wish: str) -> None:
    loop = choose_loop(wish)[0]()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    worker = Worker(loop)

    async def accept() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            server = await loop.create_server(lambda: Front(worker, TrustList([]).for_peer, 5.0), sock=listener)
            while not worker.forgotten:
                await asyncio.sleep(0.001)
            server.close()

    with closing(loop):
        loop.run_until_complete(asyncio.wait_for(accept(), 10))
    assert complaints == []
