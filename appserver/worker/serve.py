"""One worker in this thread: the only place where listeners, wires and the application meet.

What comes before it (options, logging, listeners, the loaded application) may have been done in another process:
a supervisor calls `serve` after a fork.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time

from appserver.apps.interfaces import application
from appserver.apps.loader import Loaded
from appserver.config.options import Config
from appserver.h2 import load_engine
from appserver.http.answer import AnswerContext
from appserver.net.listeners import Listener
from appserver.ops.access import AccessLog
from appserver.worker.connections import Connections
from appserver.worker.loop import choose_loop, run_in
from appserver.worker.pulse import Pulse
from appserver.worker.stop import StopRequest
from appserver.worker.worker import Worker

__all__ = ["serve"]


def serve(
    config: Config, app: Loaded, listeners: list[Listener], pulse: Pulse, stop: StopRequest | None = None,
    began: float | None = None,
) -> None:  # fmt: skip
    """Serve until `stop` is requested; in the main thread SIGTERM and SIGINT do so. Raises ConfigError, StartupError.

    There SIGUSR1 has the access log opened anew, as after a rotation.
    The listeners' sockets are closed then, their unix paths left to whoever opened them. `began` is the time
    (`perf_counter`) that the start is measured from.
    """
    factory, _ = choose_loop(config.server.loop)
    access = AccessLog(config.log.access) if config.log.access else None
    try:
        server = config.server
        answers = AnswerContext(server.date_header, server.server_header, access)
        target = application(
            server.interface, app.app, app.name, answers, config.lifespan, server.root_path, server.root_path_in_target,
            config.websocket,
        )
        loop = factory()
        loop.call_soon(_reopen_on_signal, loop, access)
        connections = Connections(config, loop, load_engine(config.h2.engine)[0], target, answers)
        worker = Worker(
            server, config.timeout, target, answers, connections, listeners, pulse, stop or StopRequest()
        )
        run_in(loop, worker.serve(time.perf_counter() if began is None else began))
    finally:
        if access is not None:
            access.close()


def _reopen_on_signal(loop: asyncio.AbstractEventLoop, access: AccessLog | None) -> None:
    # Also where there is no log: a rotation's script tells every server, and SIGUSR1 ends whoever knows nothing of it.
    if threading.current_thread() is threading.main_thread():
        loop.add_signal_handler(signal.SIGUSR1, lambda: None if access is None else access.reopen())
