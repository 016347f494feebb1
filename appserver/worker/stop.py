"""The wish that a worker stop: the first makes it drain, the second cut. From any thread, or by signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time

__all__ = ["StopRequest"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """One worker's; `drain` and `cut` are set in its loop once it is bound to one."""

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.cut = asyncio.Event()
        self.reasons: list[str] = []
        self._requested: float = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def request(self, reason: str) -> None:
        """Ask to stop; a second time, to cut what is in flight. Harmless before the worker runs and after."""
        if not self.reasons:
            self._requested = time.monotonic()
        self.reasons.append(reason)
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: it has stopped
                loop.call_soon_threadsafe(self._notify)

    def left(self, bound: float) -> float:
        """Return what is left of `bound` seconds since the first request; nothing after a second one, or without any."""
        return max(0.0, self._requested + bound - time.monotonic()) if len(self.reasons) == 1 else 0.0

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the events in `loop` from now on; signals are the main thread's alone, other threads have `request`."""
        self._loop = loop
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                loop.add_signal_handler(number, self.request, number.name)
        self._notify()

    def _notify(self) -> None:
        if self.reasons:
            self.drain.set()
        if len(self.reasons) > 1:
            self.cut.set()
