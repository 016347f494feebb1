"""The command's way to one worker: log, listeners and application, then `serve`, then the clearing up."""

from __future__ import annotations

import sys
import time

import appserver
from appserver.apps.interfaces import interface_of
from appserver.apps.loader import load
from appserver.config.options import Config
from appserver.events import Event
from appserver.h2 import load_engine, missing_limiters
from appserver.ops.log import configure
from appserver.worker.heap import retain_freed_memory
from appserver.worker.listening import open_listeners
from appserver.worker.loop import choose_loop
from appserver.worker.pulse import NoPulse
from appserver.worker.serve import serve
from appserver.worker.stop import StopRequest

__all__ = ["run"]


def run(config: Config, stop: StopRequest | None = None) -> int:
    """Serve until a signal, or `stop`; return the exit code. Raises ConfigError, StartupError."""
    began = time.perf_counter()
    log = configure(config.log)
    try:
        _, engine, why = load_engine(config.h2.engine)
        _, loop = choose_loop(config.server.loop)
        listeners = open_listeners(config)
        try:
            app = load(config.server.app, config.server.app_dir, config.server.factory)
            interface_of(config.server.interface, app.app, app.name)
            # Only now: a mistake is one line, and no banner above it.
            Event.STARTING.log(
                version=appserver.__version__, app=config.server.app, engine=f"{engine} engine ({why})", loop=loop,
                python=sys.version.partition(" ")[0],
            )  # fmt: skip
            for missing, consequence in missing_limiters(engine).items():
                Event.LIMITER_MISSING.log(missing=missing, consequence=consequence)
            retain_freed_memory()
            serve(config, app, listeners, NoPulse(), stop, began)
        finally:
            for listener in listeners:
                listener.close()
        Event.STOPPED.log()
    finally:
        # What the command says after this stands below it.
        log.flush()
    return 0
