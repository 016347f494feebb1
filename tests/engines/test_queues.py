"""What waits to be sent: when a stream is full, when it has room again, and what passes a queue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appserver.h2.engine import CONNECTION_QUEUE, STREAM_QUEUE
from tests.engines.talk import Recorder, Talk
from tests.support.frames import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    GET,
    INITIAL_WINDOW_SIZE,
    POST,
    PROTOCOL_ERROR,
    Data,
    Head,
    changed,
    expect,
)

OpenTalk = Callable[..., Talk]
KIB = 1024


def test_a_full_stream_is_not_writable_until_half_of_it_went(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    talk.say(talk.client.window(0, 10_000_000))
    recorder = talk.serve()
    recorder.stream.write(bytes(STREAM_QUEUE - 1), False)
    assert recorder.stream.writable
    recorder.stream.write(b"x", False)
    assert not recorder.stream.writable
    talk.ask(talk.client.window(1, STREAM_QUEUE // 2 - 1))
    assert (recorder.stream.writable, recorder.relieved) == (False, 0)
    talk.ask(talk.client.window(1, 1))
    assert (recorder.stream.writable, recorder.relieved) == (True, 1)
    talk.ask(talk.client.window(1, 1_000_000))
    assert recorder.relieved == 1


def test_a_full_connection_is_not_writable_until_half_of_it_went(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    talk.say(talk.client.window(0, 100_000_000))
    count = CONNECTION_QUEUE // (100 * KIB) + 1
    recorders = [talk.serve(2 * n + 1) for n in range(count)]
    for recorder in recorders:
        recorder.stream.write(bytes(100 * KIB), False)
    assert not recorders[-1].stream.writable
    for n in range(count):
        talk.ask(talk.client.window(2 * n + 1, 50 * KIB))
    assert all(recorder.stream.writable for recorder in recorders)
    assert recorders[-1].relieved == 1


@pytest.mark.parametrize("by", ["peer", "application"])
def test_what_a_reset_stream_had_queued_is_room_for_others(open_talk: OpenTalk, by: str) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    talk.say(talk.client.window(0, 10_000_000))
    recorders = [talk.serve(2 * n + 1) for n in range(6)]
    for recorder in recorders:
        recorder.stream.write(bytes(200 * KIB), False)
    waiting = recorders[-1]
    assert not waiting.stream.writable
    for n, recorder in enumerate(recorders[:-1]):
        if by == "peer":
            talk.say(talk.client.reset(2 * n + 1))
        else:
            recorder.stream.reset(CANCEL)
    talk.heard()
    # 200 KiB is more than half of a stream's queue: it is the connection that has room again.
    assert not waiting.stream.writable
    talk.ask(talk.client.window(11, 100 * KIB))
    assert waiting.stream.writable
    assert waiting.relieved == 1


def test_an_application_may_write_on_when_there_is_room(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10_000_000})
    talk.say(talk.client.window(0, 10_000_000))
    recorder = talk.serve()
    left = [20]

    def write(recorder: Recorder, call: str) -> None:
        while recorder.stream.writable and left[0]:
            left[0] -= 1
            recorder.stream.write(bytes(100_000), left[0] == 0)

    talk.react = write
    write(recorder, "begin")
    assert left[0]
    assert len(talk.bodies(talk.heard())[1]) == 2_000_000
    assert talk.engine.inflight == 0


@pytest.mark.parametrize("by", ["peer", "application"])
def test_a_reset_between_two_takes_drops_what_was_queued(open_talk: OpenTalk, by: str) -> None:
    # The kernel had promised nghttp2 a DATA frame that the reset took away: the next take never returned.
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10_000_000})
    talk.say(talk.client.window(0, 10_000_000))
    recorder = talk.serve()
    recorder.stream.write(bytes(300_000), False)
    first = talk.take(20_000)
    if by == "peer":
        talk.say(talk.client.reset(1))
    else:
        recorder.stream.reset(CANCEL)
    said = talk.wire.read(first) + talk.heard()
    assert len(talk.bodies(said)[1]) < 300_000
    assert [frame for frame in said if not isinstance(frame, Data)] == ([expect.reset(1, CANCEL)] if by == "application" else [])
    assert talk.engine.inflight == 0


def test_more_than_was_announced_between_two_takes_resets_the_exchange(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10_000_000})
    talk.say(talk.client.window(0, 10_000_000), talk.client.headers(1, changed(POST, ("content-length", "3"))))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(bytes(300_000), False)
    talk.wire.read(talk.take(20_000))
    talk.say(talk.client.data(1, b"more"))
    assert talk.heard()[-1] == expect.reset(1, PROTOCOL_ERROR)
    assert talk.calls[-1] == (1, "lost")


def test_interim_heads_and_resets_pass_a_queue(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    stuck = talk.serve()
    stuck.stream.write(b"stuck", False)
    talk.say(talk.client.headers(3, GET, end=True))
    talk.request(2).stream.respond(204, [], True)
    stuck.stream.reset(CANCEL)
    said = talk.heard()
    assert expect.reset(1, CANCEL) in said
    assert [frame.status for frame in said if isinstance(frame, Head)] == [204]
    assert talk.engine.inflight == 0


def test_a_peer_that_asks_and_never_listens_is_told_to_calm_down(talk: Talk) -> None:
    for _ in range(30):
        talk.say(talk.client.ping() * 100)
    said = talk.heard(1_000_000)
    assert talk.is_dead(said, ENHANCE_YOUR_CALM)
    assert len(said) < 2_500


def test_a_proxy_that_passes_on_its_clients_cancels_is_served(talk: Talk) -> None:
    # nghttp2's own limiter ends a connection after 1,000 resets and 33 more a second.
    for n in range(3_000):
        talk.say(talk.client.headers(2 * n + 1, GET, end=True), talk.client.reset(2 * n + 1))
        assert not talk.engine.ended, f"after {n} resets"
    assert talk.ask(talk.client.ping()) == [expect.pong(b"12345678")]
