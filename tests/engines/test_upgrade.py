"""A connection that begins with a request of HTTP/1.1 as its stream 1 (RFC 7540 3.2): half-closed, and like any other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appserver.contract import Request
from tests.engines.talk import Talk
from tests.support.frames import GET, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, STREAM_CLOSED, Data, expect

OpenTalk = Callable[..., Talk]


def asked(method: str = "GET") -> Request:
    request = Request()
    request.method, request.target, request.path, request.version, request.ends = method, b"/x", "/x", "2", True
    return request


def entries(values: dict[int, int]) -> bytes:
    return b"".join(code.to_bytes(2, "big") + value.to_bytes(4, "big") for code, value in values.items())


@pytest.fixture
def upgraded(open_talk: OpenTalk) -> Talk:
    talk = open_talk(greet=False)
    talk.engine.upgrade(asked(), entries({INITIAL_WINDOW_SIZE: 5}))
    return talk


def test_the_request_is_begun_before_the_preface_came(upgraded: Talk) -> None:
    assert upgraded.calls == [(1, "begin", "GET", b"/x")]
    assert upgraded.engine.inflight == 1
    upgraded.request().stream.respond(200, [(b"content-length", b"2")], False)
    upgraded.request().stream.write(b"ok", True)

    frames = upgraded.heard()

    assert frames[0] == expect.settings({1: 4096, 2: 0, 3: 100, 4: 262_144, 6: 65_536, 9: 1})
    assert frames[2:] == [
        expect.headers(1, [(":status", "200"), ("content-length", "2")]), expect.data(1, b"ok", end=True),
    ]  # fmt: skip
    assert upgraded.engine.inflight == 0


def test_its_settings_count_until_others_come_and_are_not_acknowledged(upgraded: Talk) -> None:
    stream = upgraded.request().stream
    stream.respond(200, [], False)
    stream.write(b"0123456789", True)
    assert [frame for frame in upgraded.heard() if isinstance(frame, Data)] == [expect.data(1, b"01234")]

    frames = upgraded.ask(upgraded.client.greet({INITIAL_WINDOW_SIZE: 8}))

    assert frames == [expect.acknowledged(), expect.data(1, b"567")]
    assert upgraded.ask(upgraded.client.window(1, 100)) == [expect.data(1, b"89", end=True)]


def test_its_priority_counts(open_talk: OpenTalk) -> None:
    talk, request = open_talk(greet=False), asked()
    request.priority = (7, False)
    talk.engine.upgrade(request, entries({}))
    talk.ask(talk.client.greet(), talk.client.headers(3, GET, end=True))
    for stream in (talk.requests[0].stream, talk.requests[1].stream):
        stream.respond(200, [], False)
        stream.write(b"x" * 10, True)

    assert [frame.stream for frame in talk.heard() if isinstance(frame, Data)] == [3, 1]


def test_its_largest_frame_counts(open_talk: OpenTalk) -> None:
    talk = open_talk(greet=False)
    talk.engine.upgrade(asked(), entries({MAX_FRAME_SIZE: 32_768, INITIAL_WINDOW_SIZE: 100_000}))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(bytes(40_000), True)

    assert [len(frame.body) for frame in talk.heard() if isinstance(frame, Data)] == [32_768, 7_232]


def test_the_next_request_is_stream_3(upgraded: Talk) -> None:
    upgraded.heard()
    upgraded.say(upgraded.client.greet(), upgraded.client.headers(3, GET, end=True))

    assert upgraded.calls[1] == (2, "begin", "GET", b"/")
    for recorder in upgraded.requests:
        recorder.stream.respond(204, [], True)
    answers = [expect.headers(id, [(":status", "204")], end=True) for id in (1, 3)]
    assert sorted(upgraded.heard(), key=str) == sorted([expect.acknowledged(), *answers], key=str)


def test_its_client_may_reset_it(upgraded: Talk) -> None:
    upgraded.heard()
    upgraded.say(upgraded.client.greet(), upgraded.client.reset(1))

    assert upgraded.calls[1:] == [(1, "lost")]
    assert upgraded.engine.inflight == 0


@pytest.mark.parametrize("what", ["headers", "data"])
def test_its_client_has_ended_it(upgraded: Talk, what: str) -> None:
    upgraded.heard()
    more = upgraded.client.headers(1, GET, end=True) if what == "headers" else upgraded.client.data(1, b"x", end=True)

    assert upgraded.is_dead(upgraded.ask(upgraded.client.greet(), more), STREAM_CLOSED)


def test_what_follows_must_be_the_preface(upgraded: Talk) -> None:
    upgraded.heard()

    frames = upgraded.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert upgraded.is_dead(frames, 1)
    assert upgraded.calls[1:] == [(1, "lost")]


def test_head_has_no_body(open_talk: OpenTalk) -> None:
    talk = open_talk(greet=False)
    talk.engine.upgrade(asked("HEAD"), entries({3: 100}))
    talk.request().stream.respond(200, [(b"content-length", b"5")], True)

    assert talk.heard()[2:] == [expect.headers(1, [(":status", "200"), ("content-length", "5")], end=True)]


def test_a_refused_one_is_reset(open_talk: OpenTalk) -> None:
    talk = open_talk(greet=False)
    talk.refusing = True
    talk.engine.upgrade(asked(), entries({3: 100}))

    assert talk.heard()[2:] == [expect.reset(1, 7)]


def test_it_counts_as_taken_at_a_drain(upgraded: Talk) -> None:
    upgraded.heard()
    upgraded.say(upgraded.client.greet())
    upgraded.engine.shutdown_notice()
    upgraded.engine.goaway()
    upgraded.request().stream.respond(204, [], True)

    assert expect.goaway(1, 0) in upgraded.heard()
    assert upgraded.engine.ended
