"""The closed vocabulary of log events: name, level and sentence, declared once.

`Event.X.log(logger, key=value)` renders the sentence; nothing else in `appserver` logs a bare string.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Any

__all__ = ["Event", "logger"]

logger = logging.getLogger("appserver")


class Event(Enum):
    """One kind of thing worth telling an operator."""

    STARTING = (logging.INFO, "appserver {version}: {app} with {engine}, {loop}, Python {python}")
    LISTENING = (logging.INFO, "listening on {address}")
    READY = (logging.INFO, "ready in {seconds:.3f} s")
    LIMITER_MISSING = (logging.INFO, "this libnghttp2 has no {missing}: {consequence}")
    LIFESPAN_UNSUPPORTED = (logging.INFO, "the application does not support lifespan ({reason})")
    LIFESPAN_FAILED = (logging.ERROR, "lifespan {phase} failed: {reason}")
    LIFESPAN_SLOW = (logging.ERROR, "lifespan {phase} did not finish in {seconds:g} s")
    STOPPING = (logging.INFO, "{reason}: stopping, {inflight} in flight, at most {seconds:g} s")
    FORCED = (logging.WARNING, "{reason}: {inflight} in flight were cut")
    STOPPED = (logging.INFO, "stopped")
    THREADS_LEFT = (logging.WARNING, "cut, since it ran on after the stop: {what}")
    APPLICATION_FAILED = (logging.ERROR, "request {request_id} {method} {path}: the application raised")
    APPLICATION_BROKE_ASGI = (logging.ERROR, "request {request_id} {method} {path}: {reason}")
    APPLICATION_EXIT = (logging.ERROR, "the application called exit ({code}) in a request; the worker goes on")
    APPLICATION_TASK_FAILED = (logging.ERROR, "outside of a request: {reason}")
    PEER_BROKE_PROTOCOL = (logging.INFO, "{client}: {reason}")
    TLS_RELOADED = (logging.INFO, "{option}: read again, for {names}")
    TLS_KEPT = (logging.ERROR, "{option}: {reason}; the certificates that were read before stay in use")
    CERTIFICATE_EXPIRES = (logging.WARNING, "{path}: {verb} {when}; clients refuse it from then on")
    INTERNAL_ERROR = (logging.CRITICAL, "a fault of appserver itself on {client}: please report it")
    ACCEPT_FAILED = (logging.ERROR, "accept on {address}: {reason}; who connects waits until there is room{hint}")
    ACCESS_LOG_FAILED = (logging.ERROR, "access log {target}: {reason}; {dropped} lines dropped")
    LOG_LOST = (logging.WARNING, "{dropped} lines of this log were dropped: {reason}")

    def __init__(self, level: int, sentence: str) -> None:
        self.level = level
        self.sentence = sentence

    def log(self, *, exc_info: BaseException | None = None, **values: Any) -> None:
        """Log this event on the package's logger; `values` fill the sentence."""
        if logger.isEnabledFor(self.level):
            logger.log(self.level, self.sentence.format(**values), exc_info=exc_info, extra=self._extra(values))

    def record(self, **values: Any) -> logging.LogRecord:
        """Return the record that `log` would make, for a handler that speaks for itself."""
        text = self.sentence.format(**values)
        return logger.makeRecord(logger.name, self.level, __file__, 0, text, (), None, extra=self._extra(values))

    def _extra(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"event": self.name.lower(), "values": values}
