r"""One worker's life, from the application's startup to its shutdown.

    STARTING --startup done--> SERVING --stop requested--> DRAINING --idle, or the bound--> STOPPED
                                                               \--requested again: everything is cut--^
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Coroutine
from typing import Any

from appserver.config.options import ServerOptions, TimeoutOptions
from appserver.contract import Application
from appserver.events import Event
from appserver.http.answer import AnswerContext
from appserver.net.accept import Acceptor
from appserver.net.listeners import Listener
from appserver.worker.connections import Connections
from appserver.worker.loop import turns
from appserver.worker.pulse import Phase, Pulse
from appserver.worker.stop import StopRequest

__all__ = ["Worker"]

# After a cut sockets get this long to take what is said to their clients.
CLOSE_SECONDS = 1.0


class Worker:
    """What serves in one loop."""

    def __init__(
        self,
        server: ServerOptions,
        timeouts: TimeoutOptions,
        application: Application,
        answers: AnswerContext,
        connections: Connections,
        listeners: list[Listener],
        pulse: Pulse,
        stop: StopRequest,
    ) -> None:
        self._loop = connections.loop
        self._backlog = server.backlog
        self._timeouts = timeouts
        self._application = application
        self._answers = answers
        self._connections = connections
        self._listeners = listeners
        # Addresses of one option have theirs in common.
        self._tls = {listener.settings.tls for listener in listeners if listener.settings.tls is not None}
        self._acceptor = Acceptor(
            self._loop, listeners, connections.front, timeouts.handshake, connections.max_connections
        )
        self._pulse = pulse
        self._stop = stop
        self._phase = Phase.STARTING
        self._ticker: asyncio.TimerHandle | None = None

    async def serve(self, began: float) -> None:
        """Start, serve until a stop is requested, drain, shut the application down. Raises StartupError, ConfigError."""
        self._stop.bind(self._loop)
        self._handle_reload()
        self._enter(Phase.STARTING)
        self._tick()
        try:
            if not await self._ends_before(self._application.startup(), self._stop.drain):
                self._say_stopping()
                return
            try:
                self._open(began)
                await self._stop.drain.wait()
                self._say_stopping()
                await self._drain()
            finally:
                await self._application.shutdown()
        finally:
            if self._ticker is not None:
                self._ticker.cancel()
            self._acceptor.close()
            self._enter(Phase.STOPPED)

    def _open(self, began: float) -> None:
        # What was loaded so far stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        for listener in self._listeners:
            listener.listen(self._backlog)
        for listener in self._listeners:
            Event.LISTENING.log(address=listener)
        self._acceptor.open()
        self._enter(Phase.SERVING)
        Event.READY.log(seconds=time.perf_counter() - began)

    def _handle_reload(self) -> None:
        """Read certificates again on HUP, unless whoever started us wants HUP ignored (nohup)."""
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self._loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _reload(self) -> None:
        for tls in self._tls:
            tls.reload()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._pulse.beat(phase)

    def _tick(self) -> None:
        # On the whole second, so that Date is right.
        self._ticker = self._loop.call_later(1.001 - time.time() % 1, self._tick)
        self._answers.tick()
        self._application.tick()
        self._connections.tick()
        for tls in self._tls:
            tls.tick()
        self._pulse.beat(self._phase)

    # Stopping

    def _say_stopping(self) -> None:
        self._enter(Phase.DRAINING)
        Event.STOPPING.log(
            reason=self._stop.reasons[0], inflight=self._connections.inflight, seconds=self._timeouts.graceful
        )

    async def _drain(self) -> None:
        """Accept nothing more, let what is in flight finish within the bound, then cut."""
        self._acceptor.close()
        # Who was accepted by now, or has asked, is still served.
        await turns()
        self._connections.drain()
        done = False
        try:
            async with asyncio.timeout(self._timeouts.graceful):
                done = await self._ends_before(self._finish(), self._stop.cut)
        except TimeoutError:
            done = False
        if not done:
            await self._cut("a second signal" if self._stop.cut.is_set() else "the graceful bound is over")

    async def _finish(self) -> None:
        await self._acceptor.wait_begun(self._timeouts.drain_idle)
        await self._connections.wait_closed()
        # Application code outlives its responses: background work of frameworks.
        await self._application.wait_idle()

    async def _cut(self, reason: str) -> None:
        inflight = max(self._connections.inflight, self._application.busy())
        if inflight:
            Event.FORCED.log(reason=reason, inflight=inflight)
        await self._acceptor.wait_begun(0)
        await self._application.cancel()
        self._connections.terminate()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connections.wait_closed()
        except TimeoutError:
            self._connections.abort()

    async def _ends_before(self, work: Coroutine[Any, Any, None], event: asyncio.Event) -> bool:
        """Run `work` until it ends or `event` is set; tell whether it ended, raise what it raised."""
        working = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if not working.done():
                working.cancel()
        if not working.done():
            return False
        working.result()
        return True
