"""The log of the server itself: one handler on the logger "appserver", text on stderr.

Never touches the root logger: that one is the application's. A reader of stderr that does not read costs lines, which
are counted, and never stops the loop.
"""

from __future__ import annotations

import logging
import time

from appserver.config.options import LogOptions
from appserver.events import Event, logger
from appserver.ops.sink import BACKLOG_BYTES, Sink

__all__ = ["Formatter", "Handler", "configure", "escaped"]

STDERR = 2
TRACE_INDENT = "    "

# What could forge a line or drive a terminal: C0, DEL, C1, the Unicode line and direction controls, surrogates.
_HARMFUL = [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in [*_HARMFUL, *range(0xD800, 0xE000)]}


def configure(options: LogOptions, sink: Sink | None = None) -> Handler:
    """Send events of `options.level` and above to `sink` (stderr); a second call replaces the first."""
    for handler in list(logger.handlers):
        if isinstance(handler, Handler):
            logger.removeHandler(handler)
            handler.end()
    handler = Handler(Sink(STDERR) if sink is None else sink)
    logger.addHandler(handler)
    logger.setLevel(options.level.upper())
    logger.propagate = False
    return handler


def escaped(text: str) -> str:
    """Return text that stays on its line and does nothing to a terminal."""
    return text.translate(_ESCAPES)


class Handler(logging.Handler):
    """Writes formatted events, and how many were lost as soon as there is room again."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.setFormatter(Formatter())
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one event; the lock of logging.Handler is held."""
        text = self._encoded(record)
        if self._sink.has_losses and self._sink.waiting + len(text) < BACKLOG_BYTES // 2:
            reason, dropped = self._sink.losses()
            if dropped:
                self._sink.put(self._encoded(Event.LOG_LOST.record(reason=reason, dropped=dropped)))
        self._sink.put(text)

    def _encoded(self, record: logging.LogRecord) -> bytes:
        return (self.format(record) + "\n").encode("utf-8", "backslashreplace")

    def flush(self) -> None:
        """Wait until everything is written, a second at most."""
        self._sink.flush()

    def close(self) -> None:
        """Write what is waiting, and go on: `logging.config`, as Litestar calls it, closes every handler there is."""
        self._sink.flush()
        super().close()

    def end(self) -> None:
        """Write what is waiting, within a second, and nothing more."""
        self._sink.close()
        super().close()


class Formatter(logging.Formatter):
    """`2026-11-03T06:02:18.123Z WARNING message`, in UTC; tracebacks follow, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one event as text; only tracebacks have more than one line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = f"{when}.{int(record.msecs):03d}Z {record.levelname:<8} {escaped(record.getMessage())}"
        if not record.exc_info or record.exc_info[0] is None:
            return line
        # Indented, so that no line of an exception's text can pass for an event.
        trace = self.formatException(record.exc_info).split("\n")
        return "\n".join([line, *(TRACE_INDENT + escaped(part) for part in trace)])
