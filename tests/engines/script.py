"""A random conversation: moves drawn by hypothesis, encoded once, and where the bytes are cut into reads."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from tests.engines.messages import CASES
from tests.support.frames import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PADDED,
    POST,
    PRIORITY_UPDATE,
    Client,
    changed,
    frame,
)

__all__ = ["Move", "Script", "scripts"]

Move = tuple[object, ...]

# What `player` does with a request.
BEHAVIOURS = ("now", "end", "echo", "big", "slow", "abort", "early", "refuse", "busy", "hint")


@dataclass
class Script:
    """What a client says, in which reads."""

    moves: list[Move]
    cuts: list[int]
    settings: dict[int, int]

    def reads(self) -> list[bytes]:
        """The moves as bytes, cut where the script says, but never inside DATA: the kernel passes on parts of it."""
        data = self._encode().data
        spans = list(_data_frames(data))
        places = {0, len(data)}
        for cut in self.cuts:
            place = cut % (len(data) + 1)
            places.add(next((end for start, end in spans if start < place < end), place))
        ordered = sorted(places)
        return [data[a:b] for a, b in pairwise(ordered)]

    def has(self, name: str) -> bool:
        """Tell whether a move of this name was made; "late" is a frame on a stream the client had ended."""
        return any(move[0] == name for move in self.moves) or (name == "late" and self._encode().late)

    @property
    def given_up(self) -> set[int]:
        """The streams that the client reset or broke, perhaps before it was told of their answer."""
        return self._encode().given_up

    def _encode(self) -> _Encoder:
        encoder = _Encoder()
        for name, *arguments in self.moves:
            write: Callable[..., bytes] = getattr(encoder, str(name))
            encoder.data += write(*arguments)
        return encoder


def _data_frames(data: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at + 9 <= len(data):
        end = at + 9 + int.from_bytes(data[at : at + 3], "big")
        if data[at + 3] == DATA:
            yield at, end
        at = end


class _Encoder:
    """Turns moves into bytes; `streams` are the ids that were used, `ended` those with END_STREAM or a reset."""

    def __init__(self) -> None:
        self.client = Client()
        self.streams: list[int] = []
        self.ended: set[int] = set()
        self.late = False
        self.given_up: set[int] = set()
        # A connection window that never holds an answer up.
        self.data = self.client.window(0, 1_000_000_000)

    def end(self, stream: int, end: bool) -> int:
        """Note a frame of a stream, and whether it is the last."""
        self.late = self.late or stream in self.ended
        if end:
            self.ended.add(stream)
        return stream

    def stream(self, n: int) -> int:
        """The nth last stream that has not ended (3: that has), or the first that will be."""
        streams = [stream for stream in self.streams if n == 3 or stream not in self.ended] or self.streams
        return streams[-1 - n % len(streams)] if streams else 1

    def new(self, skip: int = 0) -> int:
        self.streams.append((self.streams[-1] + 2 if self.streams else 1) + 2 * skip)
        return self.streams[-1]

    def request(self, behaviour: str, end: bool, length: int, shape: int, skip: int) -> bytes:
        more = [("content-length", str(length))] if length >= 0 else []
        if shape % 5 == 4:
            more.append(("priority", f"u={skip}, i" if skip else "u=6"))
        fields = changed(POST, *more, ("cookie", "a=1"), ("cookie", "b=2"), path=f"/{behaviour}/x")
        extras: Sequence[dict[str, object]] = ({}, {"pad": 7}, {"priority": (0, 3)}, {"parts": 3}, {"parts": 9})
        return self.client.headers(self.end(self.new(skip), end), fields, end=end, **extras[shape % 5])  # type: ignore[arg-type] # a table

    def head(self, case: int, end: bool) -> bytes:
        return self.client.headers(self.end(self.new(), end), CASES[case % len(CASES)].fields, end=end)

    def body(self, n: int, size: int, end: bool, pad: int) -> bytes:
        return self.client.data(self.end(self.stream(n), end), bytes(size), end=end, pad=None if pad < 0 else pad)

    def trailers(self, n: int, bad: int, end: bool) -> bytes:
        trailers = (("x-t", "1"), ("host", "x"), (":path", "/"), ("content-length", "3"), ("X", "1"))
        return self.client.headers(self.end(self.stream(n), end), [trailers[bad % 5]], end=end)

    def reset(self, n: int) -> bytes:
        stream = self.stream(n)
        self.given_up.add(stream)
        self.ended.add(stream)
        return self.client.reset(stream, CANCEL)

    def window(self, n: int, size: int) -> bytes:
        return self.client.window(self.stream(n), size)

    def overflow(self, n: int) -> bytes:
        self.given_up.add(self.stream(n))
        return self.client.window(self.stream(n), 2**31 - 1)

    def settings(self, window: int, frame_size: int) -> bytes:
        return self.client.settings({INITIAL_WINDOW_SIZE: window, MAX_FRAME_SIZE: frame_size})

    def quiet(self, n: int) -> bytes:
        stream = self.stream(n)
        return (
            self.client.ping(),
            self.client.priority(stream, stream + 2),
            self.client.priority(stream + 200),
            frame(0xFA, 0xFF, stream, b"what"),
            self.client.priority_update(stream, b"u=1"),
            self.client.settings({}),
            self.client.window(0, 10),
            self.client.pong(),
            self.client.priority_update(stream + 2, b"u=0, i"),
            self.client.priority_update(stream, b"u="),
        )[n % 10]

    def dependent(self, n: int) -> bytes:
        return self.client.priority(self.stream(n), self.stream(n))

    def goaway(self) -> bytes:
        return self.client.goaway()

    def broken(self, n: int) -> bytes:
        stream = self.stream(n)
        idle = (self.streams[-1] if self.streams else 1) + 2
        return (
            self.client.window(0, 0),
            frame(HEADERS, END_HEADERS, idle, b"\x80"),
            frame(HEADERS, END_HEADERS | PADDED, idle, b"\x09\x82"),
            frame(CONTINUATION, END_HEADERS, stream, b"\x82"),
            self.client.data(idle, b"x"),
            self.client.reset(idle),
            self.client.raw_headers(2, b"\x82", end=True),
            frame(0xFA, 0, 0, b"", 20_000),
            frame(HEADERS, 0, idle, b"\x82") + self.client.ping(),
            frame(HEADERS, 0, idle, b"\x82") + frame(CONTINUATION, 0, idle) * 9,
            frame(0x6, 0, 0, bytes(7)),
            self.client.settings({INITIAL_WINDOW_SIZE: 2**31}),
            frame(PRIORITY_UPDATE, 0, stream, struct.pack(">L", stream) + b"u=1"),
            self.client.priority_update(2, b"u=1"),
            frame(PRIORITY_UPDATE, 0, 0, bytes(3)),
            frame(DATA, PADDED, stream),
        )[n % 16]


# What is drawn

_few = st.sampled_from((0, 0, 0, 1, 1, 2, 2, 3))
_move = st.one_of(
    st.tuples(st.just("request"), st.sampled_from(BEHAVIOURS), st.booleans(), st.sampled_from((-1, -1, 0, 5, 70_000)),
              st.integers(0, 4), st.sampled_from((0, 0, 0, 1))),
    st.tuples(st.just("request"), st.sampled_from(BEHAVIOURS), st.just(False), st.just(-1), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("body"), _few, st.sampled_from((0, 1, 5, 5, 16_000)), st.booleans(), st.sampled_from((-1, -1, 0, 99))),
    st.tuples(st.just("body"), st.just(0), st.sampled_from((1, 5, 16_000)), st.booleans(), st.just(-1)),
    st.tuples(st.just("trailers"), _few, st.sampled_from((0, 0, 0, 1, 2, 3, 4)), st.sampled_from((True, True, False))),
    st.tuples(st.just("head"), st.integers(0, 10_000), st.booleans()),
    st.tuples(st.just("reset"), _few),
    st.tuples(st.just("window"), _few, st.sampled_from((1, 100, 100_000))),
    st.tuples(st.just("settings"), st.sampled_from((0, 7, 65_535, 1_000_000)), st.sampled_from((16_384, 60_000))),
    st.tuples(st.just("quiet"), st.integers(0, 9)),
)
_rare = st.one_of(
    st.tuples(st.just("broken"), st.integers(0, 15)),
    st.tuples(st.just("overflow"), _few),
    st.tuples(st.just("dependent"), _few),
)
_moves: st.SearchStrategy[list[Move]] = st.lists(_move, min_size=1, max_size=14)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Draw a script: mostly sound moves, and now and then one that breaks something."""
    moves = list(draw(_moves))
    if draw(st.integers(0, 3)) == 0:
        moves.insert(draw(st.integers(0, len(moves))), draw(_rare))
    if draw(st.integers(0, 9)) == 0:
        moves.append(("goaway",))
    cuts = draw(st.lists(st.integers(0, 2**20), max_size=12))
    settings = draw(st.sampled_from(({}, {INITIAL_WINDOW_SIZE: 0}, {INITIAL_WINDOW_SIZE: 100_000})))
    return Script(moves, cuts, dict(settings))
