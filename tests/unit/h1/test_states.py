"""The table of states: what it allows, and that its drawing says the same."""

from __future__ import annotations

import re

import pytest

from appserver.h1 import states
from appserver.h1.states import EVENTS, MOVES, NAMES, STATES, move


def test_each_move_of_the_table_is_made() -> None:
    made = {(state, event): move(state, event) for state, row in MOVES.items() for event in row}
    assert made == {(state, event): following for state, row in MOVES.items() for event, following in row.items()}
    assert sorted(MOVES) == sorted(STATES) == list(range(len(NAMES)))


def test_any_other_is_our_own_mistake() -> None:
    for state in STATES:
        for event in EVENTS:
            if event not in MOVES[state]:
                with pytest.raises(AssertionError, match=NAMES[state]):
                    move(state, event)


def test_whatever_happens_a_connection_can_close_and_be_gone() -> None:
    for state in STATES:
        assert move(state, states.CLOSES) in (states.CLOSING, states.CLOSED)
        assert move(state, states.GONE) == states.CLOSED


def test_the_drawing_names_every_state() -> None:
    assert states.__doc__ is not None
    assert set(re.findall(r"\b[A-Z]{4,}\b(?!/)", states.__doc__)) == set(NAMES)
