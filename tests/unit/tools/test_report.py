"""What the demo says, and the exit code it ends with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from tools.demo.__main__ import attempt
from tools.demo.report import Outcome, Report
from tools.demo.rows import Disproved, Row, demand
from tools.demo.stack import Stack

HELD = Outcome("it holds", "as claimed", True, 0.1)
FAILED = Outcome("it fails", "something else", False, 0.1)
NOWHERE = Path("logs")
NO_STACK = cast(Stack, None)


def report(backend: str, *outcomes: Outcome) -> Report:
    told = Report(backend)
    for outcome in outcomes:
        told.add(outcome)
    return told


def test_all_rows_hold() -> None:
    assert report("appserver", HELD, HELD).exit_code(NOWHERE) == 0


def test_a_failed_row_is_named_and_fails_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("appserver", HELD, FAILED).exit_code(NOWHERE) == 1
    assert "1 of 2 rows failed: it fails. Logs: logs" in capsys.readouterr().err


def test_a_failed_row_of_the_control_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("hypercorn", HELD, FAILED).exit_code(NOWHERE) == 0
    assert "hypercorn, the control, holds 1 of 2 rows. Its own: it fails." in capsys.readouterr().out


def test_the_table_shows_what_was_observed(capsys: pytest.CaptureFixture[str]) -> None:
    told = report("appserver", HELD, FAILED)
    capsys.readouterr()
    told.table()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["ok", "it", "holds", "as", "claimed"]
    assert lines[3].split() == ["FAIL", "it", "fails", "something", "else"]


@pytest.mark.parametrize(
    ("error", "observed"),
    [
        (Disproved("client 10.0.0.1"), "client 10.0.0.1"),
        (TimeoutError(), "no end after 60 s"),
        (ConnectionResetError("gone"), "ConnectionResetError: gone"),
        (KeyError("size"), "KeyError: 'size'"),
    ],
)
def test_whatever_goes_wrong_in_a_row_is_its_outcome(error: Exception, observed: str) -> None:
    async def prove(stack: Stack) -> str:
        raise error

    outcome = asyncio.run(attempt(Row("a claim", prove), NO_STACK))
    assert (outcome.claim, outcome.holds, outcome.observed) == ("a claim", False, observed)


def test_demand_tells_the_same_whether_it_holds_or_not() -> None:
    assert demand(True, "seen") == "seen"
    with pytest.raises(Disproved, match=r"^seen$"):
        demand(False, "seen")
