"""An event loop whose clock a test moves: no sleeping, no waiting for a timer that is not due.

    loop.turn()          run what is ready, and what that makes ready
    loop.advance(30.0)   30 seconds later
    loop.complaints      what was given to the exception handler
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["ClockLoop"]

T = TypeVar("T")
# A message travels through a few callbacks until everybody has heard it.
TURNS = 12


class ClockLoop(asyncio.SelectorEventLoop):
    """A loop at a standstill: `turn` and `advance` are all that moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        super().__init__()
        self.complaints: list[dict[str, Any]] = []
        self.set_exception_handler(lambda loop, context: self.complaints.append(context))

    def time(self) -> float:
        return self.now

    def turn(self, turns: int = TURNS) -> None:
        """Run callbacks that are ready; returns at once if none are."""
        for _ in range(turns):
            self.call_soon(self.stop)
            self.run_forever()

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due by then happen."""
        self.now += seconds
        self.turn()

    def finish(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run what needs no clock; a deadlock is a failure and no hang."""
        task = self.create_task(coroutine)
        self.turn()
        if not task.done():
            task.cancel()
            self.turn()
            raise AssertionError("it waits for something that does not happen")
        return task.result()

    def wind_up(self) -> None:
        """Cancel what is left and close; everything that was lost on the way shows in `complaints`."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.turn()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                task.exception()
        gc.collect(1)  # what a test made is young
        self.close()


# asyncio's debug log of slow callbacks reads the same clock; it has nothing to say here.
logging.getLogger("asyncio").setLevel(logging.ERROR)
