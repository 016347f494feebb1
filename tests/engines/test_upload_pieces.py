"""How an upload reaches an application: the kernel gathers the DATA frames of one read, and loses none of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engines.talk import MAKE, Talk
from tests.support.frames import POST, changed


def pieces(talk: Talk, n: int = 1) -> list[int]:
    return [len(call[2]) for call in talk.calls if call[:2] == (n, "body")]


@pytest.mark.parametrize("length", ["65536", None])
def test_the_frames_of_one_read_are_one_piece(kernel: Talk, length: str | None) -> None:
    more = [("content-length", length)] if length else []
    kernel.say(kernel.client.headers(1, changed(POST, *more)), *(kernel.client.data(1, bytes(16_384)) for _ in range(4)))
    assert pieces(kernel) == [65_536]
    kernel.say(kernel.client.data(1, end=True))
    assert kernel.calls[-1] == (1, "end", [])


def test_a_piece_is_no_larger_than_what_came(kernel: Talk) -> None:
    kernel.say(kernel.client.headers(1, POST), kernel.client.data(1, bytes(16_384)))
    kernel.say(kernel.client.data(1, b"x"), kernel.client.data(1, b"y"))
    assert pieces(kernel) == [16_384, 1, 1]


def test_a_piece_goes_before_the_end_and_before_a_loss(kernel: Talk) -> None:
    client = kernel.client
    kernel.say(client.headers(1, POST), client.data(1, b"a"), client.headers(1, [("x-t", "1")], end=True))
    assert kernel.calls[1:] == [(1, "body", b"a"), (1, "end", [(b"x-t", b"1")])]
    kernel.say(client.headers(3, POST), client.data(3, b"b"), client.reset(3))
    assert kernel.calls[4:] == [(2, "body", b"b"), (2, "lost")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.lists(st.tuples(st.sampled_from((1, 3)), st.sampled_from((0, 1, 900, 5_000, 16_384))), max_size=14),
    declared=st.booleans(),
    cuts=st.lists(st.integers(0, 100_000), max_size=4),
)
def test_what_was_sent_arrives_in_order(make: MAKE, frames: list[tuple[int, int]], declared: bool, cuts: list[int]) -> None:
    talk = Talk(make)
    sent = {1: b"", 3: b""}
    parts: list[bytes] = []
    for number, (stream, size) in enumerate(frames):
        body = bytes([number]) * size
        sent[stream] += body
        parts.append(talk.client.data(stream, body))
    heads = [
        talk.client.headers(n, changed(POST, *([("content-length", str(len(body)))] if declared else [])))
        for n, body in sent.items()
    ]
    data = b"".join([*heads, *parts, *(talk.client.data(n, end=True) for n in sent)])
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for a, b in zip(places, places[1:], strict=False):
        talk.say(data[a:b])
    assert [recorder.body for recorder in talk.requests] == [sent[1], sent[3]]
    assert all(recorder.trailers == [] for recorder in talk.requests)
