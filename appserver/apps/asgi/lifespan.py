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

# What is left of the application's task after its last word, or after its deadline.
CANCEL_SECONDS = 1.0


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
        self._phase_changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failure = ""
        self._error: BaseException | None = None
        self._has_received = False
        self.phase = Phase.WAITING
        self.state: dict[str, Any] | None = None

    async def startup(self) -> None:
        """Run the application's startup; raises StartupError if it failed, was late, or is missing but demanded."""
        if self._options.mode == "off":
            self.phase = Phase.UNSUPPORTED
            return
        state: dict[str, Any] = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self._task = asyncio.ensure_future(self._run(scope))
        self._task.add_done_callback(self._finished)
        self._messages.put_nowait({"type": "lifespan.startup"})
        try:
            await self._started()
        except BaseException:
            await self._cancel(self._task)
            raise
        if self.phase is Phase.SERVING:
            self.state = state

    async def _run(self, scope: Message) -> None:
        # Whatever can be awaited is an application, and it may fail before there is anything to await.
        await self._app(scope, self._receive, self._send)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._phase_changed.set()

    async def _started(self) -> None:
        if not await self._wait(self._options.startup):
            Event.LIFESPAN_SLOW.log(phase="startup", seconds=self._options.startup)
            raise StartupError(f"the application's startup took more than lifespan.startup = {self._options.startup:g} s")
        if self.phase is Phase.FAILED:
            raise StartupError(f"the application's startup failed: {self._failure}") from self._error
        if self.phase is Phase.WAITING:
            self._unsupported(self._error)

    def _unsupported(self, error: BaseException | None) -> None:
        # ASGI lifespan, "Scope": a server must go on after an exception; lifespan.startup.failed stops it.
        demanded = self._options.mode == "on"
        raised = error is not None and self._has_received and not isinstance(error, UnexpectedMessage)
        if isinstance(error, SystemExit) or (demanded and raised):
            raise StartupError("the application's startup raised") from error
        if demanded:
            raise StartupError("lifespan.mode is on, but the application does not support lifespan") from error
        self.phase = Phase.UNSUPPORTED
        Event.LIFESPAN_UNSUPPORTED.log(reason=repr(error) if error is not None else "it returned")

    async def shutdown(self) -> None:
        """Run the application's shutdown; what goes wrong is logged, the process ends anyway."""
        if self.phase is not Phase.SERVING or self._task is None:
            return
        self._phase_changed.clear()
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        if not self._task.done() and not await self._wait(self._options.shutdown):
            Event.LIFESPAN_SLOW.log(phase="shutdown", seconds=self._options.shutdown)
        elif self._failure or not self._is_over():
            returned = "the application returned without lifespan.shutdown.complete"
            reason = self._failure or (repr(self._error) if self._error else returned)
            Event.LIFESPAN_FAILED.log(phase="shutdown", reason=reason, exc_info=self._error)
        await self._cancel(self._task)

    def _is_over(self) -> bool:
        return self.phase is Phase.OVER

    async def _cancel(self, task: asyncio.Task[None]) -> None:
        # A loop that is closed over a pending task complains; one that ignores its cancellation is left.
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)

    async def _wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._phase_changed.wait()
        except TimeoutError:
            return False
        return True

    async def _receive(self) -> Message:
        message = await self._messages.get()
        self._has_received = True
        return message

    async def _send(self, message: Message) -> None:
        phase = SEND.get((self.phase, message["type"]))
        if phase is None:
            raise UnexpectedMessage(f"{message['type']!r} in lifespan phase {self.phase.value}")
        if message["type"].endswith(".failed"):
            self._failure = str(message.get("message") or "it gave no reason")
        self.phase = phase
        self._phase_changed.set()
