"""What is sent first (RFC 9218): whose DATA goes out in which order, and that nobody is passed over for ever."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appserver.h2.engine import PASSED_OVER
from appserver.h2.priorities import FRAMES_PER_REQUEST, MAX_FRAMES
from tests.engines.conftest import load
from tests.engines.talk import MAKE, Recorder, Talk
from tests.support.frames import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    GET,
    INITIAL_WINDOW_SIZE,
    POST,
    PROTOCOL_ERROR,
    Data,
    Head,
    Sent,
    expect,
)

OpenTalk = Callable[..., Talk]
FRAME = 16_384


@pytest.fixture
def wide(open_talk: OpenTalk) -> Talk:
    """A connection whose windows hold nobody up."""
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 100_000_000})
    talk.say(talk.client.window(0, 100_000_000))
    return talk


def ask(talk: Talk, stream: int, priority: str | None = None) -> Recorder:
    """Begin a GET and the answer to it."""
    fields = GET if priority is None else [*GET, ("priority", priority)]
    talk.say(talk.client.headers(stream, fields, end=True))
    talk.requests[-1].stream.respond(200, [], False)
    return talk.requests[-1]


def answer(talk: Talk, stream: int, frames: int, priority: str | None = None) -> Recorder:
    """Begin a GET whose answer is so many frames long."""
    recorder = ask(talk, stream, priority)
    recorder.stream.write(bytes(frames * FRAME), True)
    return recorder


def turns(frames: list[Sent]) -> list[int]:
    """Return whose DATA frames these are."""
    return [frame.stream for frame in frames if isinstance(frame, Data)]


def runs(frames: list[Sent]) -> list[tuple[int, int]]:
    """Return the same as (stream, how many in a row)."""
    return [(stream, len(list(group))) for stream, group in groupby(turns(frames))]


# Urgency, then turns


def test_the_urgent_go_first(wide: Talk) -> None:
    for stream, urgency in ((1, 7), (3, 0), (5, 3), (7, 1)):
        answer(wide, stream, 2, f"u={urgency}")
    assert runs(wide.heard()) == [(3, 2), (7, 2), (5, 2), (1, 2)]


def test_all_heads_go_before_all_bodies(wide: Talk) -> None:
    answer(wide, 1, 1, "u=7")
    answer(wide, 3, 1, "u=0")
    assert [type(frame) for frame in wide.heard()] == [Head, Head, Data, Data]


def test_of_one_urgency_the_older_goes_first_and_to_its_end(wide: Talk) -> None:
    for stream in (1, 3, 5):
        answer(wide, stream, 3, "u=2")
    assert runs(wide.heard()) == [(1, 3), (3, 3), (5, 3)]


def test_incremental_ones_take_turns(wide: Talk) -> None:
    for stream in (1, 3, 5):
        answer(wide, stream, 3, "u=2, i")
    assert turns(wide.heard()) == [1, 3, 5] * 3


def test_turns_are_taken_within_an_urgency(wide: Talk) -> None:
    for stream, urgency in ((1, 5), (3, 1), (5, 5), (7, 1)):
        answer(wide, stream, 2, f"u={urgency}, i")
    assert turns(wide.heard()) == [3, 7, 3, 7, 1, 5, 1, 5]


def test_whoever_waits_for_all_of_it_goes_before_those_that_take_turns(wide: Talk) -> None:
    answer(wide, 1, 2, "u=2")
    answer(wide, 3, 2, "u=2, i")
    answer(wide, 5, 2, "u=2, i")
    assert turns(wide.heard()) == [1, 1, 3, 5, 3, 5]


def test_long_answers_to_silent_clients_take_turns(wide: Talk) -> None:
    answer(wide, 1, 2)
    answer(wide, 3, 2)
    assert turns(wide.heard()) == [1, 3, 1, 3]


def test_a_client_that_speaks_gets_what_it_asks_for(wide: Talk) -> None:
    # Incremental is false where a field does not say so (RFC 9218 4.2).
    answer(wide, 1, 2, "u=3")
    answer(wide, 3, 2, "u=3")
    assert turns(wide.heard()) == [1, 1, 3, 3]


@pytest.mark.parametrize("field", ["u=1,", "u=9, i=7", "U=1"])
def test_what_is_wrong_in_a_field_is_not_there(wide: Talk, field: str) -> None:
    answer(wide, 1, 1)
    answer(wide, 3, 1, field)
    assert turns(wide.heard()) == [1, 3]


def test_a_field_in_two_lines_is_one(wide: Talk) -> None:
    answer(wide, 1, 1)
    wide.say(wide.client.headers(3, [*GET, ("priority", "u=1"), ("priority", "i")], end=True))
    request = wide.requests[-1].request
    assert request.priority == (1, True)
    assert request.fields[-2:] == [(b"priority", b"u=1"), (b"priority", b"i")]


def test_a_client_that_says_nothing_has_said_nothing(wide: Talk) -> None:
    request = ask(wide, 1).request
    assert (request.priority, request.dependency) == (None, None)


def test_each_frame_is_decided_anew(wide: Talk) -> None:
    answer(wide, 1, 4, "u=5")
    assert turns(wide.wire.read(wide.take(2 * FRAME))) == [1, 1]
    answer(wide, 3, 2, "u=0")
    assert turns(wide.heard()) == [3, 3, 1, 1]


def test_an_answer_that_waits_for_its_application_holds_nobody_up(wide: Talk) -> None:
    urgent = ask(wide, 1, "u=0")
    answer(wide, 3, 2, "u=7")
    assert turns(wide.heard()) == [3, 3]
    urgent.stream.write(bytes(FRAME), True)
    assert turns(wide.heard()) == [1]


def test_an_urgent_answer_without_window_holds_nobody_up(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10})
    for stream, urgency in ((1, 7), (3, 0), (5, 3)):
        ask(talk, stream, f"u={urgency}").stream.write(b"0123456789abcde", True)
    assert turns(talk.heard()) == [3, 5, 1]
    assert turns(talk.ask(talk.client.window(1, 100))) == [1]
    assert turns(talk.ask(talk.client.window(5, 100), talk.client.window(3, 100))) == [3, 5]


def test_the_connection_window_goes_to_the_urgent(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 1_000_000})
    answer(talk, 1, 4, "u=6")
    answer(talk, 3, 4, "u=1")
    # 65,535 bytes: all but one byte of the urgent one.
    assert set(turns(talk.heard())) == {3}
    assert runs(talk.ask(talk.client.window(0, 1 + FRAME))) == [(3, 1), (1, 1)]


def test_an_end_needs_no_turn(wide: Talk) -> None:
    empty = ask(wide, 1, "u=7")
    assert turns(wide.heard()) == []
    answer(wide, 3, 2, "u=0")
    empty.stream.write(b"", True)
    assert turns(wide.heard()) == [1, 3, 3]


# PRIORITY_UPDATE


def test_a_frame_changes_the_order(wide: Talk) -> None:
    answer(wide, 1, 3, "u=2")
    answer(wide, 3, 3, "u=2")
    assert turns(wide.wire.read(wide.take(FRAME))) == [1]
    assert turns(wide.ask(wide.client.priority_update(3, b"u=0"))) == [3, 3, 3, 1, 1]


def test_a_frame_says_all_anew(wide: Talk) -> None:
    answer(wide, 1, 2, "u=1, i")
    answer(wide, 3, 2, "u=2")
    # What it leaves out is the default: u=3.
    assert turns(wide.ask(wide.client.priority_update(1, b""))) == [3, 3, 1, 1]


def test_a_frame_before_its_request_counts_more_than_the_field(wide: Talk) -> None:
    answer(wide, 1, 2, "u=3")
    wide.say(wide.client.priority_update(3, b"u=1, i"))
    request = answer(wide, 3, 2, "u=6").request
    assert request.priority == (1, True)
    assert turns(wide.heard()) == [3, 3, 1, 1]


def test_the_last_frame_counts(wide: Talk) -> None:
    wide.say(wide.client.priority_update(1, b"u=0"), wide.client.priority_update(1, b"u=5"))
    wide.say(wide.client.priority_update(1, b"u=,"))
    assert ask(wide, 1).request.priority == (5, False)


def test_a_frame_is_for_its_stream_only(wide: Talk) -> None:
    wide.say(wide.client.priority_update(3, b"u=0"))
    assert ask(wide, 1).request.priority is None
    assert ask(wide, 3).request.priority == (0, False)
    wide.say(wide.client.priority_update(5, b"u=0"))
    assert ask(wide, 7).request.priority is None


def test_until_the_answer_begins_the_application_is_told(wide: Talk) -> None:
    wide.say(wide.client.headers(1, GET, end=True), wide.client.priority_update(1, b"u=4, i"))
    request = wide.request().request
    assert request.priority == (4, True)


def test_a_malformed_value_says_nothing(wide: Talk) -> None:
    answer(wide, 1, 2, "u=2")
    answer(wide, 3, 2, "u=2")
    assert turns(wide.ask(wide.client.priority_update(3, b"u=0,"), wide.client.priority_update(3, b"\xff" * 5_000))) == [1, 1, 3, 3]


def test_a_frame_for_a_stream_that_is_over_is_ignored(wide: Talk) -> None:
    answer(wide, 1, 1)
    wide.heard()
    wide.say(wide.client.headers(3, POST))
    wide.request(2).stream.reset(CANCEL)
    wide.heard()
    assert wide.ask(wide.client.priority_update(1, b"u=0"), wide.client.priority_update(3, b"u=0")) == []
    assert wide.faults == []


@pytest.mark.parametrize("at", range(1, 18))
def test_a_frame_in_two_reads_is_one(wide: Talk, at: int) -> None:
    data = wide.client.priority_update(1, b"u=1") + wide.client.headers(1, [*GET, ("priority", "u=7")], end=True)
    wide.say(data[:at])
    wide.say(data[at:])
    assert wide.request().request.priority == (1, False)


def test_a_frame_byte_by_byte_between_others(wide: Talk) -> None:
    client = wide.client
    for byte in client.headers(1, POST) + client.data(1, b"abc") + client.priority_update(1, b"u=1, i") + client.data(1, b"d", end=True):
        wide.say(bytes([byte]))
    assert wide.request().body == b"abcd"
    assert wide.request().request.priority == (1, True)


# What is remembered of idle streams is bounded (RFC 9218 7.1)


def test_no_more_streams_are_prioritized_than_may_be_open(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"max_concurrent_streams": 3})
    ask(talk, 1)
    talk.heard()
    assert talk.ask(*(talk.client.priority_update(stream, b"u=1") for stream in (11, 13, 11, 13))) == []
    assert talk.is_dead(talk.ask(talk.client.priority_update(15, b"u=1")), PROTOCOL_ERROR)


def test_a_stream_that_opens_makes_room(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"max_concurrent_streams": 3})
    for first in range(1, 60, 6):
        assert talk.ask(*(talk.client.priority_update(stream, b"u=1") for stream in (first, first + 2, first + 4))) == []
        # The two below it can never be opened any more.
        answer(talk, first + 4, 0)
        talk.heard()
    assert talk.engine.inflight == 0


def test_a_refused_stream_makes_room(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"max_concurrent_streams": 1})
    ask(talk, 1)
    talk.heard()
    talk.say(talk.client.headers(3, GET, end=True))
    talk.request().stream.write(b"", True)
    talk.heard()
    assert talk.ask(talk.client.priority_update(5, b"u=1")) == []


@pytest.mark.parametrize("kind", ["PRIORITY_UPDATE", "PRIORITY"])
def test_a_flood_of_frames_ends_the_connection(wide: Talk, kind: str) -> None:
    one = wide.client.priority(1, 0) if kind == "PRIORITY" else wide.client.priority_update(1, b"u=1")
    assert wide.ask(one * MAX_FRAMES) == []
    answer(wide, 1, 0)
    wide.heard()
    assert wide.ask(one * FRAMES_PER_REQUEST) == []
    assert wide.is_dead(wide.ask(one), ENHANCE_YOUR_CALM)


# The application's word (RFC 9218 8)


def test_an_application_may_know_better(wide: Talk) -> None:
    for stream in (1, 3, 5):
        wide.say(wide.client.headers(stream, [*GET, ("priority", "u=4")], end=True))
    first, second, third = wide.requests
    second.stream.prioritize(0, -1)
    third.stream.prioritize(-1, 1)
    for one in (first, second, third):
        one.stream.respond(200, [], False)
        one.stream.write(bytes(2 * FRAME), True)
    assert turns(wide.heard()) == [3, 3, 1, 1, 5, 5]


def test_what_it_said_stays(wide: Talk) -> None:
    answer(wide, 1, 2, "u=2")
    wide.say(wide.client.headers(3, GET, end=True))
    wide.request(2).stream.prioritize(5, -1)
    wide.request(2).stream.respond(200, [], False)
    wide.request(2).stream.write(bytes(2 * FRAME), True)
    assert turns(wide.ask(wide.client.priority_update(3, b"u=0"))) == [1, 1, 3, 3]


def test_what_it_left_open_is_the_clients(wide: Talk) -> None:
    for stream in (1, 3):
        wide.say(wide.client.headers(stream, GET, end=True))
        wide.requests[-1].stream.prioritize(2, -1)
        wide.requests[-1].stream.respond(200, [], False)
        wide.requests[-1].stream.write(bytes(2 * FRAME), True)
    # And where the client is silent, too, long answers take turns.
    assert turns(wide.heard()) == [1, 3, 1, 3]


# Nobody is passed over for ever


def endless(talk: Talk, stream: int, priority: str) -> Recorder:
    """An answer that always has more to send."""
    recorder = ask(talk, stream, priority)
    recorder.stream.write(bytes(300_000), False)
    talk.react = lambda one, call: one.stream.write(bytes(200_000), False) if call == "writable" else None
    return recorder


def listen(talk: Talk, frames: int) -> list[int]:
    """Return whose the next DATA frames are."""
    seen: list[int] = []
    while len(seen) < frames:
        taken = talk.take(FRAME)
        assert taken, f"nothing more after {seen}"
        seen += turns(talk.wire.read(taken))
    return seen


@pytest.mark.parametrize("priorities", [("u=0", "u=7"), ("u=0, i", "u=7, i"), ("u=3", "u=3"), ("u=1", "u=1, i")])
def test_an_endless_answer_lets_others_send_now_and_then(wide: Talk, priorities: tuple[str, str]) -> None:
    endless(wide, 1, priorities[0])
    answer(wide, 3, 3, priorities[1])
    seen = listen(wide, 3 * (PASSED_OVER + 1) + 1)
    assert [at for at, stream in enumerate(seen) if stream == 3] == [PASSED_OVER + n * (PASSED_OVER + 1) for n in range(3)]


def test_those_passed_over_share_what_there_is(wide: Talk) -> None:
    endless(wide, 1, "u=0")
    for stream in (3, 5, 7):
        answer(wide, stream, 2, "u=6")
    seen = listen(wide, 7 * (PASSED_OVER + 1))
    assert [stream for stream in seen if stream != 1] == [3, 5, 7, 3, 5, 7]


def test_one_that_gives_way_is_not_forgotten(wide: Talk) -> None:
    endless(wide, 1, "u=0")
    slow = answer(wide, 3, 2, "u=7")
    listen(wide, PASSED_OVER)
    slow.stream.reset(CANCEL)
    assert set(listen(wide, 2 * PASSED_OVER)) == {1}


def test_a_stream_without_window_is_not_passed_over(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    talk.say(talk.client.window(0, 100_000_000))
    endless(talk, 1, "u=0")
    answer(talk, 3, 1, "u=7")
    talk.say(talk.client.window(1, 100_000_000))
    assert set(listen(talk, 3 * PASSED_OVER)) == {1}


def test_one_that_waits_for_others_is_not_stalled(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    talk.say(talk.client.window(0, 100_000_000))
    endless(talk, 1, "u=0")
    patient, stalled = answer(talk, 3, 2, "u=7"), answer(talk, 5, 2, "u=0")
    talk.say(talk.client.window(1, 100_000_000), talk.client.window(3, 100_000_000))
    for second in range(0, 200, 40):
        listen(talk, 1)
        talk.engine.expire(1_000.0 + second, 30.0, 5.0)
    assert (patient.lost, stalled.lost) == (0, 0)
    assert talk.faults == ["a stream's window stays shut"]
    assert talk.engine.inflight == 2


@pytest.mark.parametrize("size", [1, 5_000, 40_000, 300_000])
def test_all_of_it_arrives_whatever_the_takes(wide: Talk, size: int) -> None:
    for stream in range(1, 20, 2):
        answer(wide, stream, 6, f"u={stream % 8}" + (", i" if stream % 3 else ""))
    seen = wide.bodies(wide.heard(size))
    assert {stream: len(body) for stream, body in seen.items()} == dict.fromkeys(range(1, 20, 2), 6 * FRAME)
    assert wide.engine.inflight == 0
    assert wide.engine.queued == 0


# Frame by frame, both engines


Step = tuple[str, int, int]
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 7), st.sampled_from((0, 0, 1, 2))),
        st.tuples(st.just("write"), st.integers(0, 5), st.sampled_from((1, 100, FRAME, 3 * FRAME, 40 * FRAME))),
        st.tuples(st.just("end"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("update"), st.integers(0, 5), st.integers(0, 15)),
        st.tuples(st.just("take"), st.sampled_from((1, 20_000, 100_000, 1_000_000)), st.just(0)),
        st.tuples(st.just("reset"), st.integers(0, 5), st.just(0)),
    ),
    min_size=4,
    max_size=40,
)


def order(make: MAKE, steps: list[Step]) -> list[tuple[int, int]]:
    """Play to one engine; return (stream, size) of each DATA frame."""
    talk = Talk(make, settings={INITIAL_WINDOW_SIZE: 1_000_000_000})
    talk.say(talk.client.window(0, 1_000_000_000), talk.client.priority_update(1, b"u=3"))
    answers: list[Recorder] = []
    sent: list[Sent] = []
    for name, n, much in steps:
        if name == "ask":
            answers.append(ask(talk, 2 * len(answers) + 1, f"u={n}{', i' * (much == 1)}" if much else None))
        elif name == "take":
            sent += talk.wire.read(talk.take(n))
        elif answers and name == "update":
            stream = 2 * (n % len(answers)) + 1
            talk.say(talk.client.priority_update(stream, b"u=%d%b" % (much & 7, b", i" if much > 7 else b"")))
        elif answers:
            one = answers[n % len(answers)].stream
            if name == "reset":
                one.reset(CANCEL)
            else:
                one.write(bytes(much), name == "end")
    sent += talk.heard()
    return [(frame.stream, len(frame.body)) for frame in sent if isinstance(frame, Data)]


@settings(max_examples=300, deadline=None)
@given(steps=_steps)
def test_both_engines_send_in_one_order(kernel_engine: MAKE, steps: list[Step]) -> None:
    assert order(load("pure"), steps) == order(kernel_engine, steps)


# RFC 7540's priorities are told and drive nothing


def test_weights_are_told(wide: Talk) -> None:
    wide.say(wide.client.headers(1, GET, end=True, priority=(0, 255)), wide.client.headers(3, GET, end=True, priority=(1, 0)))
    assert [one.request.dependency for one in wide.requests] == [(256, 0), (1, 1)]
    assert wide.request().request.priority is None


def test_a_frame_tells_them_too(wide: Talk) -> None:
    wide.say(wide.client.priority(1, 0, 31), wide.client.headers(1, GET, end=True))
    assert wide.request().request.dependency == (32, 0)
    wide.say(wide.client.headers(3, GET, end=True), wide.client.priority(3, 1, 7))
    assert wide.request(2).request.dependency == (8, 1)
    wide.say(wide.client.priority(5, 3, 7), wide.client.headers(5, GET, end=True, priority=(1, 99)))
    assert wide.request(3).request.dependency == (100, 1)


def test_weights_drive_nothing(wide: Talk) -> None:
    for stream, weight in ((1, 0), (3, 255)):
        wide.say(wide.client.headers(stream, GET, end=True, priority=(0, weight)))
        wide.requests[-1].stream.respond(200, [], False)
        wide.requests[-1].stream.write(bytes(2 * FRAME), True)
    assert turns(wide.heard()) == [1, 3, 1, 3]


def test_frames_for_streams_that_never_come_are_not_kept(wide: Talk) -> None:
    assert wide.ask(*(wide.client.priority(stream, 0) for stream in range(1, 1_001, 2))) == []
    assert ask(wide, 1_001).request.dependency is None
    assert wide.heard() == [expect.headers(1_001, [(":status", "200")])]
