r"""One process that serves: the only place where listeners, wires and the application meet.

Owns the loop, the set of connections and the stop.

    STARTING --lifespan done--> SERVING --TERM or INT--> DRAINING --idle, or the bound--> STOPPED
                                                            \--second signal: everything is cut--^
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import time
from typing import Any

import appserver
from appserver.accepted import Peer, ServedConnection
from appserver.apps.asgi.application import AsgiApplication
from appserver.apps.asgi.host import Host
from appserver.apps.asgi.lifespan import Lifespan
from appserver.apps.loader import load
from appserver.config.options import Config
from appserver.contract import Observer
from appserver.events import Event
from appserver.h1.connection import Connection as Http1Connection
from appserver.h2 import load_engine, missing_limiters
from appserver.h2.connection import Connection as Http2Connection
from appserver.h2.engine import Windows
from appserver.http.message import Limits
from appserver.net.listeners import Listener, open_all
from appserver.net.peer import TrustList
from appserver.ops.access import AccessLog
from appserver.ops.log import configure
from appserver.worker.front import Front
from appserver.worker.loop import choose_loop

__all__ = ["Worker", "run"]

# After the graceful bound tasks get this long to see their cancellation, sockets to take the GOAWAY.
CUT_SECONDS = 1.0


def run(config: Config) -> int:
    """Serve until a signal; return the exit code. Raises ConfigError or StartupError before anything is served."""
    began = time.perf_counter()
    configure(config.log)
    engine, name, why = load_engine(config.h2.engine)
    factory, loop_name = choose_loop(config.server.loop)
    listeners = open_all(config.server.bind, config.server.unix_mode)
    try:
        app = load(config.server.app, config.server.app_dir, config.server.factory)
        # Only now: a mistake is one line, and no banner above it.
        Event.STARTING.log(
            version=appserver.__version__, app=config.server.app, engine=f"{name} engine ({why})", loop=loop_name,
            python=sys.version.partition(" ")[0],
        )
        for missing, consequence in missing_limiters(name).items():
            Event.LIMITER_MISSING.log(missing=missing, consequence=consequence)
        loop = factory()
        asyncio.set_event_loop(loop)
        try:
            worker = Worker(config, app, engine, listeners, loop)
            _run_through(loop, loop.create_task(worker.serve(began)))
        finally:
            _run_through(loop, loop.create_task(_clear_up(loop)))
            asyncio.set_event_loop(None)
            loop.close()
    finally:
        for listener in listeners:
            listener.close()
    Event.STOPPED.log()
    return 0


def _run_through(loop: asyncio.AbstractEventLoop, main: asyncio.Task[None]) -> None:
    """Run to the end of `main`; a request that raises SystemExit or KeyboardInterrupt must not end the process."""
    while not main.done():
        try:
            loop.run_until_complete(main)
        except (SystemExit, KeyboardInterrupt) as error:
            # Ctrl-C itself is a signal that the worker handles, once it is there.
            if main.done() or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise
            Event.APPLICATION_EXIT.log(code=error.code if isinstance(error, SystemExit) else "KeyboardInterrupt")
    main.result()


async def _clear_up(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what the application left running, and give it a moment to see that."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=CUT_SECONDS)
    await _turns()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CUT_SECONDS):
            await loop.shutdown_asyncgens()


async def _turns() -> None:
    """Let the loop do what is due: an accept, a read and what they begin; or the last of what was closed."""
    for _ in range(3):
        await asyncio.sleep(0)


class Worker:
    """Everything one process owns while it serves."""

    def __init__(
        self, config: Config, app: Any, engine: Any, listeners: list[Listener], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.loop = loop
        self._config = config
        self._engine = engine
        self._listeners = listeners
        self._lifespan = Lifespan(app, config.lifespan)
        self._access = AccessLog(config.log.access) if config.log.access else None
        observer: Observer | None = self._access
        server = config.server
        self._host = Host(app, loop, server.root_path, server.date_header, server.server_header, observer)
        self._application = AsgiApplication(self._host)
        limit = config.limit
        self._limits = Limits(
            limit.request_line, limit.request_fields, limit.field_size, limit.head_size, limit.request_body, limit.discard
        )
        h2 = config.h2
        self._windows = Windows(h2.max_concurrent_streams, h2.stream_window, h2.connection_window, limit.head_size)
        self._trust = TrustList(config.forwarded.trust)
        self._connections: set[ServedConnection] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._signals = 0
        self._stop = asyncio.Event()
        self._forced = asyncio.Event()
        self._idle = asyncio.Event()
        self._ticker: asyncio.TimerHandle | None = None

    # Serving

    async def serve(self, began: float) -> None:
        """Start, serve until a signal, drain, shut the application down."""
        self.loop.set_exception_handler(self._on_loop_error)
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._on_signal, number)
        try:
            starting = asyncio.ensure_future(self._lifespan.startup())
            if not await self._first(starting, self._stop):
                starting.cancel()
                return
            starting.result()
            self._host.state = self._lifespan.state
            try:
                await self._open()
                Event.READY.log(seconds=time.perf_counter() - began)
                await self._stop.wait()
                await self._drain()
            finally:
                await self._lifespan.shutdown()
        finally:
            self._close()

    async def _first(self, task: asyncio.Future[None], event: asyncio.Event) -> bool:
        """Wait for `task` or `event`; tell whether the task is done."""
        waiting = asyncio.ensure_future(event.wait())
        both: set[asyncio.Future[Any]] = {task, waiting}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return task.done()

    async def _open(self) -> None:
        # What was loaded so far stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        backlog = self._config.server.backlog
        # uvloop would tell nobody if this failed.
        for listener in self._listeners:
            listener.listen(backlog)
        for listener in self._listeners:
            options: dict[str, Any] = {"sock": listener.sock, "backlog": backlog}
            if listener.sock.family.name == "AF_UNIX":
                server: asyncio.AbstractServer = await self.loop.create_unix_server(self._front, **options)
            else:
                server = await self.loop.create_server(self._front, **options)
            self._servers.append(server)
            Event.LISTENING.log(address=listener)
        self._tick()

    def _front(self) -> Front:
        return Front(self, self._trust.for_peer, self._config.timeout.preface)

    def _tick(self) -> None:
        # On the whole second, so that Date is right.
        self._ticker = self.loop.call_later(1.001 - time.time() % 1, self._tick)
        self._host.tick()
        now = self.loop.time()
        for connection in list(self._connections):
            connection.tick(now)

    # The front's calls

    def admit(self, front: ServedConnection) -> bool:
        """Register an accepted connection; False if `limit.connections` are served already."""
        most = self._config.limit.connections
        self._connections.add(front)
        return not most or len(self._connections) <= most

    def connect_h2(self, front: ServedConnection, transport: asyncio.Transport, peer: Peer) -> Any:
        """Put an HTTP/2 connection in the front's place."""
        return self._replace(
            front,
            Http2Connection(
                transport, peer, self._application, self._engine, self._limits, self._windows, self._config.timeout, self
            ),
        )

    def connect_h1(self, front: ServedConnection, transport: asyncio.Transport, peer: Peer) -> Any:
        """Put an HTTP/1.1 connection in the front's place; None if it is switched off."""
        if not self._config.server.http1:
            return None
        return self._replace(
            front,
            Http1Connection(
                transport, peer, self._application, self._limits, self._config.h1, self._config.timeout, self
            ),
        )

    def _replace(self, front: ServedConnection, connection: Any) -> Any:
        self._connections.discard(front)
        self._connections.add(connection)
        if self._signals:
            connection.drain()
        return connection

    def closed(self, connection: ServedConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()

    # Stopping

    def _on_signal(self, number: int) -> None:
        self._signals += 1
        if self._signals == 1:
            Event.STOPPING.log(
                signal=signal.Signals(number).name, inflight=self._inflight(), seconds=self._config.timeout.graceful
            )
            self._stop.set()
        else:
            self._forced.set()

    def _inflight(self) -> int:
        return sum(connection.inflight for connection in self._connections)

    async def _drain(self) -> None:
        """Accept nothing more, let what is in flight finish within the bound, then cut."""
        # Who was accepted by now, or has asked, is still served: the loop must find out before the server is closed,
        # asyncio's would lose a connection that is being accepted.
        for listener in self._listeners:
            self.loop.remove_reader(listener.sock.fileno())
        await _turns()
        for server in self._servers:
            server.close()
        self._idle.clear()
        for connection in list(self._connections):
            connection.drain()
        finishing = asyncio.ensure_future(self._finish())
        done = False
        try:
            async with asyncio.timeout(self._config.timeout.graceful):
                done = await self._first(finishing, self._forced)
        except TimeoutError:
            done = False
        finishing.cancel()
        if not done:
            await self._cut("a second signal" if self._forced.is_set() else "the graceful bound is over")

    async def _finish(self) -> None:
        if self._connections:
            await self._idle.wait()
        # Tasks outlive their responses: background work of frameworks.
        if self._host.running:
            await asyncio.wait(set(self._host.running))

    async def _cut(self, reason: str) -> None:
        Event.FORCED.log(reason=reason, inflight=max(self._inflight(), len(self._host.running)))
        tasks = set(self._host.running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CUT_SECONDS)
        for connection in list(self._connections):
            connection.terminate()
        if self._connections:
            self._idle.clear()
            try:
                async with asyncio.timeout(CUT_SECONDS):
                    await self._idle.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.abort()

    def _close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        for server in self._servers:
            server.close()
        if self._access is not None:
            self._access.close()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, SystemExit | KeyboardInterrupt):
            return  # it was raised through the loop, or into the request that started the task, and said there
        if "protocol" in context or "transport" in context:
            Event.INTERNAL_ERROR.log(client=context.get("message", ""), exc_info=error)
        else:
            Event.APPLICATION_TASK_FAILED.log(reason=context.get("message", ""), exc_info=error)
