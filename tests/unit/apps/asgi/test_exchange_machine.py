"""Exchange under any application and any wire: what holds whatever the two do, and in whatever order."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appserver.errors import ApplicationError, ClientDisconnected
from tests.support.asgi import DISCONNECT, Talk, body, hint, informational, start, trailers
from tests.support.clock import ClockLoop
from tests.support.events import EventLog
from tests.unit.apps.asgi.conftest import EXCHANGES

DONE = 4
QUICK = settings(
    max_examples=150, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

PIECES = st.binary(max_size=8)
LENGTHS = st.sampled_from([[], [], [(b"content-length", b"0")], [(b"content-length", b"5")]])
MESSAGES = st.one_of(
    st.builds(start, st.sampled_from([200, 204, 304, 500]), LENGTHS, trailers=st.booleans()),
    st.builds(body, PIECES, more=st.booleans()),
    st.builds(trailers, st.just([(b"a", b"1")]), more=st.booleans()),
    st.builds(hint, st.just(b"</style.css>")),
    st.builds(informational, st.sampled_from([100, 101, 102, 103])),
    st.builds(start, st.just(200), st.just([(b"trailer", b"a")])),
    st.sampled_from([{"type": "http.response.pathsend"}, start(99), start(200, [(b"a", b"\n")]), body("text")]),
)


class Machine(RuleBasedStateMachine):
    """The exchange's two sides, and what they have seen."""

    build: ClassVar[str]

    @initialize(
        method=st.sampled_from(["GET", "HEAD", "POST"]),
        version=st.sampled_from(["1.0", "1.1", "2"]),
        ends=st.booleans(),
        expects=st.booleans(),
        wants=st.booleans(),
        early=st.booleans(),
        opening=st.sampled_from(["", "body", "whole body", "response", "full"]),
    )
    def arrive(
        self, method: str, version: str, ends: bool, expects: bool, wants: bool, early: bool, opening: str
    ) -> None:
        self.log = EventLog()
        self.log.open()
        self.loop = ClockLoop()
        self.talk = Talk(
            self.loop, EXCHANGES[self.build], eager=self.build == "built", method=method, version=version, ends=ends, expects=expects,
            trailers_accepted=wants,
        )
        self.complete = ends
        self.arrived = b""
        self.read = b""
        self.whole = False
        self.left = False
        self.stopped = False
        self.receives: list[asyncio.Task[Any]] = []
        self.sends: list[asyncio.Task[Any]] = []
        if early:
            self.talk.run()
        else:
            self.loop.call_soon(self.talk.exchange.start)
        self.open(opening)

    def open(self, opening: str) -> None:
        """Begin where it becomes interesting."""
        if "body" in opening and not self.complete:
            self.body_arrives(b"early", turned=False)
            if opening == "whole body":
                self.body_ends()
        elif opening in ("response", "full"):
            self.send(start())
            if opening == "full":
                self.fill()
                self.send(body(b"more than there is room for", more=True))

    # The application

    @rule(message=MESSAGES)
    def send(self, message: dict[str, Any]) -> None:
        self.sends.append(self.talk.sending(message))

    @rule()
    def receive(self) -> None:
        self.receives.append(self.talk.receiving())

    @rule(which=st.integers(0, 5), turned=st.booleans())
    def give_up_waiting(self, which: int, turned: bool) -> None:
        waiting = [task for task in self.receives + self.sends if not task.done()]
        if waiting:
            waiting[which % len(waiting)].cancel()
            if turned:
                self.loop.turn()

    @precondition(lambda self: not self.left)
    @rule(error=st.sampled_from([None, ValueError("a fault"), asyncio.CancelledError(), KeyError]))
    def leave(self, error: Any) -> None:
        self.left = True
        self.talk.leave(error() if isinstance(error, type) else error)

    @rule()
    def cut(self) -> None:
        for task in self.talk.host.running:
            task.cancel()
        self.left = self.left or bool(self.talk.host.running)
        self.stopped = self.stopped or bool(self.talk.host.running)
        self.loop.turn()

    # The wire

    @precondition(lambda self: not self.complete and not self.talk.stream.lost)
    @rule(piece=st.binary(min_size=1, max_size=8), turned=st.booleans())
    def body_arrives(self, piece: bytes, turned: bool) -> None:
        self.arrived += piece
        self.talk.arrived += len(piece)
        self.talk.exchange.on_body(piece)
        if turned:
            self.loop.turn()

    @precondition(lambda self: not self.complete and not self.talk.stream.lost)
    @rule()
    def body_ends(self) -> None:
        self.complete = True
        self.talk.on_end([(b"x-sum", b"1")])

    @precondition(lambda self: not self.talk.stream.lost and not self.talk.stream.ended)
    @rule(turned=st.booleans())
    def client_leaves(self, turned: bool) -> None:
        self.talk.stream.lose()
        self.talk.exchange.on_lost()
        if turned:
            self.loop.turn()

    @precondition(lambda self: not self.talk.stream.lost)
    @rule()
    def fill(self) -> None:
        self.talk.stream.full_after = 0

    @precondition(lambda self: not self.talk.stream.lost)
    @rule(really=st.booleans())
    def writable(self, really: bool) -> None:
        if really:
            self.talk.on_writable()
        else:
            self.talk.exchange.on_writable()

    # What holds

    @invariant()
    def a_lost_stream_is_left_alone(self) -> None:
        assert self.talk.stream.late == []

    @invariant()
    def credit_is_given_once(self) -> None:
        assert self.talk.stream.granted <= self.talk.arrived
        if self.over:
            assert self.talk.stream.granted == self.talk.arrived

    @invariant()
    def the_observer_is_told_once(self) -> None:
        assert len(self.talk.watcher.done) == int(self.over)
        if self.over:
            assert self.talk.watcher.done[0][1] == len(self.talk.stream.body)

    @invariant()
    def sends_fail_for_a_reason(self) -> None:
        for task in [task for task in self.sends if task.done()]:
            self.sends.remove(task)
            if task.cancelled() or task.exception() is None:
                continue
            assert isinstance(task.exception(), ApplicationError | ClientDisconnected)
            assert isinstance(task.exception(), ApplicationError) or self.talk.stream.lost or self.stopped

    @invariant()
    def receives_tell_the_truth(self) -> None:
        for task in [task for task in self.receives if task.done()]:
            self.receives.remove(task)
            if task.cancelled():
                continue
            message = task.result()
            if message == DISCONNECT:
                assert self.over
                continue
            assert not self.whole
            self.read += message["body"]
            assert self.arrived.startswith(self.read)
            self.whole = not message["more_body"]
            assert not self.whole or (self.complete and self.read == self.arrived)

    @property
    def over(self) -> bool:
        return bool(self.talk.exchange.phase >= DONE)

    def teardown(self) -> None:
        if not hasattr(self, "talk"):
            return
        try:
            self.loop.turn()
            if not self.left:
                self.talk.leave()
            self.everybody_got_an_answer()
        finally:
            self.log.shut()
            self.loop.wind_up()
        assert self.loop.complaints == []

    def everybody_got_an_answer(self) -> None:
        assert self.over
        assert not self.talk.host.running
        assert [task for task in self.receives + self.sends if not task.done()] == []
        assert self.talk.stream.lost or self.talk.stream.ended
        self.credit_is_given_once()
        self.the_observer_is_told_once()
        self.receives_tell_the_truth()
        self.sends_fail_for_a_reason()
        assert len(self.log.records) <= 1


class Built(Machine):
    build = "built"


class Late(Machine):
    build = "late"


TestBuilt = Built.TestCase
TestLate = Late.TestCase
TestBuilt.settings = TestLate.settings = QUICK
