"""The end of the process: Python waits at it for every thread that runs, however long, and a stop has a bound."""

from __future__ import annotations

import os
import threading
import time

from appserver.events import Event, logger

__all__ = ["end_within"]

# What runs at the exit of a Python program gets this long, if the graceful bound is over.
LEAST_SECONDS = 1.0


def end_within(code: int, seconds: float) -> None:
    """Let the process end as it will, and end it with `code` if threads of the application keep it longer than `seconds`."""
    watch = threading.Thread(target=_end, args=(code, max(seconds, LEAST_SECONDS)), name="appserver-end", daemon=True)
    watch.start()


def _end(code: int, seconds: float) -> None:
    time.sleep(seconds)
    main = threading.main_thread()
    names = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not main]
    Event.THREADS_LEFT.log(what=f"threads {', '.join(names)}" if names else "exit handlers")
    for handler in logger.handlers:
        handler.flush()
    os._exit(code)
