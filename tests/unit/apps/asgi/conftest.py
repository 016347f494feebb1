"""What the ASGI tests share: a loop without a clock of its own, the log, and an exchange to talk to.

`converse` comes in two builds of the same source: as it was built, with eager tasks where Python has
them, and as plain Python with the tasks of Python 3.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appserver.apps.asgi.exchange import Exchange
from tests.support.asgi import Talk
from tests.support.clock import ClockLoop
from tests.support.events import EventLog
from tests.support.held_jobs import HeldJobs
from tests.support.plain import plain

LATE = plain("appserver.apps.asgi.exchange")
EXCHANGES = {"built": Exchange, "late": LATE.Exchange}


@pytest.fixture
def loop() -> Iterator[ClockLoop]:
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


@pytest.fixture
def log() -> Iterator[EventLog]:
    log = EventLog()
    log.open()
    yield log
    log.shut()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> HeldJobs:
    """The threads for files."""
    return HeldJobs(monkeypatch)


@pytest.fixture(params=EXCHANGES)
def converse(request: pytest.FixtureRequest, loop: ClockLoop) -> Callable[..., Talk]:
    """Begin a conversation; the application runs unless `run=False`."""

    def begin(app: Any = None, *, run: bool = True, **values: Any) -> Talk:
        talk = Talk(loop, EXCHANGES[request.param], app, eager=request.param == "built", **values)
        return talk.run() if run else talk

    return begin
