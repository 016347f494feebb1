"""The wish to stop: from the loop, from another thread, before and after there is a loop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from appserver.worker.stop import SIGNALS, StopRequest
from tests.support.clock import ClockLoop


@pytest.fixture
def loop() -> Iterator[ClockLoop]:
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


def test_the_first_drains_the_second_cuts(loop: ClockLoop) -> None:
    stop = StopRequest()
    stop.bind(loop)
    assert not stop.drain.is_set()

    stop.request("SIGTERM")
    loop.turn()
    assert (stop.drain.is_set(), stop.cut.is_set()) == (True, False)
    stop.request("SIGINT")
    loop.turn()

    assert stop.cut.is_set()
    assert stop.reasons == ["SIGTERM", "SIGINT"]


def test_before_there_is_a_loop(loop: ClockLoop) -> None:
    stop = StopRequest()
    stop.request("asked")
    stop.bind(loop)

    assert stop.drain.is_set()


def test_after_the_loop_has_gone() -> None:
    loop = ClockLoop()
    stop = StopRequest()
    stop.bind(loop)
    loop.close()

    stop.request("asked")

    assert not stop.drain.is_set()


def test_from_another_thread() -> None:
    stop = StopRequest()

    async def serve() -> None:
        stop.bind(asyncio.get_running_loop())
        asker = threading.Thread(target=stop.request, args=("a thread",))
        asker.start()
        async with asyncio.timeout(20):
            await stop.drain.wait()
        asker.join()

    asyncio.run(serve())
    assert stop.reasons == ["a thread"]


def test_a_signal_asks(loop: ClockLoop) -> None:
    stop = StopRequest()
    stop.bind(loop)
    signal.raise_signal(signal.SIGTERM)
    loop.turn()

    assert stop.reasons == ["SIGTERM"]
    assert stop.drain.is_set()


def test_in_another_thread_signals_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    asked: list[str] = []

    def serve() -> None:
        loop = ClockLoop()
        stop = StopRequest()
        stop.bind(loop)
        stop.request("asked")
        loop.turn()
        asked.extend(stop.reasons if stop.drain.is_set() else [])
        loop.wind_up()

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()

    assert asked == ["asked"]
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_is_left_of_the_bound() -> None:
    stop = StopRequest()
    assert stop.left(10.0) == 0

    stop.request("SIGTERM")
    assert 9 < stop.left(10.0) <= 10
    assert stop.left(0.0) == 0
    stop.request("SIGTERM")
    assert stop.left(10.0) == 0
