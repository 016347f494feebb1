"""Which event loop, how that is said, and that an application does not end it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from appserver.errors import ConfigError, StartupError
from appserver.events import Event
from appserver.worker.loop import choose_loop, report_error, run_in, run_through
from tests.support.clock import ClockLoop
from tests.support.events import EventLog

MADE = object()


@pytest.fixture
def uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = SimpleNamespace(new_event_loop=lambda: MADE, __version__="9.9")
    monkeypatch.setitem(sys.modules, "uvloop", module)


@pytest.fixture
def _no_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)


@pytest.mark.usefixtures("uvloop")
@pytest.mark.parametrize("wish", ["auto", "uvloop"])
def test_uvloop_if_it_is_there(wish: str) -> None:
    factory, name = choose_loop(wish)

    assert factory() is MADE
    assert name == "uvloop 9.9"


@pytest.mark.usefixtures("uvloop")
def test_asyncio_if_it_is_asked_for() -> None:
    assert choose_loop("asyncio") == (asyncio.new_event_loop, "asyncio")


@pytest.mark.usefixtures("_no_uvloop")
@pytest.mark.parametrize("wish", ["auto", "asyncio"])
def test_asyncio_if_there_is_nothing_else(wish: str) -> None:
    assert choose_loop(wish) == (asyncio.new_event_loop, "asyncio")


@pytest.mark.usefixtures("_no_uvloop")
def test_uvloop_that_is_asked_for_and_missing() -> None:
    with pytest.raises(ConfigError, match=r"^server\.loop = uvloop: .*; install it \(pip install uvloop\) or --loop asyncio$"):
        choose_loop("uvloop")


# To the end


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


@pytest.mark.parametrize("number", [3, None])
def test_an_application_that_exits_in_a_task_does_not_end_the_loop(
    loop: ClockLoop, log: EventLog, number: int | None
) -> None:
    went_on: list[bool] = []

    async def exits() -> None:
        raise SystemExit(number)

    async def serve() -> None:
        task = asyncio.ensure_future(exits())
        await asyncio.wait({task})
        task.exception()
        went_on.append(True)

    loop.add_signal_handler(signal.SIGINT, went_on.clear)  # as a worker that serves has one
    run_through(loop, loop.create_task(serve()))
    loop.remove_signal_handler(signal.SIGINT)

    assert went_on == [True]
    assert log.only(Event.APPLICATION_EXIT) == {"code": number}


def test_what_ends_the_worker_ends_the_loop(loop: ClockLoop) -> None:
    async def serve() -> None:
        raise StartupError("no")

    with pytest.raises(StartupError):
        run_through(loop, loop.create_task(serve()))


def test_what_is_left_is_cancelled_and_the_loop_is_closed() -> None:
    loop = asyncio.new_event_loop()
    seen: list[str] = []

    async def rest() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    async def serve() -> None:
        seen.append("served")
        loop.rest = asyncio.ensure_future(rest())  # type: ignore[attr-defined]  # somebody has to keep it
        await asyncio.sleep(0)

    run_in(loop, serve())

    assert seen == ["served", "cancelled"]
    assert loop.is_closed()


# What goes wrong elsewhere


def test_a_fault_in_a_background_task_is_told(loop: ClockLoop, log: EventLog) -> None:
    error = LookupError("in the background")
    report_error(loop, {"message": "Task exception was never retrieved", "exception": error})

    assert log.only(Event.APPLICATION_TASK_FAILED) == {"reason": "Task exception was never retrieved"}
    assert log.error() is error


def test_a_fault_of_our_own_is_told_as_that(loop: ClockLoop, log: EventLog) -> None:
    report_error(loop, {"message": "Fatal error", "exception": LookupError(), "protocol": object()})

    assert log.names == ["INTERNAL_ERROR"]


def test_an_exit_was_told_already(loop: ClockLoop, log: EventLog) -> None:
    report_error(loop, {"message": "Task exception was never retrieved", "exception": SystemExit(3)})

    assert log.names == []
