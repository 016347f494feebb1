"""Which event loop, how to say so, and how to run it to its end whatever the application does."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from appserver.errors import ClientDisconnected, ConfigError
from appserver.events import Event

__all__ = ["choose_loop", "report_error", "run_in", "turns"]

Factory = Callable[[], asyncio.AbstractEventLoop]
# What the application left running gets this long to see its cancellation.
CANCEL_SECONDS = 1.0
# An accept, a read and what they begin; or the last of what was closed.
TURNS = 5


def choose_loop(name: str) -> tuple[Factory, str]:
    """Return a loop factory and its name; `auto` takes uvloop if it is installed.

    Raises ConfigError if uvloop is asked for by name and is missing.
    """
    if name != "asyncio":
        try:
            uvloop = importlib.import_module("uvloop")
        except ImportError as error:
            if name == "uvloop":
                raise ConfigError(f"server.loop = uvloop: {error}; install it (pip install uvloop) or --loop asyncio") from None
        else:
            return uvloop.new_event_loop, f"uvloop {uvloop.__version__}"
    return asyncio.new_event_loop, "asyncio"


def run_in(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end in this thread, cancel what is left, close the loop."""
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(report_error)
    try:
        run_through(loop, loop.create_task(main))
    finally:
        run_through(loop, loop.create_task(_clear_up(loop)))
        asyncio.set_event_loop(None)
        loop.close()


def run_through(loop: asyncio.AbstractEventLoop, main: asyncio.Task[None]) -> None:
    """Run to the end of `main`; a request that raises SystemExit or KeyboardInterrupt must not end the process."""
    while not main.done():
        try:
            loop.run_until_complete(main)
        except (SystemExit, KeyboardInterrupt) as error:
            if main.done() or _is_interrupted():
                raise
            Event.APPLICATION_EXIT.log(code=error.code if isinstance(error, SystemExit) else "KeyboardInterrupt")
    main.result()


def _is_interrupted() -> bool:
    """Whether it may be the user's Ctrl-C: in the main thread, while the worker does not handle the signal itself."""
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler


async def _clear_up(loop: asyncio.AbstractEventLoop) -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=CANCEL_SECONDS)
    await turns()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await loop.shutdown_asyncgens()


async def turns() -> None:
    """Let the loop do what is due."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def report_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what was raised where nobody waits for it."""
    error = context.get("exception")
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return  # it was raised through the loop, or into the request that started the task, and said there
    if isinstance(error, ClientDisconnected):
        return  # a task of an application that lets it pass, as the one of the request may
    if "protocol" in context or "transport" in context:
        Event.INTERNAL_ERROR.log(client=context.get("message", ""), exc_info=error)
    else:
        Event.APPLICATION_TASK_FAILED.log(reason=context.get("message", ""), exc_info=error)
