"""Extended CONNECT (RFC 8441): a stream that a 2xx makes a tunnel, each half of which ends by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engines.talk import Talk
from tests.support.frames import CANCEL, GET, INTERNAL_ERROR, MAX_CONCURRENT_STREAMS, NO_ERROR, Data, changed, expect

OpenTalk = Callable[..., Talk]
WEBSOCKET = [*changed(GET, method="CONNECT", path="/chat"), (":protocol", "websocket"), ("sec-websocket-version", "13")]


@pytest.fixture
def opened(open_talk: OpenTalk) -> Talk:
    talk = open_talk(server={"connect_protocol": True}, limits={"body": 10}, discard=10)
    talk.say(talk.client.headers(1, WEBSOCKET))
    return talk


@pytest.fixture
def tunnel(opened: Talk) -> Talk:
    opened.request().stream.respond(200, [], False)
    assert opened.heard() == [expect.headers(1, [(":status", "200")])]
    return opened


def test_it_is_advertised_where_it_is_asked_for(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"connect_protocol": True, "max_concurrent_streams": 7}, greet=False)
    values = talk.heard()[0]
    assert values == expect.settings({1: 4096, 2: 0, MAX_CONCURRENT_STREAMS: 7, 4: 262_144, 6: 65_536, 9: 1, 8: 1})


def test_elsewhere_it_is_refused(talk: Talk) -> None:
    assert talk.ask(talk.client.headers(1, WEBSOCKET))[0] == expect.answer(1, 501)[0]
    assert talk.requests == []


def test_the_request_keeps_its_protocol(opened: Talk) -> None:
    request = opened.request().request
    assert (request.method, request.protocol, request.path, request.ends) == ("CONNECT", b"websocket", "/chat", False)


def test_a_protocol_has_no_case(open_talk: OpenTalk) -> None:
    # RFC 9110 7.8; HAProxy passes on what its client wrote in Upgrade.
    talk = open_talk(server={"connect_protocol": True})
    talk.say(talk.client.headers(1, [(name, "WebSocket" if name == ":protocol" else value) for name, value in WEBSOCKET]))
    assert talk.request().request.protocol == b"websocket"


def test_bytes_go_both_ways_without_a_limit(tunnel: Talk) -> None:
    stream = tunnel.request().stream
    tunnel.say(tunnel.client.data(1, bytes(16_000)), tunnel.client.data(1, b"more"))
    assert len(tunnel.request().body) == 16_004
    stream.write(b"answer", False)
    assert tunnel.heard() == [expect.data(1, b"answer")]


def test_our_half_ends_and_theirs_goes_on(tunnel: Talk) -> None:
    tunnel.request().stream.write(b"bye", True)
    assert tunnel.heard() == [expect.data(1, b"bye", end=True)]
    tunnel.engine.expire(10.0, 30.0, 5.0)
    tunnel.engine.expire(100.0, 30.0, 5.0)
    assert tunnel.ask(tunnel.client.data(1, bytes(1_000))) == []
    assert len(tunnel.request().body) == 1_000
    assert tunnel.ask(tunnel.client.data(1, end=True)) == []
    assert tunnel.calls[-1] == (1, "end", [])
    assert tunnel.engine.inflight == 0
    assert not tunnel.request().lost


def test_their_half_ends_and_ours_goes_on(tunnel: Talk) -> None:
    tunnel.say(tunnel.client.data(1, b"bye", end=True))
    assert tunnel.calls[-2:] == [(1, "body", b"bye"), (1, "end", [])]
    tunnel.request().stream.write(b"still here", False)
    assert tunnel.heard() == [expect.data(1, b"still here")]
    tunnel.request().stream.write(b"", True)
    assert tunnel.heard() == [expect.data(1, b"", end=True)]
    assert tunnel.engine.inflight == 0


@pytest.mark.parametrize("half", ["open", "ours has ended"])
def test_a_reset_is_told_as_long_as_there_is_something_to_hear(tunnel: Talk, half: str) -> None:
    if half != "open":
        tunnel.request().stream.write(b"", True)
        tunnel.heard()
    tunnel.say(tunnel.client.reset(1, CANCEL))
    assert tunnel.calls[-1] == (1, "lost")


def test_an_application_may_break_it_off(tunnel: Talk) -> None:
    tunnel.request().stream.reset(INTERNAL_ERROR)
    assert tunnel.heard() == [expect.reset(1, INTERNAL_ERROR)]
    assert not tunnel.request().lost


def test_a_refusal_makes_no_tunnel(opened: Talk) -> None:
    opened.request().stream.respond(403, [], False)
    opened.request().stream.write(b"no", True)
    said = opened.ask(opened.client.data(1, bytes(100)))
    assert said == [expect.headers(1, [(":status", "403")]), expect.data(1, b"no", end=True), expect.reset(1, NO_ERROR)]
    assert opened.request().body == b""


def test_bytes_that_come_before_the_answer_are_kept_for_it(opened: Talk) -> None:
    opened.say(opened.client.data(1, b"0123456789"))
    opened.request().stream.respond(200, [], False)
    opened.say(opened.client.data(1, b"more than ten"))
    assert opened.request().body == b"0123456789more than ten"
    opened.request().stream.write(b"x", False)
    assert any(isinstance(frame, Data) for frame in opened.heard())


def test_a_drain_reaches_it(tunnel: Talk) -> None:
    tunnel.engine.shutdown_notice()
    assert tunnel.calls[-1] == (1, "drain")
