"""Whatever comes, in whatever pieces: no exception, no second answer, nothing behind a close."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.h1.corpus import load
from tests.unit.h1.talk import CHUNKED, Call, Talk, when_complete

CASES = [case.data for case in load("refused.txt") + load("smuggled.txt") + load("served.txt") if len(case.data) < 2_000]
WORDS = [
    b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"\r", b"\n", b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\n", b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n", b"abc", b" ", b":", b"\x00", b"\xff", b"HTTP/1.0",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(WORDS) | st.binary(max_size=8), max_size=30).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A corpus case with a piece replaced by another."""
    data = draw(st.sampled_from(CASES))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 12)))
    return data[:start] + draw(st.binary(max_size=4) | st.sampled_from(WORDS)) + data[end:] + draw(TEXT)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def seen(talk: Talk) -> list[tuple[str, bytes, bytes]]:
    return [(call.request.method, call.request.target, call.body) for call in talk.calls if call.complete]


@settings(max_examples=400, deadline=None)
@given(mutated() | TEXT | st.binary(max_size=200), st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n", [3], True)
def test_garbage_is_taken_the_same_in_any_pieces(data: bytes, cuts: list[int], hangs_up: bool) -> None:
    whole = Talk().say(data)
    split = Talk().say(*pieces(data, cuts))
    assert split.heard == whole.heard
    assert seen(split) == seen(whole)
    assert split.transport.ended == whole.transport.ended
    for talk in (whole, split):
        talk.responses()
        if hangs_up:
            talk.hang_up()
        talk.vanish()
        assert all(call.answered != call.lost for call in talk.calls if call.started)


@settings(max_examples=200, deadline=None)
@given(mutated() | TEXT, st.lists(st.sampled_from("aritgwhv"), max_size=30))
@example(data=CHUNKED + b"0\r\n\r\n", steps=["v", "v", "v", "h", "h"])
def test_any_order_of_calls_from_both_sides(data: bytes, steps: list[str]) -> None:
    """Application, client, clock and worker act in any order on one connection."""
    talk = Talk(lambda call: None)
    at = 0
    has_hung_up = False
    for number, step in enumerate(steps):
        calls: list[Call] = talk.calls
        if step == "a" and calls:
            when_complete(calls[-1])
        elif step == "r" and calls:
            calls[-1].stream.reset(2)
        elif step == "i" and calls:
            calls[-1].stream.inform(100, [])
        elif step == "t":
            talk.connection.tick(number * 20.0)
        elif step == "g" and calls:
            calls[-1].stream.respond(200, [], False)
        elif step == "w" and calls:
            calls[-1].stream.write(b"x", number % 3 == 0)
        elif step == "h" and at and not talk.transport.ended:
            has_hung_up = True
            if not talk.hang_up():
                break
        elif step == "v" and not has_hung_up:
            talk.say(data[at : at + 40])
            at += 40
    talk.turn()
    talk.vanish()
    assert talk.registry.forgotten == [talk.connection]
