r"""The ASGI lifespan protocol: startup before the first request, shutdown after the last.

    WAITING --startup.complete--> SERVING --shutdown.complete or .failed--> OVER
       |  \--startup.failed--> FAILED
       '-- the application raised, returned or spoke HTTP before it took part --> UNSUPPORTED
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from enum import Enum
from typing import Any

from appserver.config.options import LifespanOptions
from appserver.errors import StartupError, UnexpectedMessage
from appserver.events import Event

__all__ = ["Lifespan", "Phase"]

Message = MutableMapping[str, Any]


class Phase(Enum):
    """Where the application stands."""

    WAITING = "waiting"
    SERVING = "serving"
    OVER = "over"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


SEND: dict[tuple[Phase, str], Phase] = {
    (Phase.WAITING, "lifespan.startup.complete"): Phase.SERVING,
    (Phase.WAITING, "lifespan.startup.failed"): Phase.FAILED,
    (Phase.SERVING, "lifespan.shutdown.complete"): Phase.OVER,
    (Phase.SERVING, "lifespan.shutdown.failed"): Phase.OVER,
}


class Lifespan:
    """One application's lifespan. `state` is what its scope offered, None if it takes no part."""

    def __init__(self, app: Callable[..., Any], options: LifespanOptions) -> None:
        self._app = app
        self._options = options
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._said = ""
        self._heard = False
        self.phase = Phase.WAITING
        self.state: dict[str, Any] | None = None

    async def startup(self) -> None:
        """Run the application's startup; raises StartupError if it failed, was late, or is missing but demanded."""
        if self._options.mode == "off":
            self.phase = Phase.UNSUPPORTED
            return
        state: dict[str, Any] = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self._task = asyncio.ensure_future(self._app(scope, self._receive, self._send))
        self._task.add_done_callback(lambda _: self._moved.set())
        self._messages.put_nowait({"type": "lifespan.startup"})
        if not await self._wait(self._options.startup):
            Event.LIFESPAN_SLOW.log(phase="startup", seconds=self._options.startup)
            self._task.cancel()
            raise StartupError(f"the application's startup took more than lifespan.startup = {self._options.startup:g} s")
        if self.phase is Phase.SERVING:
            self.state = state
        elif self.phase is Phase.FAILED:
            raise StartupError(f"the application's startup failed: {self._said or 'it gave no reason'}")
        else:
            self._unsupported(self._task)

    def _unsupported(self, task: asyncio.Task[None]) -> None:
        error = task.exception() if task.done() and not task.cancelled() else None
        # It heard the event and then failed: that is a failed startup, not a missing protocol.
        spoke_http = isinstance(error, UnexpectedMessage)
        if error is not None and self._heard and not spoke_http:
            raise StartupError("the application's startup raised") from error
        if self._options.mode == "on":
            raise StartupError("lifespan.mode is on, but the application does not support lifespan") from error
        self.phase = Phase.UNSUPPORTED
        task.cancel()
        Event.LIFESPAN_UNSUPPORTED.log(reason=repr(error) if error is not None else "it returned")

    async def shutdown(self) -> None:
        """Run the application's shutdown; what goes wrong is logged, the process ends anyway."""
        if self.phase is not Phase.SERVING or self._task is None:
            return
        self._moved.clear()
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        if not self._task.done() and not await self._wait(self._options.shutdown):
            Event.LIFESPAN_SLOW.log(phase="shutdown", seconds=self._options.shutdown)
        elif self._said or not self._is_over():
            error = self._task.exception() if self._task.done() and not self._task.cancelled() else None
            Event.LIFESPAN_FAILED.log(phase="shutdown", reason=self._said or repr(error), exc_info=error)
        self._task.cancel()

    def _is_over(self) -> bool:
        return self.phase is Phase.OVER

    async def _wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def _receive(self) -> Message:
        message = await self._messages.get()
        self._heard = True
        return message

    async def _send(self, message: Message) -> None:
        phase = SEND.get((self.phase, message["type"]))
        if phase is None:
            raise UnexpectedMessage(f"{message['type']!r} in lifespan phase {self.phase.value}")
        self._said = str(message.get("message", ""))
        self.phase = phase
        self._moved.set()
