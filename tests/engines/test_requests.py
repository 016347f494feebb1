"""Whole requests: heads, bodies, trailers, and what a read may look like."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engines.talk import Talk
from tests.support.frames import (
    CANCEL,
    GET,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    MAX_CONCURRENT_STREAMS,
    NO_ERROR,
    POST,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    Data,
    Head,
    changed,
    expect,
)

OpenTalk = Callable[..., Talk]


def test_the_first_output_is_the_settings_and_the_connection_window(open_talk: OpenTalk) -> None:
    talk = open_talk(greet=False)
    assert talk.heard() == [
        expect.settings({1: 4096, 2: 0, MAX_CONCURRENT_STREAMS: 100, INITIAL_WINDOW_SIZE: 262_144, 6: 65_536, 9: 1}),
        expect.window(0, 1_048_576 - 65_535),
    ]


def test_a_get_is_begun_and_answered(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(GET, ("accept", "*/*"), path="/a%20b?q=1"), end=True))
    request = talk.request().request
    assert (request.method, request.path, request.raw_path, request.query) == ("GET", "/a b", b"/a%20b", b"q=1")
    assert request.fields == [(b"host", b"a.test"), (b"accept", b"*/*")]
    assert (request.version, request.scheme, request.client, request.ends) == ("2", "http", ("192.0.2.1", 4711), True)
    assert talk.calls == [(1, "begin", "GET", b"/a%20b?q=1")]
    talk.request().stream.respond(200, [(b"content-type", b"text/plain")], False)
    talk.request().stream.write(b"hello", True)
    assert talk.heard() == [
        expect.headers(1, [(":status", "200"), ("content-type", "text/plain")]),
        expect.data(1, b"hello", end=True),
    ]
    assert talk.engine.inflight == 0
    assert not talk.faults


def test_a_head_alone_may_be_the_whole_answer(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(GET, method="HEAD"), end=True))
    talk.request().stream.respond(204, [], True)
    assert talk.heard() == [expect.headers(1, [(":status", "204")], end=True)]
    assert talk.engine.inflight == 0


def test_a_body_arrives_in_pieces_and_ends_once(talk: Talk) -> None:
    client = talk.client
    talk.say(client.headers(1, changed(POST, ("content-length", "6"))), client.data(1, b"abc"))
    talk.say(client.data(1), client.data(1, b"def", end=True))
    assert talk.calls == [(1, "begin", "POST", b"/up"), (1, "body", b"abc"), (1, "body", b"def"), (1, "end", [])]


def test_an_empty_data_frame_ends_a_body(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.data(1, b"x"), talk.client.data(1, end=True))
    assert talk.calls[1:] == [(1, "body", b"x"), (1, "end", [])]


def test_trailers_end_a_body_and_never_reach_the_head(talk: Talk) -> None:
    client = talk.client
    talk.say(client.headers(1, POST), client.data(1, b"x"))
    trailers = [("x-checksum", "1"), ("host", "evil"), ("x-forwarded-for", "6.6.6.6"), ("authorization", "x")]
    talk.say(client.headers(1, trailers, end=True))
    assert talk.calls[1:] == [(1, "body", b"x"), (1, "end", [(b"x-checksum", b"1")])]
    assert talk.request().request.fields == [(b"host", b"a.test")]


@pytest.mark.parametrize(
    "trailer",
    [(":path", "/"), ("content-length", "1"), ("transfer-encoding", "chunked"), ("X-Upper", "1"), ("a", "b\r\nc")],
)
def test_wrong_trailers_reset_the_stream(talk: Talk, trailer: tuple[str, str]) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(1, [trailer], end=True))
    assert talk.heard() == [expect.reset(1, PROTOCOL_ERROR)]
    assert talk.calls[1:] == [(1, "lost")]


def test_trailers_without_end_stream_reset_the_stream(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(1, [("x", "1")]))
    assert talk.heard() == [expect.reset(1, PROTOCOL_ERROR)]
    assert talk.calls[1:] == [(1, "lost")]


def test_a_conversation_byte_by_byte_is_the_same(talk: Talk) -> None:
    client = talk.client
    data = b"".join([
        client.headers(1, changed(POST, ("x-long", "v" * 300)), parts=2),
        client.data(1, b"body", pad=3),
        client.headers(1, [("x-t", "1")], end=True, parts=2),
    ])
    for n in range(len(data)):
        talk.say(data[n : n + 1])
    assert (talk.request().body, talk.request().trailers) == (b"body", [(b"x-t", b"1")])
    talk.request().stream.respond(200, [], True)
    assert talk.heard() == [expect.headers(1, [(":status", "200")], end=True)]


def test_one_continuation_may_be_split_anywhere(open_talk: OpenTalk) -> None:
    size = len(open_talk().client.headers(1, GET, end=True, parts=2))
    for cut in range(1, size):
        talk = open_talk()
        data = talk.client.headers(1, GET, end=True, parts=2)
        talk.say(data[:cut])
        talk.say(data[cut:])
        talk.request().stream.respond(200, [], True)
        assert talk.heard() == [expect.headers(1, [(":status", "200")], end=True)], f"cut at {cut}"


def test_padding_and_priority_fields_are_no_part_of_the_request(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST, pad=20, priority=(0, 200)), talk.client.data(1, b"x", pad=255, end=True))
    assert talk.calls == [(1, "begin", "POST", b"/up"), (1, "body", b"x"), (1, "end", [])]


def test_interim_responses_go_before_the_answer(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(POST, ("expect", "100-continue"))))
    stream = talk.request().stream
    assert talk.request().request.expects
    stream.inform(100, [])
    stream.inform(103, [(b"link", b"</a>")])
    stream.respond(200, [], False)
    stream.inform(103, [])
    talk.say(talk.client.data(1, b"x", end=True))
    stream.write(b"", True)
    assert talk.heard() == [
        expect.headers(1, [(":status", "100")]),
        expect.headers(1, [(":status", "103"), ("link", "</a>")]),
        expect.headers(1, [(":status", "103")]),  # the head had not left
        expect.headers(1, [(":status", "200")], end=True),
    ]


def test_trailers_follow_the_body(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(GET, ("te", "trailers")), end=True))
    assert talk.request().request.trailers_accepted
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"body", False)
    talk.request().stream.finish([(b"x-sum", b"1")])
    assert talk.heard() == [
        expect.headers(1, [(":status", "200")]),
        expect.data(1, b"body"),
        expect.headers(1, [("x-sum", "1")], end=True),
    ]
    assert talk.engine.inflight == 0


def test_no_trailers_are_no_frame(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"body", False)
    talk.request().stream.finish([])
    frames = talk.heard()
    assert b"".join(frame.body for frame in frames if isinstance(frame, Data)) == b"body"
    assert isinstance(frames[-1], Data)
    assert frames[-1].end


def test_an_answer_before_the_end_of_the_request_is_followed_by_no_error(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.data(1, b"x"))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"done", True)
    assert talk.heard() == [
        expect.headers(1, [(":status", "200")]),
        expect.data(1, b"done", end=True),
        expect.reset(1, NO_ERROR),
    ]
    assert talk.engine.inflight == 0
    assert not talk.request().lost
    # What was under way of the request is ignored.
    assert talk.ask(talk.client.data(1, b"late"), talk.client.headers(1, [("x", "1")], end=True)) == []
    assert talk.calls == [(1, "begin", "POST", b"/up"), (1, "body", b"x")]


def test_a_request_is_lost_when_the_client_resets_it(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True), talk.client.reset(1, CANCEL))
    assert talk.calls == [(1, "begin", "GET", b"/"), (1, "lost")]
    stream = talk.request().stream
    stream.respond(200, [], False)
    stream.write(b"x", False)
    stream.finish([])
    stream.grant(1)
    stream.reset(CANCEL)
    stream.inform(103, [])
    assert stream.writable
    assert talk.heard() == []
    assert talk.engine.inflight == 0


def test_a_reset_after_the_whole_answer_was_queued_loses_nobody(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(b"x", True)
    talk.say(talk.client.reset(1))
    assert talk.calls == [(1, "begin", "GET", b"/")]
    assert talk.engine.inflight == 0


def test_an_application_may_reset(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(3, GET, end=True))
    talk.request(1).stream.reset(0x2)
    assert talk.heard() == [expect.reset(1, 0x2)]
    assert talk.engine.inflight == 1
    assert talk.ask(talk.client.data(1, b"late", end=True)) == []
    assert not talk.request(1).lost
    talk.request(2).stream.respond(200, [], True)
    assert talk.heard() == [expect.headers(3, [(":status", "200")], end=True)]


def test_a_refused_request_is_told_so(talk: Talk) -> None:
    talk.refusing = True
    assert talk.ask(talk.client.headers(1, POST)) == [expect.reset(1, REFUSED_STREAM)]
    assert talk.ask(talk.client.data(1, b"late", end=True)) == []
    talk.refusing = False
    talk.say(talk.client.headers(3, GET, end=True))
    assert len(talk.requests) == 1


@pytest.mark.parametrize("ends", [True, False])
def test_a_request_may_be_answered_instead_of_begun(talk: Talk, ends: bool) -> None:
    talk.refusing = True
    talk.react = lambda recorder, call: talk.refuse(recorder.stream, recorder.request, 503)
    said = talk.ask(talk.client.headers(1, POST, end=ends))
    assert said == [*expect.answer(1, 503), *([] if ends else [expect.reset(1, NO_ERROR)])]
    assert talk.engine.inflight == 0


def test_an_answer_from_within_a_call_up_needs_no_schedule(talk: Talk) -> None:
    talk.react = lambda recorder, call: recorder.stream.respond(200, [], True)
    before = talk.schedules
    assert talk.ask(talk.client.headers(1, GET, end=True)) == [expect.headers(1, [(":status", "200")], end=True)]
    assert talk.schedules == before


def test_an_answer_outside_asks_for_a_flush(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    before = talk.schedules
    talk.request().stream.respond(200, [], True)
    assert talk.schedules > before


def test_many_streams_are_answered_in_any_order(talk: Talk) -> None:
    talk.say(*(talk.client.headers(n, changed(GET, path=f"/{n}"), end=True) for n in range(1, 100, 2)))
    assert talk.engine.inflight == 50
    for recorder in reversed(talk.requests):
        recorder.stream.respond(200, [], False)
        recorder.stream.write(recorder.request.raw_path, True)
    bodies = {frame.stream: frame.body for frame in talk.heard() if isinstance(frame, Data)}
    assert bodies == {n: b"/%d" % n for n in range(1, 100, 2)}


def test_a_long_head_and_many_trailers_are_sent(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    stream = talk.request().stream
    stream.respond(200, [(b"x", b"\xff" * 10_000)] * 10, False)
    stream.write(b"body", False)
    stream.finish([(b"x-%d" % n, b"v") for n in range(100)])
    head, body, trailers = talk.heard(1_048_576)
    assert isinstance(head, Head)
    assert isinstance(trailers, Head)
    assert (len(head.fields), body, len(trailers.fields)) == (11, expect.data(1, b"body"), 100)


def test_a_head_too_long_to_send_fails_its_stream_alone(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [(b"x", b"\xff" * 300_000)] * 4, False)
    assert talk.heard() == [expect.reset(1, INTERNAL_ERROR)]
    assert talk.calls[1:] == [(1, "lost")]
    talk.say(talk.client.headers(3, GET, end=True))
    talk.request(2).stream.respond(204, [], True)
    assert talk.heard() == [expect.headers(3, [(":status", "204")], end=True)]


def test_any_number_of_trailers_is_sent(talk: Talk) -> None:
    trailers = [(b"x-%d" % n, b"1") for n in range(100)]
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.finish(trailers)
    said = talk.heard()
    assert said[-1] == expect.headers(1, [(name.decode(), value.decode()) for name, value in trailers], end=True)
