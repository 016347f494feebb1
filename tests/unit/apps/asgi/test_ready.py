"""Awaitables that are already done: good in every place where Python or a framework takes a coroutine."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from types import ModuleType
from typing import Any

import pytest

import appserver.apps.asgi.ready
from tests.support.clock import ClockLoop
from tests.support.plain import plain

MODULES = {"built": appserver.apps.asgi.ready, "plain": plain("appserver.apps.asgi.ready")}
WAYS: dict[str, Callable[[Any], Any]] = {
    "await": lambda ready: ready,
    "create_task": lambda ready: asyncio.create_task(ready),
    "ensure_future": asyncio.ensure_future,
    "wait_for": lambda ready: asyncio.wait_for(ready, 5),
    "shield": asyncio.shield,
    "gather": lambda ready: first(asyncio.gather(ready)),
    "TaskGroup": lambda ready: grouped(ready),
    "run_coroutine_threadsafe": lambda ready: asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(ready, asyncio.get_running_loop())
    ),
    "yield from": lambda ready: Delegating(ready),
}


async def first(awaitable: Awaitable[Any]) -> Any:
    return (await awaitable)[0]


async def grouped(ready: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(ready)
    return task.result()


class Delegating:
    def __init__(self, ready: Any) -> None:
        self.ready = ready

    def __await__(self) -> Any:
        return (yield from self.ready.__await__())


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return MODULES[request.param]


async def awaited(way: str, ready: Any) -> Any:
    return await WAYS[way](ready)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [{"type": "http.disconnect"}, None, (1, 2), ValueError("a value"), StopIteration(1)])
def test_ready_gives_its_value(module: ModuleType, loop: ClockLoop, way: str, value: object) -> None:
    assert loop.finish(awaited(way, module.Ready(value))) is value


@pytest.mark.parametrize("way", WAYS)
def test_done_gives_nothing(module: ModuleType, loop: ClockLoop, way: str) -> None:
    assert loop.finish(awaited(way, module.DONE_AWAITABLE)) is None


def test_they_may_be_awaited_again(module: ModuleType, loop: ClockLoop) -> None:
    ready = module.Ready("value")

    async def twice() -> list[Any]:
        return [await ready, await ready, await module.DONE_AWAITABLE, await module.DONE_AWAITABLE]

    assert loop.finish(twice()) == ["value", "value", None, None]


def test_they_are_coroutines_to_asyncio(module: ModuleType) -> None:
    for awaitable in (module.Ready(1), module.DONE_AWAITABLE):
        assert asyncio.iscoroutine(awaitable)
        assert isinstance(awaitable, Coroutine)
        assert inspect.isawaitable(awaitable)


def test_they_need_not_be_awaited(module: ModuleType) -> None:
    module.Ready(1).close()
    module.DONE_AWAITABLE.close()


@pytest.mark.parametrize("thrown", [(LookupError,), (LookupError, LookupError("why")), (LookupError("why"),)])
def test_what_is_thrown_in_comes_out(module: ModuleType, thrown: tuple[Any, ...]) -> None:
    for awaitable in (module.Ready(1), module.DONE_AWAITABLE):
        with pytest.raises(LookupError):
            awaitable.throw(*thrown)


@pytest.mark.parametrize("name", ["Ready", "Done"])
def test_the_steps_of_the_protocol(module: ModuleType, name: str) -> None:
    value = None if name == "Done" else "value"
    awaitable = module.DONE_AWAITABLE if name == "Done" else module.Ready(value)
    with pytest.raises(StopIteration) as by_next:
        next(iter(awaitable))
    with pytest.raises(StopIteration) as by_send:
        awaitable.send(None)

    assert by_next.value.value == by_send.value.value == value


def test_a_cancelled_wait_is_cancelled(module: ModuleType, loop: ClockLoop) -> None:
    async def cancel() -> bool:
        task = asyncio.create_task(module.Ready(1))
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    assert loop.finish(cancel())
