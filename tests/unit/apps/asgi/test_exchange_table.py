"""Exchange, `receive` as a table: what it gives in each state, whatever happens then; a disconnect, and nothing after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.asgi import DISCONNECT, Talk, body, http_request, start
from tests.support.events import EventLog

Converse = Callable[..., Talk]
Act = Callable[[Talk], Any]
WAITS: dict[str, Any] = {}

# How a test gets into each state of the table, from a POST whose application runs.
STATES: dict[str, tuple[Act, ...]] = {
    "nothing came": (),
    "a piece came": (lambda talk: talk.on_body(b"x"),),
    "the body came": (lambda talk: talk.on_body(b"x"), lambda talk: talk.on_end()),
    "the body was read": (lambda talk: talk.on_end(), lambda talk: talk.receive()),
    "half closed": (lambda talk: talk.on_end(), lambda talk: talk.receive(), lambda talk: talk.on_half_closed()),
    "answered": (lambda talk: talk.on_end(), lambda talk: talk.send(start()), lambda talk: talk.send(body())),
    "answered early": (lambda talk: talk.send(start()), lambda talk: talk.send(body())),
    "lost": (lambda talk: talk.on_body(b"x"), lambda talk: talk.on_lost()),
    "refused": (lambda talk: talk.on_body(b"x"), lambda talk: talk.on_refused(413, 4)),
}
GIVES: dict[str, dict[str, Any]] = {
    "nothing came": WAITS,
    "a piece came": http_request(b"x", more=True),
    "the body came": http_request(b"x"),
    "the body was read": WAITS,
    "half closed": DISCONNECT,
    "answered": DISCONNECT,
    "answered early": DISCONNECT,
    "lost": DISCONNECT,
    "refused": DISCONNECT,
}
# What a receive that waits is given when something happens.
EVENTS: dict[str, tuple[Act, dict[str, dict[str, Any]]]] = {
    "a piece": (lambda talk: talk.on_body(b"y"), {"nothing came": http_request(b"y", more=True)}),
    "the end": (lambda talk: talk.on_end(), {"nothing came": http_request()}),
    "the answer": (lambda talk: [talk.send(start()), talk.send(body())], {"nothing came": DISCONNECT, "the body was read": DISCONNECT}),
    "the loss": (lambda talk: talk.on_lost(), {"nothing came": DISCONNECT, "the body was read": DISCONNECT}),
    "a refusal": (lambda talk: talk.on_refused(503, 4), {"nothing came": DISCONNECT, "the body was read": DISCONNECT}),
    "a half close": (lambda talk: talk.on_half_closed(), {"the body was read": DISCONNECT}),
}


def enter(converse: Converse, state: str) -> Talk:
    talk = converse(method="POST", ends=False)
    for act in STATES[state]:
        act(talk)
    return talk


@pytest.mark.parametrize("state", STATES)
def test_what_a_call_gives(converse: Converse, state: str) -> None:
    talk = enter(converse, state)
    task = talk.receiving()

    assert task.done() == (GIVES[state] is not WAITS)
    if task.done():
        assert task.result() == GIVES[state]


@pytest.mark.parametrize(
    ("state", "event"), [(state, event) for event, (_, gives) in EVENTS.items() for state in gives]
)
def test_what_a_waiting_call_is_given(converse: Converse, state: str, event: str) -> None:
    talk = enter(converse, state)
    task = talk.receiving()
    act, gives = EVENTS[event]
    assert not task.done()

    act(talk)

    assert task.done()
    assert task.result() == gives[state]


@pytest.mark.parametrize("state", [state for state, gives in GIVES.items() if gives == DISCONNECT])
def test_after_a_disconnect_there_is_nothing_else(converse: Converse, log: EventLog, state: str) -> None:
    talk = enter(converse, state)
    assert [talk.receive() for _ in range(3)] == [DISCONNECT] * 3

    if not talk.stream.lost and state != "half closed":
        # What is left of an upload that was answered early: credit, and no message.
        talk.on_body(b"late")
        assert talk.stream.granted == talk.arrived

    assert talk.receive() == DISCONNECT
    talk.leave()
    assert talk.receive() == DISCONNECT


@pytest.mark.parametrize("event", ["the answer", "the loss", "a refusal"])
def test_each_waiting_call_is_given_one_disconnect(converse: Converse, event: str) -> None:
    talk = enter(converse, "the body was read")
    tasks = [talk.receiving() for _ in range(3)]

    EVENTS[event][0](talk)

    assert [task.result() for task in tasks] == [DISCONNECT] * 3
