"""The front: which protocol the first bytes are, however they arrive, and what becomes of who sends none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Peer
from appserver.config.options import TimeoutOptions
from appserver.contract import Request
from appserver.http.answer import AnswerContext
from appserver.net.listeners import HTTP1, HTTP2
from appserver.worker.front import PREFACE, Front
from tests.support.clock import ClockLoop
from tests.support.transport import MemoryTransport

REQUEST = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
TIMEOUTS = TimeoutOptions(preface=5.0, drain_idle=1.0)
DATE = re.compile(rb"date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n")


class Chosen(asyncio.Protocol):
    """The connection that the front's bytes go to."""

    def __init__(self, kind: str, transport: Any, peer: Peer) -> None:
        self.kind, self.transport, self.peer = kind, transport, peer
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data


class Seen:
    """An observer that keeps what it is called with."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes, str, Any, int, int]] = []

    def on_done(self, request: Request, status: int, sent: int, seconds: float) -> None:
        self.lines.append((request.method, request.target, request.version, request.client, status, sent))


class Connections:
    """What the front needs of them."""

    def __init__(self, loop: Any, full: bool = False, answers: AnswerContext | None = None) -> None:
        self.loop = loop
        self.read_buffer = bytearray()
        self.full = full
        self.answers = answers or AnswerContext()
        self.admitted: list[Any] = []
        self.gone: list[Any] = []
        self.chosen: Chosen | None = None

    def admit(self, front: object) -> bool:
        self.admitted.append(front)
        return not self.full

    def upgrade(self, *handed_over: object) -> None:
        raise AssertionError("nobody asks for it here")

    def closed(self, connection: object) -> None:
        self.gone.append(connection)

    def replace(self, front: object, protocol: str, transport: Any, peer: Peer, h2c_upgrade: bool = False) -> Any:
        assert self.chosen is None
        self.chosen = Chosen(protocol, transport, peer)
        return self.chosen


class Talk:
    def __init__(
        self,
        loop: ClockLoop,
        full: bool = False,
        protocols: tuple[str, ...] = (HTTP2, HTTP1),
        answers: AnswerContext | None = None,
        **transport: Any,
    ) -> None:
        self.loop = loop
        self.worker = Connections(loop, full, answers)
        self.transport = MemoryTransport(loop, **transport)
        self.peer = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")
        self.front = Front(self.worker, self.peer, protocols, TIMEOUTS)
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
    assert (chosen.kind, chosen.received) == (HTTP2, PREFACE + b"frames")
    assert talk.transport.protocol is chosen


def test_the_preface_byte_by_byte(loop: ClockLoop) -> None:
    chosen = Talk(loop).say(*(bytes([byte]) for byte in PREFACE))

    assert chosen is not None
    assert (chosen.kind, chosen.received) == (HTTP2, PREFACE)


@pytest.mark.parametrize("at", range(len(REQUEST)))
def test_a_request_in_two_pieces(loop: ClockLoop, at: int) -> None:
    chosen = Talk(loop).say(*filter(None, [REQUEST[:at], REQUEST[at:]]))

    assert chosen is not None
    assert (chosen.kind, chosen.received) == (HTTP1, REQUEST)


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (PREFACE, HTTP2),
        (PREFACE + PREFACE, HTTP2),
        (b"POST / HTTP/1.1\r\n", HTTP1),
        (b"P", None),
        (b"PR", None),
        (b"PROPFIND / HTTP/1.1\r\n", HTTP1),
        (b"PRI * HTTP/1.1\r\n\r\n", HTTP1),
        (b"PRI /x", HTTP1),
        (b"\r\nGET / HTTP/1.1\r\n", HTTP1),
        (b"GET / http/1.1\r\n", HTTP1),
        (b"GET /\r\n", HTTP1),
        (b"GET / x HTTP/1.1\r\n", HTTP1),
        (b"\x16\x03\x01\x02\x00\x01", HTTP1),
        (b"\0", HTTP1),
        # RFC 9113 3.4: a wrong preface is a connection error of HTTP/2.
        (b"INVALID CONNECTION PREFACE\r\n\r\n", HTTP2),
        (b"GET / HTTQ/1.1\r\n", HTTP2),
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
        assert (chosen.kind == HTTP2) or not data.startswith(PREFACE)


def test_the_transport_is_the_connections_alone(loop: ClockLoop) -> None:
    talk = Talk(loop)
    chosen = talk.say(REQUEST)
    talk.front.abort()
    talk.front.tick(loop.time() + 100)

    assert chosen is not None
    assert chosen.peer is talk.peer
    assert chosen.transport is talk.transport
    assert not talk.transport.closing


# --no-http1


def refused(loop: ClockLoop, *pieces: bytes, seen: Seen | None = None, **answers: Any) -> Talk:
    talk = Talk(loop, protocols=(HTTP2,), answers=AnswerContext(observer=seen, **answers))
    talk.say(*pieces)
    return talk


def test_http_1_is_refused_where_it_is_switched_off(loop: ClockLoop) -> None:
    talk = refused(loop, REQUEST)
    head, _, text = talk.transport.written.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")

    assert lines[0] == b"HTTP/1.1 505 HTTP Version Not Supported"
    assert b"content-length: %d" % len(text) in lines
    assert b"connection: close" in lines
    assert b"HTTP/2 only" in text
    assert talk.transport.eof_written
    assert talk.worker.chosen is None

    talk.transport.hang_up()
    loop.turn()
    assert talk.worker.gone == [talk.front]


def test_the_refusal_has_date_and_server_as_every_answer(loop: ClockLoop) -> None:
    plain = refused(loop, REQUEST)
    named = refused(loop, REQUEST, server="the server")
    bare = refused(loop, REQUEST, has_date=False)

    assert DATE.search(plain.transport.written)
    assert b"server:" not in plain.transport.written
    assert b"\r\nserver: the server\r\n" in named.transport.written
    assert b"date:" not in bare.transport.written


@pytest.mark.parametrize(
    ("first", "method", "target", "version", "bodiless"),
    [
        (REQUEST, "GET", b"/", "1.1", False),
        (b"HEAD /a?b HTTP/1.0\r\n\r\n", "HEAD", b"/a?b", "1.0", True),
        (b"GET /unfinished", "", b"", "", False),
        (b"GET /\r\n", "", b"", "", False),
    ],
)
def test_the_refusal_is_in_the_access_log(
    loop: ClockLoop, first: bytes, method: str, target: bytes, version: str, bodiless: bool
) -> None:
    seen = Seen()
    talk = refused(loop, first, seen=seen)
    text = talk.transport.written.partition(b"\r\n\r\n")[2]

    assert seen.lines == [(method, target, version, ("192.0.2.1", 4711), 505, len(text))]
    assert (text == b"") is bodiless


def test_what_follows_a_refused_request_is_not_read_as_another(loop: ClockLoop) -> None:
    talk = refused(loop, REQUEST, b"the body", REQUEST, PREFACE)

    assert len(talk.transport.calls) == 1
    assert not talk.transport.closing

    talk.front.tick(loop.time() + 5.1)
    assert talk.transport.aborted


def test_a_refusal_without_half_close(loop: ClockLoop) -> None:
    talk = Talk(loop, protocols=(HTTP2,), half_close=False)
    talk.say(REQUEST)

    assert talk.transport.written.startswith(b"HTTP/1.1 505 ")
    assert talk.transport.closing


def test_http_2_goes_on_where_http_1_is_switched_off(loop: ClockLoop) -> None:
    chosen = Talk(loop, protocols=(HTTP2,)).say(PREFACE)

    assert chosen is not None
    assert chosen.kind == HTTP2


def test_a_preface_where_only_http_1_is_spoken_is_for_http_1_to_refuse(loop: ClockLoop) -> None:
    chosen = Talk(loop, protocols=(HTTP1,)).say(PREFACE)

    assert chosen is not None
    assert (chosen.kind, chosen.received) == (HTTP1, PREFACE)


# Waiting


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n"])
def test_a_connection_that_cannot_make_up_its_mind(loop: ClockLoop, said: bytes) -> None:
    talk = Talk(loop)
    if said:
        talk.say(said)
    talk.front.tick(loop.time() + 5.0)
    assert not talk.transport.closing

    talk.front.tick(loop.time() + 5.1)
    loop.turn()

    assert talk.transport.aborted
    assert talk.worker.gone == [talk.front]


def test_too_many_connections(loop: ClockLoop) -> None:
    talk = Talk(loop, full=True)
    loop.turn()

    assert talk.transport.aborted
    assert talk.worker.admitted == talk.worker.gone == [talk.front]


def test_a_client_that_leaves_without_a_word(loop: ClockLoop) -> None:
    talk = Talk(loop)
    talk.transport.hang_up()
    loop.turn()

    assert talk.worker.gone == [talk.front]
    assert talk.transport.written == b""


def test_a_stop_gives_bytes_on_their_way_a_moment(loop: ClockLoop) -> None:
    asking, silent = Talk(loop), Talk(loop)
    for talk in (asking, silent):
        talk.front.drain()
    loop.advance(TIMEOUTS.drain_idle / 2)
    chosen = asking.say(REQUEST)
    loop.advance(TIMEOUTS.drain_idle)

    assert chosen is not None
    assert not asking.transport.closing
    assert silent.transport.aborted


@pytest.mark.parametrize("how", ["terminate", "abort"])
def test_a_cut_is_at_once(loop: ClockLoop, how: str) -> None:
    talk = Talk(loop)
    getattr(talk.front, how)()

    assert talk.transport.aborted
    assert talk.front.inflight == 0
