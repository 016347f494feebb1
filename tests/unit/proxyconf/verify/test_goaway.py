"""GOAWAY frames are taken out of a stream of frames, wherever it is cut."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from proxyconf.verify.goaway import PREFACE, GoawayFilter


def frame(kind: int, payload: bytes, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload


DATA, PING = frame(0, b"hello"), frame(6, bytes(8), 0)
GOAWAY = frame(7, struct.pack("!II", 41, 2) + b"why", 0)


@given(st.lists(st.integers(1, 30), max_size=12), st.booleans())
def test_everything_else_goes_through_however_it_is_cut(sizes: list[int], is_server: bool) -> None:
    preface = b"p" * PREFACE if is_server else b""
    data, kept = preface + DATA + GOAWAY + PING + GOAWAY + DATA, preface + DATA + PING + DATA
    taken, through = GoawayFilter(after=len(preface)), b""
    for size in [*sizes, len(data)]:
        through += taken.feed(data[:size])
        data = data[size:]
    assert through == kept
    assert (taken.code, taken.last_stream) == (2, 41)


def test_without_one_nothing_is_known() -> None:
    taken = GoawayFilter()
    assert taken.feed(DATA + PING[:-1]) == DATA
    assert (taken.code, taken.last_stream) == (None, 2**31 - 1)
