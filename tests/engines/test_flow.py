"""Flow control both ways: what the peer is credited, what waits for the peer, and whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.engines.talk import Talk
from tests.support.frames import (
    CANCEL,
    FLOW_CONTROL_ERROR,
    GET,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    POST,
    Data,
    Goaway,
    Reset,
    Sent,
    Window,
    expect,
)

OpenTalk = Callable[..., Talk]
KIB = 1024


def credit(frames: list[Sent]) -> Counter[int]:
    """Return what each window was opened by."""
    found: Counter[int] = Counter()
    for frame in frames:
        if isinstance(frame, Window):
            found[frame.stream] += frame.size
    return found


# The request's body


def test_the_peer_is_credited_when_the_application_reads(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST))
    assert credit(talk.ask(*(talk.client.data(1, bytes(16_000)) for _ in range(16)))) == {}
    talk.request().stream.grant(256_000)
    assert credit(talk.heard())[1] == 256_000


def test_reading_asks_for_a_flush(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), *(talk.client.data(1, bytes(16_000)) for _ in range(16)))
    before = talk.schedules
    talk.request().stream.grant(256_000)
    assert talk.schedules > before


def test_no_more_is_credited_than_arrived(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), *(talk.client.data(1, bytes(16_000)) for _ in range(16)))
    talk.request().stream.grant(10_000_000)
    talk.request().stream.grant(256_000)
    assert credit(talk.heard())[1] == 256_000


def test_a_body_larger_than_every_window_gets_through(open_talk: OpenTalk) -> None:
    talk = open_talk(limits={"body": 0}, server={"stream_window": 65_535, "connection_window": 65_535})
    talk.say(talk.client.headers(1, POST))
    talk.react = lambda recorder, call: recorder.stream.grant(16_000)
    windows, sent = Counter({0: 65_535, 1: 65_535}), 0
    while sent < 640_000:
        assert min(windows.values()) >= 16_000, f"the peer starves after {sent} bytes"
        windows.subtract([0, 1] * 16_000)
        sent += 16_000
        windows += credit(talk.ask(talk.client.data(1, bytes(16_000))))
    assert len(talk.request().body) == 640_000


def test_padding_is_credited_at_once(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"stream_window": 65_535, "connection_window": 65_535})
    talk.say(talk.client.headers(1, POST))
    said = talk.ask(*(talk.client.data(1, pad=255) for _ in range(200)))
    assert credit(said)[0] >= 32_000
    assert credit(said)[1] >= 32_000
    assert talk.calls[1:] == []


def test_what_nobody_read_is_credited_to_the_connection_at_the_end(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"stream_window": 65_535, "connection_window": 65_535})
    for n in range(1, 21, 2):
        talk.say(talk.client.headers(n, POST), talk.client.data(n, bytes(16_000)))
        talk.say(talk.client.reset(n) if n % 4 == 1 else talk.client.data(n, end=True))
        talk.requests[-1].stream.respond(200, [], True)
        said = talk.heard()
        assert not any(isinstance(frame, Goaway) for frame in said)
    assert talk.engine.inflight == 0


def test_data_for_a_stream_that_was_reset_is_credited(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"stream_window": 65_535, "connection_window": 65_535})
    talk.say(talk.client.headers(1, POST))
    talk.request().stream.reset(CANCEL)
    said = [frame for _ in range(20) for frame in talk.ask(talk.client.data(1, bytes(10_000)))]
    assert credit(said)[0] >= 150_000
    assert not talk.engine.ended


def test_a_stream_window_is_enforced(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(3, POST))
    said = talk.ask(*(talk.client.data(1, bytes(16_384)) for _ in range(17)))
    if talk.is_dead(said, FLOW_CONTROL_ERROR):
        return  # nghttp2 since 1.67; RFC 9113 5.2.1 leaves the choice
    assert said == [expect.reset(1, FLOW_CONTROL_ERROR)]
    assert talk.calls[-1] == (1, "lost")
    talk.say(talk.client.data(3, b"x", end=True))
    assert talk.request(2).trailers == []


def test_the_connection_window_is_enforced(open_talk: OpenTalk) -> None:
    talk = open_talk(server={"stream_window": 262_144, "connection_window": 65_535})
    talk.say(talk.client.headers(1, POST))
    said = talk.ask(*(talk.client.data(1, bytes(16_384)) for _ in range(5)))
    assert isinstance(said[-1], Goaway)
    assert said[-1].code == FLOW_CONTROL_ERROR
    assert talk.engine.ended


# The answer's body


def test_an_answer_stops_at_the_windows_and_goes_on(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10})
    recorder = talk.serve()
    recorder.stream.write(b"0123456789abcdefghij", True)
    assert talk.heard() == [expect.data(1, b"0123456789")]
    assert talk.ask(talk.client.window(1, 3)) == [expect.data(1, b"abc")]
    assert talk.heard() == []
    assert talk.ask(talk.client.window(1, 100)) == [expect.data(1, b"defghij", end=True)]
    assert talk.engine.inflight == 0


def test_the_end_needs_no_window(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    recorder = talk.serve()
    recorder.stream.write(b"", True)
    assert talk.heard() == [expect.data(1, b"", end=True)]


def test_trailers_need_no_window(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 3})
    recorder = talk.serve()
    recorder.stream.write(b"abc", False)
    assert talk.heard() == [expect.data(1, b"abc")]
    recorder.stream.finish([(b"x-t", b"1")])
    assert talk.heard() == [expect.headers(1, [("x-t", "1")], end=True)]
    assert talk.engine.inflight == 0
    assert talk.ask(talk.client.window(1, 3), talk.client.window(0, 3)) == []


def test_trailers_without_a_body_need_no_window(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.finish([(b"x-t", b"1")])
    assert talk.heard() == [expect.headers(1, [(":status", "200")]), expect.headers(1, [("x-t", "1")], end=True)]
    assert talk.engine.inflight == 0


@pytest.mark.parametrize("by", ["us", "the client"])
def test_trailers_that_were_not_sent_are_dropped_with_their_stream(open_talk: OpenTalk, by: str) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    recorder = talk.serve()
    recorder.stream.finish([(b"x-t", b"1")])
    if by == "us":
        recorder.stream.reset(CANCEL)
        assert talk.heard() == [expect.reset(1, CANCEL)]
    else:
        assert talk.ask(talk.client.reset(1)) == []
    assert talk.engine.inflight == 0


def test_trailers_wait_for_the_body(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 3})
    recorder = talk.serve()
    recorder.stream.write(b"abcdef", False)
    recorder.stream.finish([(b"x-t", b"1")])
    assert talk.heard() == [expect.data(1, b"abc")]
    assert talk.ask(talk.client.window(1, 3)) == [expect.data(1, b"def"), expect.headers(1, [("x-t", "1")], end=True)]


def test_the_connection_window_is_for_all(talk: Talk) -> None:
    recorders = [talk.serve(n) for n in (1, 3, 5)]
    for recorder in recorders:
        recorder.stream.write(bytes(40_000), True)
    assert sum(len(body) for body in talk.bodies(talk.heard()).values()) == 65_535
    assert sum(len(body) for body in talk.bodies(talk.ask(talk.client.window(0, 100_000))).values()) == 120_000 - 65_535
    assert talk.engine.inflight == 0


def test_a_larger_initial_window_lets_open_streams_go_on(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 5})
    recorder = talk.serve()
    recorder.stream.write(b"0123456789", True)
    assert talk.heard() == [expect.data(1, b"01234")]
    said = talk.ask(talk.client.settings({INITIAL_WINDOW_SIZE: 100}))
    assert said == [expect.acknowledged(), expect.data(1, b"56789", end=True)]


def test_a_smaller_initial_window_may_be_negative(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10})
    recorder = talk.serve()
    recorder.stream.write(b"0123456789ab", True)
    assert talk.heard() == [expect.data(1, b"0123456789")]
    assert talk.ask(talk.client.settings({INITIAL_WINDOW_SIZE: 4})) == [expect.acknowledged()]
    # -6 + 6 is nothing, and one more is one byte.
    assert talk.ask(talk.client.window(1, 6)) == []
    assert talk.ask(talk.client.window(1, 1)) == [expect.data(1, b"a")]
    assert talk.ask(talk.client.window(1, 1)) == [expect.data(1, b"b", end=True)]


def test_settings_that_overflow_a_window_are_an_error(talk: Talk) -> None:
    talk.serve()
    talk.say(talk.client.window(1, 2**31 - 1 - 65_535))
    last = talk.ask(talk.client.settings({INITIAL_WINDOW_SIZE: 2**31 - 1}))[-1]
    # RFC 9113 6.9.2: the connection; nghttp2: the stream.
    assert isinstance(last, Goaway | Reset)
    assert last.code == FLOW_CONTROL_ERROR


def test_a_stream_that_is_gone_has_no_window_to_overflow(talk: Talk) -> None:
    recorder = talk.serve()
    talk.say(talk.client.window(1, 2**31 - 1 - 65_535))
    recorder.stream.write(b"x", True)
    talk.heard()
    assert talk.ask(talk.client.settings({INITIAL_WINDOW_SIZE: 2**31 - 1})) == [expect.acknowledged()]


def test_frames_are_no_larger_than_the_peer_allows(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 1_000_000})
    talk.say(talk.client.window(0, 1_000_000))
    recorder = talk.serve()
    recorder.stream.write(bytes(100_000), False)
    assert max(len(frame.body) for frame in talk.heard() if isinstance(frame, Data)) <= 16_384
    talk.say(talk.client.settings({MAX_FRAME_SIZE: 30_000}))
    recorder.stream.write(bytes(100_000), True)
    assert max(len(frame.body) for frame in talk.heard() if isinstance(frame, Data)) <= 30_000


def test_a_large_head_is_split(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    fields = [(b"x-%d" % n, b"v" * 2_000) for n in range(20)]
    talk.request().stream.respond(200, fields, True)
    assert talk.heard() == [expect.headers(1, [(":status", "200"), *fields], end=True)]


def test_chunks_keep_their_order_over_many_takes(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10_000_000})
    talk.say(talk.client.window(0, 10_000_000))
    recorder = talk.serve()
    chunks = [bytes([n]) * size for n, size in enumerate((1, 0, 5_000, 16_384, 3, 70_000, 16_385, 2))]
    for chunk in chunks:
        recorder.stream.write(chunk, False)
    recorder.stream.write(b"", True)
    assert talk.bodies(talk.heard(1_000))[1] == b"".join(chunks)
    assert talk.engine.inflight == 0


def test_one_take_is_about_as_large_as_asked(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10_000_000})
    talk.say(talk.client.window(0, 10_000_000))
    recorder = talk.serve()
    recorder.stream.write(bytes(500_000), True)
    sizes = []
    while piece := talk.take(65_536):
        sizes.append(len(piece))
        talk.wire.read(piece)
    assert max(sizes) <= 65_536 + 16_384 + 9
    assert sum(sizes) > 500_000


def test_streams_take_turns(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 10_000_000})
    talk.say(talk.client.window(0, 10_000_000))
    recorders = [talk.serve(n) for n in (1, 3, 5, 7)]
    for recorder in recorders:
        recorder.stream.write(bytes(100_000), True)
    turns = [frame.stream for frame in talk.heard(150_000) if isinstance(frame, Data)]
    assert set(turns[:4]) == {1, 3, 5, 7}
    assert set(turns[4:8]) == {1, 3, 5, 7}


def test_a_stream_without_window_holds_nobody_up(open_talk: OpenTalk) -> None:
    talk = open_talk(settings={INITIAL_WINDOW_SIZE: 0})
    stuck = talk.serve(1)
    stuck.stream.write(b"stuck", True)
    other = talk.serve(3)
    other.stream.write(b"goes", True)
    assert talk.ask(talk.client.window(3, 10)) == [expect.data(3, b"goes", end=True)]
