"""An answer that ends before its request: the client hears all of it, and what it still sends is read for a while."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engines.talk import Recorder, Talk
from tests.support.frames import (
    GET,
    INITIAL_WINDOW_SIZE,
    NO_ERROR,
    POST,
    PROTOCOL_ERROR,
    Window,
    changed,
    expect,
)

OpenTalk = Callable[..., Talk]


def answer_early(open_talk: OpenTalk, discard: int = 100_000) -> Talk:
    talk = open_talk(discard=discard, server={"stream_window": 65_535, "connection_window": 65_535})
    talk.say(talk.client.headers(1, POST), talk.client.data(1, b"x"))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"done", True)
    assert talk.heard() == [expect.headers(1, [(":status", "200")]), expect.data(1, b"done", end=True)]
    return talk


def test_an_upload_that_ends_within_the_bound_is_never_reset(open_talk: OpenTalk) -> None:
    talk = answer_early(open_talk)
    said = talk.ask(*(talk.client.data(1, bytes(10_000)) for _ in range(5)), talk.client.data(1, end=True))
    assert all(isinstance(frame, Window) for frame in said)
    assert talk.engine.inflight == 0
    # Nobody is told of what came too late to be read.
    assert talk.calls == [(1, "begin", "POST", b"/up"), (1, "body", b"x")]


def test_credit_is_given_for_what_is_discarded(open_talk: OpenTalk) -> None:
    talk = answer_early(open_talk)
    sent = credit = 0
    while sent < 90_000:
        assert sent - credit < 65_535, "the client may not go on"
        said = talk.ask(talk.client.data(1, bytes(10_000)))
        credit += sum(frame.size for frame in said if isinstance(frame, Window) and frame.stream == 1)
        sent += 10_000


def test_an_upload_beyond_the_bound_is_reset_without_an_error(open_talk: OpenTalk) -> None:
    talk = answer_early(open_talk, discard=30_000)
    talk.ask(*(talk.client.data(1, bytes(10_000)) for _ in range(3)))
    assert talk.engine.inflight == 1
    assert expect.reset(1, NO_ERROR) in talk.ask(talk.client.data(1, b"x"))
    assert talk.engine.inflight == 0
    assert talk.ask(talk.client.data(1, b"late", end=True)) == []


def test_an_upload_that_does_not_end_is_reset_in_time(open_talk: OpenTalk) -> None:
    talk = answer_early(open_talk)
    for now in (10.0, 14.9):
        talk.engine.expire(now, 30.0, 5.0)
    assert talk.heard() == []
    talk.engine.expire(15.1, 30.0, 5.0)
    assert talk.heard() == [expect.reset(1, NO_ERROR)]
    assert talk.engine.inflight == 0


def test_an_answer_that_cannot_end_yet_is_not_cut_by_its_upload(open_talk: OpenTalk) -> None:
    talk = open_talk(discard=10_000, settings={INITIAL_WINDOW_SIZE: 2})
    talk.say(talk.client.headers(1, POST))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"done", True)
    said = talk.ask(*(talk.client.data(1, bytes(16_000)) for _ in range(10)))
    assert not any(frame == expect.reset(1, NO_ERROR) for frame in said)
    # No credit is given above the bound.
    assert not any(isinstance(frame, Window) and frame.stream == 1 for frame in said)
    assert talk.ask(talk.client.window(1, 10)) == [expect.data(1, b"ne", end=True), expect.reset(1, NO_ERROR)]


def test_trailers_end_a_discarded_upload(open_talk: OpenTalk) -> None:
    talk = answer_early(open_talk)
    assert talk.ask(talk.client.headers(1, [("x-t", "1")], end=True)) == []
    assert talk.engine.inflight == 0
    assert not any(call[1] == "end" for call in talk.calls)


def test_a_refused_request_is_read_on_too(open_talk: OpenTalk) -> None:
    talk = open_talk(discard=100_000, limits={"body": 10})
    said = talk.ask(talk.client.headers(1, changed(POST, ("content-length", "50000"))))
    assert said == expect.answer(1, 413)
    assert talk.refused == [("POST", b"/up", 413)]
    assert talk.ask(*(talk.client.data(1, bytes(10_000), end=n == 4) for n in range(5))) == []
    assert talk.engine.inflight == 0


def test_a_client_that_resets_what_is_discarded_is_no_loss(open_talk: OpenTalk) -> None:
    talk = answer_early(open_talk)
    assert talk.ask(talk.client.reset(1)) == []
    assert talk.engine.inflight == 0
    assert not talk.request().lost


def test_a_drain_waits_for_what_is_discarded(open_talk: OpenTalk) -> None:
    talk = answer_early(open_talk)
    talk.engine.goaway()
    talk.heard()
    assert not talk.engine.ended
    talk.ask(talk.client.data(1, end=True))
    assert talk.engine.ended


# When a head is sent


def test_an_empty_answer_is_one_frame(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"", True)
    assert talk.heard() == [expect.headers(1, [(":status", "200")], end=True)]


@pytest.mark.parametrize("kind", [b"application/grpc", b"application/grpc+proto", b"application/grpc-web"])
def test_grpc_trailers_only_is_one_frame(talk: Talk, kind: bytes) -> None:
    talk.say(talk.client.headers(1, POST, end=True))
    talk.request().stream.respond(200, [(b"content-type", kind)], False)
    talk.request().stream.finish([(b"grpc-status", b"5")])
    assert talk.heard() == [
        expect.headers(1, [(":status", "200"), (b"content-type", kind), ("grpc-status", "5")], end=True)
    ]


def test_trailers_of_other_protocols_stay_trailers(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [(b"content-type", b"text/plain")], False)
    talk.request().stream.finish([(b"x-sum", b"1")])
    assert talk.heard()[-1] == expect.headers(1, [("x-sum", "1")], end=True)


def test_trailers_after_the_head_was_sent_are_trailers(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST, end=True))
    talk.request().stream.respond(200, [(b"content-type", b"application/grpc")], False)
    assert talk.heard() == [expect.headers(1, [(":status", "200"), ("content-type", "application/grpc")])]
    talk.request().stream.finish([(b"grpc-status", b"0")])
    assert talk.heard() == [expect.headers(1, [("grpc-status", "0")], end=True)]


@pytest.mark.parametrize("sent", [True, False])
def test_an_answer_broken_off_is_the_same_frames_everywhere(talk: Talk, sent: bool) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    stream = talk.request().stream
    stream.respond(200, [], False)
    stream.write(b"part", False)
    said = talk.heard() if sent else []
    stream.reset(PROTOCOL_ERROR)
    stream.reset(NO_ERROR)
    head = [expect.headers(1, [(":status", "200")]), expect.data(1, b"part")]
    assert said + talk.heard() == [*(head if sent else []), expect.reset(1, PROTOCOL_ERROR)]
    assert talk.engine.inflight == 0


def test_a_head_given_within_a_take_is_part_of_it(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 1_000_000})
    talk.say(talk.client.window(0, 1_000_000), talk.client.headers(1, GET, end=True), talk.client.headers(3, GET, end=True))
    first, second = talk.requests

    def react(recorder: Recorder, call: str) -> None:
        if call == "writable":
            second.stream.respond(204, [], True)

    talk.react = react
    first.stream.respond(200, [], False)
    first.stream.write(bytes(262_144), False)
    assert not first.stream.writable
    assert expect.headers(3, [(":status", "204")], end=True) in talk.wire.read(talk.take(1_000_000))


# The end of all streams


@pytest.mark.parametrize("how", ["terminate", "fault"])
def test_applications_hear_of_the_end_at_once(talk: Talk, how: str) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(3, GET, end=True))
    answered = talk.request(2).stream
    answered.respond(200, [], True)
    if how == "terminate":
        talk.engine.terminate(NO_ERROR)
    else:
        talk.say(talk.client.raw_headers(5, talk.client.block(GET), end=True, parts=10))
    assert talk.calls[2:] == [(1, "lost")]
    assert talk.engine.inflight == 0
    for stream in (talk.request(1).stream, answered):
        stream.respond(200, [], True)
        stream.write(b"to nobody", True)
    assert talk.heard()[-1].__class__.__name__ == "Goaway"
    assert talk.engine.ended


def test_a_drain_is_told_to_each_open_request_once(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(3, GET, end=True), talk.client.headers(5, GET, end=True))
    talk.request(2).stream.respond(200, [], True)
    talk.heard()
    talk.engine.shutdown_notice()
    talk.engine.goaway()
    assert sorted(call for call in talk.calls if call[1] == "drain") == [(1, "drain"), (3, "drain")]
