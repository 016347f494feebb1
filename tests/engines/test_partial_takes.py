"""Whatever happens between two takes of a few bytes: both engines stay HTTP/2, agree, and return.

The machine plays one client and one application to both engines. Takes are partial and differ between the two, so what
is compared is what they tell the application and, for exchanges that nobody broke off, the whole answer.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appserver.contract import Receiver, Request, Stream
from tests.engines.conftest import load
from tests.engines.talk import MAKE, Recorder, Talk
from tests.support.frames import (
    CANCEL,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    MAX_FRAME_SIZE,
    POST,
    Client,
    Text,
    changed,
)
from tests.support.strict import StrictReader

SIZES = st.sampled_from((0, 1, 9, 1_000, 16_384, 20_000, 70_000, 300_000))
TAKES = st.sampled_from((1, 10, 5_000, 17_000, 60_000, 300_000))
NTH = st.integers(0, 5)
DISCARD = 40_000


class Side(Talk):
    """One engine, its application's notes and the client's reader."""

    def __post_init__(self) -> None:
        self.greet = False
        self.discard = DISCARD
        super().__post_init__()
        self.reader = StrictReader()
        self.by_stream: dict[int, Recorder] = {}
        self.next_stream = 0

    def begin(self, request: Request, stream: Stream) -> Receiver | None:
        receiver = super().begin(request, stream)
        self.by_stream[self.next_stream] = self.requests[-1]
        return receiver

    def note(self, recorder: Recorder, call: str, *what: Any) -> None:
        if call == "writable":
            assert recorder.stream.writable

    def pull(self, max_bytes: int) -> int:
        data = self.take(max_bytes)
        assert len(data) <= max_bytes + 70_000, "a take of more than was asked for"
        self.reader.read(data)
        return len(data)


class PartialTakes(RuleBasedStateMachine):
    """`self.sides` are the engines; a rule is one thing that client, application or clock does to both."""

    def __init__(self) -> None:
        super().__init__()
        self.client = Client()
        self.sides = [Side(load(name), limits={"body": 60_000}) for name in ("pure", "kernel")]
        self.streams: list[int] = []
        self.open_halves: set[int] = set()
        self.broken: set[int] = set()
        self.starved: set[int] = set()
        self.now = 1_000.0
        self.over = False

    def say(self, data: bytes) -> None:
        for side in self.sides:
            side.say(data)

    def readers(self) -> list[StrictReader]:
        return [side.reader for side in self.sides]

    def stream(self, n: int) -> int:
        return self.streams[-1 - n % len(self.streams)]

    def uploading(self, n: int) -> int:
        halves = sorted(self.open_halves)
        return halves[-1 - n % len(halves)]

    def apply(self, n: int, call: str, *arguments: Any) -> None:
        for side in self.sides:
            recorder = side.by_stream.get(self.stream(n))
            if recorder is not None:
                getattr(recorder.stream, call)(*arguments)

    @initialize(window=st.sampled_from((65_535, 5, 1_000_000)), connection=st.sampled_from((0, 5_000_000)))
    def greet(self, window: int, connection: int) -> None:
        for side in self.sides:
            while side.pull(10_000):
                pass
        self.say(self.client.greet({INITIAL_WINDOW_SIZE: window}))
        for reader in self.readers():
            reader.set(window, 16_384)
        if connection:
            self.window(0, connection, True)

    # The client

    @rule(
        end=st.booleans(), length=st.sampled_from((-1, -1, 0, 5, 16_000)), many=st.integers(1, 3),
        priority=st.sampled_from(("", "", "u=0", "u=1, i", "u=7", "i", "u=,")),
    )
    @precondition(lambda self: not self.over and len(self.streams) < 30)
    def request(self, end: bool, length: int, many: int, priority: str) -> None:
        for _ in range(many):
            stream = self.streams[-1] + 2 if self.streams else 1
            more: list[tuple[Text, Text]] = [("content-length", str(length))] if length > 0 and not end else []
            more += [("priority", priority)] if priority else []
            data = self.client.headers(stream, changed(POST, *more, path=f"/{stream}"), end=end)
            for side in self.sides:
                side.next_stream = stream
                side.reader.opened(stream)
                if end:
                    side.reader.ended(stream)
            self.streams.append(stream)
            if not end:
                self.open_halves.add(stream)
            self.say(data)

    @rule(n=NTH, size=st.sampled_from((0, 1, 5, 4_000, 16_000)), end=st.booleans())
    @precondition(lambda self: not self.over and self.open_halves)
    def body(self, n: int, size: int, end: bool) -> None:
        stream = self.uploading(n)
        size = max(0, min(size, *(reader.upload(stream) for reader in self.readers())))
        for reader in self.readers():
            reader.uploaded(stream, size)
        if end:
            self.end_half(stream)
        self.say(self.client.data(stream, bytes(size), end=end))

    @rule(n=NTH)
    @precondition(lambda self: not self.over and self.open_halves)
    def trailers(self, n: int) -> None:
        stream = self.uploading(n)
        self.end_half(stream)
        self.say(self.client.headers(stream, [("x-t", "1")], end=True))

    def end_half(self, stream: int) -> None:
        self.open_halves.discard(stream)
        for reader in self.readers():
            reader.ended(stream)

    @rule(n=NTH)
    @precondition(lambda self: not self.over and self.streams)
    def client_reset(self, n: int) -> None:
        stream = self.stream(n)
        self.broken.add(stream)
        self.open_halves.discard(stream)
        self.say(self.client.reset(stream, CANCEL))
        for reader in self.readers():
            reader.gone(stream)

    @rule(n=NTH, size=st.sampled_from((1, 100, 16_384, 400_000)), connection=st.booleans())
    @precondition(lambda self: not self.over and self.streams)
    def window(self, n: int, size: int, connection: bool) -> None:
        stream = 0 if connection else self.stream(n)
        self.say(self.client.window(stream, size))
        for reader in self.readers():
            reader.opened_window(stream, size)

    @rule(window=st.sampled_from((0, 7, 65_535, 1_000_000)), frame_size=st.sampled_from((16_384, 60_000)))
    @precondition(lambda self: not self.over)
    def client_settings(self, window: int, frame_size: int) -> None:
        self.say(self.client.settings({INITIAL_WINDOW_SIZE: window, MAX_FRAME_SIZE: frame_size}))
        for reader in self.readers():
            reader.set(window, frame_size)

    @rule(n=st.integers(-2, 5), value=st.sampled_from((b"u=0", b"u=1, i", b"u=6", b"i", b"", b"u=,")), old=st.booleans())
    @precondition(lambda self: not self.over and self.streams)
    def reprioritize(self, n: int, value: bytes, old: bool) -> None:
        # A negative one is idle.
        stream = self.streams[-1] - 2 * n if n < 0 else self.stream(n)
        self.say(self.client.priority(stream, 0, n & 3) if old else self.client.priority_update(stream, value))

    @rule(ping=st.booleans())
    @precondition(lambda self: not self.over)
    def quiet(self, ping: bool) -> None:
        self.say(self.client.ping() if ping else self.client.pong())

    # The application

    @rule(n=NTH, urgency=st.integers(-1, 7), incremental=st.integers(-1, 1))
    @precondition(lambda self: self.streams)
    def prioritize(self, n: int, urgency: int, incremental: int) -> None:
        self.apply(n, "prioritize", urgency, incremental)

    @rule(n=NTH, end=st.booleans())
    @precondition(lambda self: self.streams)
    def respond(self, n: int, end: bool) -> None:
        self.apply(n, "respond", 200, [(b"x-long", b"v" * 300)], end)

    @rule(n=NTH)
    @precondition(lambda self: self.streams)
    def respond_grpc(self, n: int) -> None:
        self.apply(n, "respond", 200, [(b"content-type", b"application/grpc")], False)

    @rule(n=NTH)
    @precondition(lambda self: self.streams)
    def inform(self, n: int) -> None:
        self.apply(n, "inform", 103, [(b"link", b"</a>")])

    @rule(n=NTH, size=SIZES, end=st.booleans())
    @precondition(lambda self: self.streams)
    def write(self, n: int, size: int, end: bool) -> None:
        self.apply(n, "write", bytes(size), end)

    @rule(n=NTH, count=st.integers(2, 3_000))
    @precondition(lambda self: self.streams)
    def write_bytes(self, n: int, count: int) -> None:
        for number in range(count):
            self.apply(n, "write", b"%c" % (number % 251), False)

    @rule(n=NTH, some=st.booleans())
    @precondition(lambda self: self.streams)
    def finish(self, n: int, some: bool) -> None:
        self.apply(n, "finish", [(b"grpc-status", b"0")] if some else [])

    @rule(n=NTH, size=st.sampled_from((1, 5_000, 10**9)))
    @precondition(lambda self: self.streams)
    def grant(self, n: int, size: int) -> None:
        self.apply(n, "grant", size)

    @rule(n=NTH)
    @precondition(lambda self: self.streams)
    def reset(self, n: int) -> None:
        self.broken.add(self.stream(n))
        self.apply(n, "reset", INTERNAL_ERROR)

    # The transport, the clock, the worker

    @rule(sizes=st.tuples(TAKES, TAKES))
    def take(self, sizes: tuple[int, int]) -> None:
        for side, size in zip(self.sides, sizes, strict=True):
            side.pull(size)

    @rule(seconds=st.sampled_from((1.0, 6.0, 40.0)))
    def expire(self, seconds: float) -> None:
        # What has moved by now depends on the takes: they must have been the same.
        self.settle()
        self.starved.update(stream for stream in self.streams if self.starves(stream))
        for _ in range(2):
            self.now += seconds
            for side in self.sides:
                side.engine.expire(self.now, 30.0, 5.0)
            self.settle()

    @rule(second=st.booleans())
    @precondition(lambda self: not self.over)
    def drain(self, second: bool) -> None:
        for side in self.sides:
            side.engine.shutdown_notice()
            if second:
                side.engine.goaway()
        self.over = self.over or second

    @rule(lost=st.booleans())
    @precondition(lambda self: len(self.streams) > 6)
    def cut(self, lost: bool) -> None:
        for side in self.sides:
            if lost:
                side.engine.lose()
            else:
                side.engine.terminate(CANCEL)
            assert side.engine.inflight == 0
        assert self.notes(0) == self.notes(1), "told of the end at different moments"
        self.over = True
        self.broken.update(self.streams)

    def starves(self, stream: int) -> bool:
        """Where a window is shut, or shrank, one engine may have sent more before than the other."""
        return any(min(reader.window(0), reader.window(stream)) <= 0 for reader in self.readers())

    def settle(self) -> None:
        for side in self.sides:
            for _ in range(10_000):
                if not side.pull(100_000):
                    break
            else:
                raise AssertionError("a take that never ends")

    def notes(self, which: int) -> dict[int, tuple[Any, ...]]:
        side = self.sides[which]
        return {n: (bytes(one.body), one.trailers, one.lost) for n, one in side.by_stream.items()}

    @invariant()
    def the_same_requests_were_begun(self) -> None:
        assert list(self.sides[0].by_stream) == list(self.sides[1].by_stream)

    def teardown(self) -> None:
        self.settle()
        pure, kernel = self.sides
        assert self.notes(0) == self.notes(1)
        for stream, ours in pure.reader.answers.items():
            theirs = kernel.reader.answers[stream]
            if stream in self.broken or ours.reset > 0:
                assert theirs.reset == ours.reset or stream in self.broken, f"stream {stream}"
                continue
            assert (theirs.interim, theirs.head) == (ours.interim, ours.head), f"stream {stream}"
            # Where a window shrank, one may have sent more by then.
            size = min(len(theirs.body), len(ours.body))
            assert theirs.body[:size] == ours.body[:size], f"stream {stream}"
            if stream not in self.starved and not self.starves(stream):
                assert len(theirs.body) == len(ours.body), f"stream {stream}"
                assert (theirs.trailers, theirs.end, theirs.reset) == (ours.trailers, ours.end, ours.reset), f"stream {stream}"
        for side in self.sides:
            side.reader.finish()
            side.engine.lose()
            assert side.engine.inflight == 0
            assert side.engine.queued == 0


@pytest.fixture(scope="module", autouse=True)
def _both_engines(kernel_engine: MAKE) -> None:
    load("pure")


TestPartialTakes = PartialTakes.TestCase
TestPartialTakes.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
