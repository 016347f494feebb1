"""After 101 a connection is a tunnel: bytes both ways, each half ends by itself."""

from __future__ import annotations

import pytest

from appserver.contract import Reset
from appserver.errors import InvalidMessage
from tests.unit.h1.talk import Call, Talk, never

UPGRADE = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"


def switch(call: Call) -> None:
    if not call.answered:
        call.answered = True
        call.stream.respond(101, [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")], False)


class Ear:
    """What a tunnel's receiver hears, in order."""

    def __init__(self, talk: Talk) -> None:
        self.heard: list[bytes | str] = []
        call = talk.calls[0]
        call.on_body = self.heard.append  # type: ignore[method-assign,assignment] # a fake application
        call.on_end = lambda trailers: self.heard.append("end")  # type: ignore[method-assign] # likewise
        call.on_lost = lambda: self.heard.append("lost")  # type: ignore[method-assign] # likewise


def tunnel(*behind: bytes) -> tuple[Talk, Ear]:
    """Return a connection that was asked to upgrade, and has not answered yet."""
    talk = Talk(never).say(UPGRADE, *behind)
    return talk, Ear(talk)


def test_the_request_keeps_what_a_handshake_is_judged_by() -> None:
    talk, _ = tunnel()
    request = talk.calls[0].request
    assert request.ends
    assert dict(request.fields)[b"upgrade"] == b"websocket"
    assert dict(request.fields)[b"connection"] == b"keep-alive, Upgrade"


def test_bytes_pass_both_ways_as_they_are() -> None:
    talk, ear = tunnel()
    call = talk.calls[0]
    switch(call)
    talk.turn()
    assert talk.heard == SWITCHES
    talk.say(b"GET / HTTP/1.1\r\n", b"\x81\x00")
    call.stream.write(b"\x82\x01a", False)
    call.stream.write(b"", False)
    call.stream.write(b"\x82\x01b", False)
    talk.turn()
    assert ear.heard == [b"GET / HTTP/1.1\r\n", b"\x81\x00"]
    assert talk.heard == SWITCHES + b"\x82\x01a\x82\x01b"
    assert talk.connection.inflight == 1


def test_what_came_behind_the_head_is_passed_after_the_101() -> None:
    talk, ear = tunnel(b"early", b"bird")
    assert ear.heard == []
    switch(talk.calls[0])
    assert ear.heard == [], "a call down makes no call up"
    talk.turn()
    assert ear.heard == [b"earlybird"]


def test_in_the_read_of_the_head_too() -> None:
    heard: list[bytes] = []

    def handler(call: Call) -> None:
        call.on_body = heard.append  # type: ignore[method-assign,assignment] # a fake application
        switch(call)

    assert Talk(handler).say(UPGRADE + b"early").heard == SWITCHES
    assert heard == [b"early"]


@pytest.mark.parametrize("first", ["client", "server"])
def test_each_half_ends_by_itself(first: str) -> None:
    talk, ear = tunnel()
    call = talk.calls[0]
    switch(call)
    talk.turn()
    if first == "client":
        assert talk.hang_up(), "our half goes on"
        assert ear.heard == ["end"]
        call.stream.write(b"still", False)
        talk.turn()
        assert not talk.transport.ended
        call.stream.write(b" here", True)
        assert talk.transport.closed
        assert talk.heard == SWITCHES + b"still here"
    else:
        call.stream.write(b"bye", True)
        call.stream.write(b"no", False)
        talk.turn()
        assert talk.transport.half_closed
        talk.say(b"still here")
        assert ear.heard == [b"still here"]
        assert not talk.hang_up()
        assert ear.heard == [b"still here", "end"]
        assert talk.heard == SWITCHES + b"bye"
    talk.vanish()
    assert "lost" not in ear.heard
    assert talk.connection.inflight == 0


def test_a_client_that_ended_its_half_before_the_101() -> None:
    talk, ear = tunnel(b"all")
    assert talk.hang_up()
    switch(talk.calls[0])
    talk.turn()
    assert ear.heard == [b"all", "end"]
    talk.calls[0].stream.write(b"right", True)
    assert talk.heard == SWITCHES + b"right"
    assert talk.transport.closed


def test_the_application_bounds_what_it_is_sent_even_after_its_own_end() -> None:
    talk, ear = tunnel()
    call = talk.calls[0]
    switch(call)
    talk.turn()
    call.stream.write(b"", True)
    for _ in range(5):
        if not talk.transport.reading_paused:
            talk.say(bytes(100_000))
    assert talk.transport.reading_paused
    call.stream.grant(sum(len(piece) for piece in ear.heard if isinstance(piece, bytes)))
    assert not talk.transport.reading_paused


def test_it_idles_as_long_as_it_likes() -> None:
    talk, _ = tunnel()
    switch(talk.calls[0])
    talk.turn()
    for second in range(0, 10_000, 100):
        talk.connection.tick(float(second))
    assert not talk.transport.ended


def test_it_hears_of_a_drain_and_is_cut_at_the_end_of_it() -> None:
    talk, ear = tunnel()
    call = talk.calls[0]
    switch(call)
    talk.turn()
    talk.connection.drain()
    assert call.drained == 1
    assert not talk.transport.ended
    talk.connection.terminate()
    assert talk.transport.ended
    assert ear.heard == ["lost"]
    assert talk.heard == SWITCHES


def test_a_reset_tears_it_off() -> None:
    talk, _ = tunnel()
    switch(talk.calls[0])
    talk.turn()
    talk.calls[0].stream.reset(Reset.CANCEL)
    assert talk.transport.resets


def test_a_client_that_vanishes() -> None:
    talk, ear = tunnel()
    switch(talk.calls[0])
    talk.turn()
    talk.vanish()
    assert ear.heard == ["lost"]
    talk.calls[0].stream.write(b"no", False)
    talk.turn()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_only_a_request_for_an_upgrade_without_a_body_can_become_one(request_: bytes) -> None:
    talk = Talk(never).say(request_)
    with pytest.raises(InvalidMessage, match="101"):
        switch(talk.calls[0])
    talk.calls[0].answer()
    assert b"HTTP/1.1 200 OK\r\n" in talk.heard


@pytest.mark.parametrize(
    ("upgrade", "protocol"),
    [
        (b"websocket", b"websocket"), (b"WebSocket", b"websocket"), (b"h2c, websocket", b"websocket"), (b"h2c", None),
        (b"websockets", None), (b"websocket/13", None),
    ],
)  # fmt: skip
def test_a_request_for_a_websocket_is_told_as_one(upgrade: bytes, protocol: bytes | None) -> None:
    asked = UPGRADE.replace(b"websocket", upgrade)
    assert Talk(never, websocket=True).say(asked).calls[0].request.protocol == protocol
    assert Talk(never).say(asked).calls[0].request.protocol is None


def test_behind_a_refused_upgrade_nothing_is_a_request() -> None:
    # A client may have sent frames already; what they hold must not be taken for HTTP.
    talk = Talk(never, websocket=True).say(UPGRADE + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    talk.calls[0].answer(403)
    talk.turn()
    assert b"connection: close\r\n" in talk.heard
    assert talk.transport.ended
    assert len(talk.calls) == 1


def test_an_upgrade_with_a_body_is_refused_before_anybody_sees_it() -> None:
    asked = UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello")
    talk = Talk(never, websocket=True).say(asked)
    assert talk.responses() == [(400, b"400 Bad Request\n")]
    assert talk.calls == []
