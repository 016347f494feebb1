"""What the worker asks of an application that is no more than the contract's: its life from startup to shutdown."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from appserver.config.options import Config, TimeoutOptions
from appserver.contract import Application, Receiver, Request, Stream
from appserver.h2 import load_engine
from appserver.http.answer import AnswerContext
from appserver.worker.connections import Connections
from appserver.worker.pulse import NoPulse
from appserver.worker.stop import StopRequest
from appserver.worker.worker import Worker
from tests.support.clock import ClockLoop


class Life(Application):
    """Writes down what it is asked; busy until it is told otherwise, or cancelled."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.idle = asyncio.Event()

    def begin(self, request: Request, stream: Stream) -> Receiver:
        raise AssertionError("no request was sent")

    def tick(self) -> None:
        self.calls.append("tick")

    async def startup(self) -> None:
        self.calls.append("startup")

    async def shutdown(self) -> None:
        self.calls.append("shutdown")

    def busy(self) -> int:
        return not self.idle.is_set()

    async def wait_idle(self) -> None:
        self.calls.append("wait_idle")
        await self.idle.wait()

    async def cancel(self) -> None:
        self.calls.append("cancel")


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClockLoop]:
    monkeypatch.setattr(gc, "freeze", lambda: None)
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


def serve(loop: ClockLoop) -> tuple[Life, StopRequest, asyncio.Task[None]]:
    life, stop, answers = Life(), StopRequest(), AnswerContext()
    config = Config(timeout=TimeoutOptions(graceful=10.0))
    connections = Connections(config, loop, load_engine("pure")[0], life, answers)
    worker = Worker(config.server, config.timeout, life, answers, connections, [], NoPulse(), stop)
    serving = loop.create_task(worker.serve(0.0))
    loop.turn()
    return life, stop, serving


def test_it_is_ticked_once_a_second(loop: ClockLoop) -> None:
    life, stop, _ = serve(loop)
    for seconds in range(1, 4):
        loop.advance(1.1)
        assert life.calls.count("tick") == seconds + 1
    life.idle.set()
    stop.request("test")
    loop.turn()


def test_what_is_busy_has_the_bound_and_is_cancelled_then(loop: ClockLoop) -> None:
    life, stop, serving = serve(loop)
    stop.request("test")
    loop.turn(24)
    loop.advance(9.0)
    assert [call for call in life.calls if call != "tick"] == ["startup", "wait_idle"]
    loop.advance(1.1)
    loop.turn(24)
    assert [call for call in life.calls if call != "tick"] == ["startup", "wait_idle", "cancel", "shutdown"]
    assert serving.done()


def test_what_is_idle_is_not_cancelled(loop: ClockLoop) -> None:
    life, stop, serving = serve(loop)
    life.idle.set()
    stop.request("test")
    loop.turn(48)
    assert [call for call in life.calls if call != "tick"] == ["startup", "wait_idle", "shutdown"]
    assert serving.done()
