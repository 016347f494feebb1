"""What `receive()` and `send()` return: good wherever Python or a framework takes a coroutine, idle until awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from types import CoroutineType, ModuleType
from typing import Any

import pytest

import appserver.apps.asgi.awaitables
from appserver.apps.asgi.receiving import receive_message
from tests.support.clock import ClockLoop
from tests.support.plain import plain

MODULES = {"built": appserver.apps.asgi.awaitables, "plain": plain("appserver.apps.asgi.awaitables")}
WAYS: dict[str, Callable[[Any], Any]] = {
    "await": lambda call: call,
    "create_task": lambda call: asyncio.create_task(call),
    "ensure_future": asyncio.ensure_future,
    "wait_for": lambda call: asyncio.wait_for(call, 5),
    "shield": asyncio.shield,
    "gather": lambda call: first(asyncio.gather(call)),
    "TaskGroup": lambda call: grouped(call),
    "run_coroutine_threadsafe": lambda call: asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(call, asyncio.get_running_loop())
    ),
    "yield from": lambda call: Delegating(call),
}


async def first(awaitable: Awaitable[Any]) -> Any:
    return (await awaitable)[0]


async def grouped(call: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(call)
    return task.result()


class Delegating:
    def __init__(self, call: Any) -> None:
        self.call = call

    def __await__(self) -> Any:
        return (yield from self.call.__await__())


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return MODULES[request.param]


class Asked:
    """Makes calls of `receive` and `send` on a channel that writes down what is asked of it."""

    def __init__(self, module: ModuleType, message: Any = None, error: BaseException | None = None) -> None:
        asked: list[Any] = []

        class Channel(module.Channel):  # type: ignore[misc,name-defined]  # the build under test
            def next_message(self) -> Any:
                if "waited" in asked:
                    return "late"
                asked.append("receive")
                if error is not None:
                    raise error
                return message

            async def wait_for_message(self) -> Any:
                await asyncio.sleep(0)
                asked.append("waited")
                return "late"

            def take_message(self, message: Any) -> Any:
                asked.append(message)
                if error is not None:
                    raise error
                return self.wait_for_message() if message == "wait" else None

        self.asked, self.channel, self.module = asked, Channel(), module

    def receive(self) -> Any:
        return receive_message(self.channel)

    def send(self, message: Any) -> Any:
        sending = self.module.Sending.__new__(self.module.Sending)
        sending.open(self.channel, message)
        return sending


async def awaited(way: str, call: Any) -> Any:
    return await WAYS[way](call)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [{"type": "http.disconnect"}, (1, 2), ValueError("a value"), StopIteration(1)])
def test_receive_gives_a_message_that_is_there(module: ModuleType, loop: ClockLoop, way: str, value: object) -> None:
    asked = Asked(module, value)

    assert loop.finish(awaited(way, asked.receive())) is value
    assert asked.asked == ["receive"]


@pytest.mark.parametrize("way", WAYS)
def test_receive_waits(module: ModuleType, loop: ClockLoop, way: str) -> None:
    asked = Asked(module)

    assert loop.finish(awaited(way, asked.receive())) == "late"
    assert asked.asked == ["receive", "waited"]


@pytest.mark.parametrize("way", WAYS)
def test_send_is_done_at_once(module: ModuleType, loop: ClockLoop, way: str) -> None:
    asked = Asked(module)

    assert loop.finish(awaited(way, asked.send("message"))) is None
    assert asked.asked == ["message"]


@pytest.mark.parametrize("way", WAYS)
def test_send_waits(module: ModuleType, loop: ClockLoop, way: str) -> None:
    asked = Asked(module)

    assert loop.finish(awaited(way, asked.send("wait"))) == "late"
    assert asked.asked == ["wait", "waited"]


@pytest.mark.parametrize("way", WAYS)
def test_what_goes_wrong_is_raised_where_it_is_awaited(module: ModuleType, loop: ClockLoop, way: str) -> None:
    asked = Asked(module, error=LookupError("why"))
    for call in (asked.receive(), asked.send("message")):
        with pytest.raises((LookupError, ExceptionGroup)):
            loop.finish(awaited(way, call))


CALLS: dict[str, Callable[[Asked], Any]] = {
    "receive": Asked.receive,
    "send": lambda asked: asked.send("message"),
    "send that waits": lambda asked: asked.send("wait"),
}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Callable[[Asked], Any]:
    return CALLS[request.param]


@pytest.mark.filterwarnings("ignore:coroutine 'receive_message' was never awaited")
def test_a_call_alone_does_nothing(module: ModuleType, call: Callable[[Asked], Any]) -> None:
    asked = Asked(module, "a message")
    call(asked)
    call(asked).close()

    assert asked.asked == []


def test_a_task_that_is_cancelled_before_its_first_step_does_nothing(
    module: ModuleType, loop: ClockLoop, call: Callable[[Asked], Any]
) -> None:
    asked = Asked(module, "a message")

    async def cancel() -> Any:
        task = asyncio.ensure_future(call(asked))
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert loop.finish(cancel())
    assert asked.asked == []


def test_a_wait_of_no_time_does_nothing(module: ModuleType, loop: ClockLoop, call: Callable[[Asked], Any]) -> None:
    asked = Asked(module, "a message")

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(asked), 0)

    loop.finish(wait())
    assert asked.asked == []


def test_a_wait_is_cancelled(module: ModuleType, loop: ClockLoop) -> None:
    for call in (Asked(module).receive(), Asked(module).send("wait")):

        async def cancel(call: Any) -> Any:
            task = asyncio.ensure_future(call)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            return task.cancelled()

        assert loop.finish(cancel(call))


@pytest.mark.parametrize("ended", ["awaited", "closed", "thrown into"])
def test_a_call_is_awaited_once(
    module: ModuleType, loop: ClockLoop, call: Callable[[Asked], Any], ended: str
) -> None:
    asked = Asked(module, "a message")
    once = call(asked)

    async def again() -> None:
        if ended == "awaited":
            await once
        elif ended == "closed":
            once.close()
        else:
            with pytest.raises(LookupError):
                once.throw(LookupError())
        before = list(asked.asked)
        with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
            await once
        assert asked.asked == before

    loop.finish(again())


def test_calls_are_coroutines_to_asyncio(module: ModuleType, call: Callable[[Asked], Any]) -> None:
    made = call(Asked(module))

    assert asyncio.iscoroutine(made)
    assert isinstance(made, Coroutine)
    assert inspect.isawaitable(made)
    made.close()


def test_receive_is_a_coroutine_of_pythons_own_in_every_build() -> None:
    made = receive_message(Asked(MODULES["built"]).channel)
    made.close()

    assert type(made) is CoroutineType


@pytest.mark.filterwarnings("ignore:the .type, exc, tb. signature of throw")
@pytest.mark.parametrize("thrown", [(LookupError,), (LookupError, LookupError("why")), (LookupError("why"),)])
def test_what_is_thrown_in_comes_out(
    module: ModuleType, call: Callable[[Asked], Any], thrown: tuple[Any, ...]
) -> None:
    with pytest.raises(LookupError):
        call(Asked(module)).throw(*thrown)


def test_a_wait_that_is_thrown_into_or_closed_is_over(module: ModuleType) -> None:
    for make in (Asked.receive, lambda asked: asked.send("wait")):
        thrown, closed = make(Asked(module)), make(Asked(module))
        thrown.send(None)
        with pytest.raises(LookupError):
            thrown.throw(LookupError("why"))
        closed.send(None)
        closed.close()
        for call in (thrown, closed):
            with pytest.raises(RuntimeError):
                call.send(None)


def test_the_steps_of_the_protocol(module: ModuleType) -> None:
    steps: list[Callable[[Any], Any]] = [lambda call: next(call.__await__()), lambda call: call.send(None)]
    for step in steps:
        asked = Asked(module, "a message")
        with pytest.raises(StopIteration) as received:
            step(asked.receive())
        with pytest.raises(StopIteration) as sent:
            step(asked.send("message"))

        assert (received.value.value, sent.value.value) == ("a message", None)
