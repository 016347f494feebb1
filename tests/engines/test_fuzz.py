"""Any bytes after a valid preface: nothing is raised, and the output stays frames."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engines.talk import MAKE, Recorder, Talk
from tests.support.frames import GET, POST, Client, Text, changed, frame

RELAXED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

raw_frames = st.builds(
    lambda kind, flags, stream, payload, length: frame(kind, flags, stream, payload, length),
    st.one_of(st.integers(0, 9), st.integers(0, 255)),
    st.one_of(st.sampled_from((0, 1, 4, 5, 8, 0x2D)), st.integers(0, 255)),
    st.one_of(st.integers(0, 7), st.integers(0, 2**32 - 1)),
    st.binary(max_size=60),
    st.one_of(st.none(), st.none(), st.none(), st.integers(0, 70)),
)
windows = st.builds(lambda stream, size: frame(8, 0, stream, struct.pack(">L", size)), st.integers(0, 5), st.integers(0, 2**32 - 1))


def answer(recorder: Recorder, call: str) -> None:
    """Answer from within the calls up, as early as may be."""
    recorder.stream.respond(200, [(b"x", b"y")], False)
    recorder.stream.grant(len(recorder.body))
    recorder.stream.write(bytes(100), call in ("end", "lost"))


def feed(talk: Talk, data: bytes, cuts: list[int]) -> None:
    """Let the engine have `data` in pieces, and look at all that it says."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    talk.react = answer
    for a, b in pairwise(places):
        talk.say(data[a:b])
        talk.heard()
    talk.engine.lose()
    assert talk.engine.inflight == 0
    assert talk.heard() == []


cuts = st.lists(st.integers(0, 2**16), max_size=6)


@RELAXED
@given(data=st.binary(max_size=300), cuts=cuts)
def test_any_bytes(make: MAKE, data: bytes, cuts: list[int]) -> None:
    feed(Talk(make), data, cuts)


@RELAXED
@given(data=st.binary(max_size=100))
def test_any_bytes_instead_of_a_preface(make: MAKE, data: bytes) -> None:
    talk = Talk(make, greet=False)
    talk.heard()
    feed(talk, data, [3, 7])


@RELAXED
@given(frames=st.lists(st.one_of(raw_frames, raw_frames, windows), max_size=12), cuts=cuts)
def test_any_frames_while_requests_are_open(make: MAKE, frames: list[bytes], cuts: list[int]) -> None:
    talk = Talk(make)
    talk.say(talk.client.headers(1, POST), talk.client.headers(3, GET, end=True))
    feed(talk, b"".join(frames), cuts)


@RELAXED
@given(block=st.binary(max_size=120), cuts=cuts)
def test_any_header_block(make: MAKE, block: bytes, cuts: list[int]) -> None:
    talk = Talk(make)
    feed(talk, talk.client.raw_headers(1, block, end=True) + talk.client.headers(3, GET, end=True), cuts)


names = st.one_of(st.sampled_from((b":method", b":path", b":scheme", b":authority", b"host", b"te", b"cookie")), st.binary(max_size=12))


@RELAXED
@given(fields=st.lists(st.tuples(names, st.binary(max_size=30)), max_size=12), end=st.booleans())
def test_any_fields(make: MAKE, fields: list[tuple[Text, Text]], end: bool) -> None:
    talk = Talk(make)
    said = talk.ask(talk.client.headers(1, [*GET, *fields], end=end))
    assert not talk.engine.ended, said
    # Begun, answered or reset: one of them, and the connection goes on.
    assert talk.requests or said
    talk.say(talk.client.headers(3, changed(GET, path="/next"), end=True))
    assert talk.requests[-1].request.raw_path == b"/next"


@RELAXED
@given(flip=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_wrong_bit(make: MAKE, flip: int, bit: int) -> None:
    client = Client()
    data = bytearray(b"".join([
        client.greet(), client.headers(1, POST, pad=3, priority=(0, 9)), client.data(1, b"body", pad=2),
        client.headers(1, [("x-t", "1")], end=True, parts=2), client.ping(), client.window(0, 5), client.headers(3, GET, end=True),
    ]))
    data[flip % len(data)] ^= 1 << bit
    talk = Talk(make, greet=False)
    talk.heard()
    feed(talk, bytes(data), [30, 60, 90])
