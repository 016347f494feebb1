"""The log of the server itself: one handler on the logger "appserver", text on stderr.

Never touches the root logger: that one is the application's.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

from appserver.config.options import LogOptions
from appserver.events import logger

__all__ = ["Formatter", "Handler", "configure", "escaped"]

TRACE_INDENT = "    "

# What could forge a line or drive a terminal: C0, DEL, C1, the Unicode line and direction controls, surrogates.
_HARMFUL = [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in [*_HARMFUL, *range(0xD800, 0xE000)]}


def configure(options: LogOptions, stream: TextIO | None = None) -> Handler:
    """Send events of `options.level` and above to `stream` (stderr); a second call replaces the first."""
    for handler in list(logger.handlers):
        if isinstance(handler, Handler):
            logger.removeHandler(handler)
    handler = Handler(sys.stderr if stream is None else stream)
    logger.addHandler(handler)
    logger.setLevel(options.level.upper())
    logger.propagate = False
    return handler


def escaped(text: str) -> str:
    """Return text that stays on its line and does nothing to a terminal."""
    return text.translate(_ESCAPES)


class Handler(logging.StreamHandler[TextIO]):
    """Writes formatted events; `lost` counts those that could not be written."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(Formatter())
        self.lost = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging calls it so
        """Count: the place to complain about a broken stderr is the broken stderr."""
        self.lost += 1


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
