"""The end of a connection: drained, terminated, left by the peer, or lost with its socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engines.talk import Talk
from tests.support.frames import (
    CANCEL,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GET,
    HEADERS,
    NO_ERROR,
    POST,
    PROTOCOL_ERROR,
    Client,
    Goaway,
    changed,
    expect,
    frame,
)

HIGHEST = 2**31 - 1


def test_a_drain_has_two_steps(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.engine.shutdown_notice()
    assert sorted(talk.heard(), key=repr) == [expect.goaway(HIGHEST, NO_ERROR), expect.ping()]
    # Between the steps streams are still taken: the client may not have read the first.
    talk.say(talk.client.headers(3, GET, end=True), talk.client.pong())
    assert talk.pongs == 1
    assert len(talk.requests) == 2
    talk.engine.goaway()
    assert talk.heard() == [expect.goaway(3, NO_ERROR)]
    for recorder in talk.requests:
        assert not talk.engine.ended
        recorder.stream.respond(200, [], False)
        recorder.stream.write(b"x", True)
        talk.heard()
    assert talk.engine.ended


def test_the_ping_of_a_drain_follows_its_notice(talk: Talk) -> None:
    # Its answer is to say that the peer has read GOAWAY.
    talk.engine.shutdown_notice()
    assert talk.heard() == [expect.goaway(HIGHEST, NO_ERROR), expect.ping()]


def test_a_drain_asks_for_a_flush(talk: Talk) -> None:
    for step in (talk.engine.shutdown_notice, talk.engine.goaway):
        before = talk.schedules
        step()
        assert talk.schedules > before


def test_an_idle_connection_has_ended_when_it_was_drained(talk: Talk) -> None:
    talk.engine.shutdown_notice()
    talk.heard()
    assert not talk.engine.ended
    talk.engine.goaway()
    assert talk.heard() == [expect.goaway(0, NO_ERROR)]
    assert talk.engine.ended


def test_a_stream_after_the_last_is_ignored(talk: Talk) -> None:
    client = talk.client
    talk.say(client.headers(1, POST))
    talk.engine.goaway()
    talk.heard()
    late = [client.headers(3, changed(POST, ("x-late", "1"))), client.data(3, b"x"), client.data(3, end=True)]
    assert talk.ask(*late, client.reset(3), client.window(3, 1)) == []
    assert len(talk.requests) == 1
    # HPACK stayed in step, and the open stream is served.
    talk.say(client.data(1, b"body"), client.headers(1, [("x-late", "1")], end=True))
    assert talk.request().trailers == [(b"x-late", b"1")]
    talk.request().stream.respond(200, [], True)
    assert talk.heard() == [expect.headers(1, [(":status", "200")], end=True)]
    assert talk.engine.ended


def test_a_drain_goes_on_when_the_peer_resets(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.engine.goaway()
    talk.heard()
    talk.say(talk.client.reset(1, CANCEL))
    talk.heard()
    assert talk.engine.ended


def test_goaway_twice_is_said_once_more_at_most(talk: Talk) -> None:
    talk.engine.goaway()
    talk.engine.goaway()
    assert talk.heard()[0] == expect.goaway(0, NO_ERROR)
    assert talk.engine.ended


def test_termination_is_the_last_word(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    stream = talk.request().stream
    stream.respond(200, [], False)
    talk.heard()
    stream.write(b"x", False)
    talk.engine.terminate(ENHANCE_YOUR_CALM)
    last = talk.heard()[-1]
    assert isinstance(last, Goaway)
    assert last.code == ENHANCE_YOUR_CALM
    assert talk.engine.ended
    talk.engine.lose()
    assert talk.calls[1:] == [(1, "lost")]
    stream.write(b"y", True)
    assert talk.heard() == []


def test_a_client_that_leaves_is_served_to_the_end(talk: Talk) -> None:
    client = talk.client
    talk.say(client.headers(1, POST), client.goaway(), client.data(1, b"x", end=True))
    assert talk.request().trailers == []
    assert not talk.engine.ended
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"whole", True)
    assert talk.heard() == [expect.headers(1, [(":status", "200")]), expect.data(1, b"whole", end=True)]
    assert talk.engine.ended


def test_an_idle_client_that_leaves_has_ended_the_connection(talk: Talk) -> None:
    talk.ask(talk.client.goaway())
    assert talk.engine.ended


def test_a_client_may_leave_with_an_error_and_debug_data(talk: Talk) -> None:
    talk.ask(talk.client.headers(1, GET, end=True), talk.client.goaway(PROTOCOL_ERROR))
    talk.request().stream.respond(200, [], True)
    talk.heard()
    assert talk.engine.ended


def test_a_lost_socket_loses_each_open_request_once(talk: Talk) -> None:
    client = talk.client
    talk.say(client.headers(1, POST), client.headers(3, GET, end=True), client.headers(5, GET, end=True))
    answered = talk.request(2).stream
    answered.respond(200, [], False)
    answered.write(b"whole", True)
    talk.engine.lose()
    assert sorted(talk.calls[3:]) == [(1, "lost"), (3, "lost")]
    talk.engine.lose()
    assert len(talk.calls) == 5
    assert talk.heard() == []
    assert talk.engine.ended
    assert talk.engine.inflight == 0


def test_after_a_lost_socket_everything_is_quiet(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.data(1, b"x"))
    stream = talk.request().stream
    talk.engine.lose()
    stream.respond(200, [], False)
    stream.inform(103, [])
    stream.write(b"x", False)
    stream.grant(1)
    stream.finish([])
    stream.reset(CANCEL)
    talk.engine.shutdown_notice()
    talk.engine.goaway()
    talk.engine.terminate(NO_ERROR)
    talk.say(talk.client.ping())
    assert talk.heard() == []


def test_a_stream_may_be_answered_from_within_its_loss(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True), talk.client.headers(3, GET, end=True))
    talk.react = lambda recorder, call: recorder.stream.respond(500, [], True)
    talk.engine.lose()
    assert [call[1] for call in talk.calls[2:]] == ["lost", "lost"]


def test_another_stream_may_be_reset_from_within_a_loss(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(3, POST))
    talk.react = lambda recorder, call: talk.request(2).stream.reset(CANCEL)
    assert talk.ask(talk.client.reset(1)) == [expect.reset(3, CANCEL)]
    assert talk.engine.inflight == 0


@pytest.mark.parametrize(
    "broken",
    [
        lambda client: client.raw_headers(5, b"\xff" * 9, end=True),
        lambda client: frame(HEADERS, END_STREAM, 5, b"\x82") + client.ping(),
        lambda client: client.raw_headers(5, client.block(GET), parts=10),
    ],
    ids=["HPACK", "a frame in between", "too many CONTINUATIONs"],
)
def test_the_stream_whose_head_broke_the_connection_is_the_last(talk: Talk, broken: Callable[[Client], bytes]) -> None:
    talk.say(talk.client.headers(1, GET, end=True), broken(talk.client))
    last = talk.heard()[-1]
    assert isinstance(last, Goaway)
    assert last.last == 5


def test_the_last_stream_never_becomes_a_higher_one(talk: Talk) -> None:
    talk.serve()
    talk.engine.goaway()
    talk.say(talk.client.headers(3, GET, end=True))
    talk.engine.terminate(PROTOCOL_ERROR)
    assert [frame.last for frame in talk.heard() if isinstance(frame, Goaway)] == [1, 1]
