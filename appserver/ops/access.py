r"""The access log: one line per request that was dispatched.

    192.0.2.7 - - [03/Nov/2026:06:02:18 +0000] "GET /path HTTP/2" 200 1234 0.412ms

Common Log Format with the duration appended; no query string; "-" for what is not known. What is not
visible ASCII, and what could end a quoted part, is written as \xNN.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from appserver.contract import Request
from appserver.errors import ConfigError
from appserver.events import Event
from appserver.ops.sink import Later, Sink

__all__ = ["AccessLog"]

METHOD_BYTES, PATH_BYTES, CLIENT_BYTES = 32, 2_048, 64
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_UNSAFE = re.compile(rb"[^\x21\x23-\x5b\x5d-\x7e]")  # space, ", \ and what is not visible


class AccessLog:
    """An Observer that writes to a file, or to stdout as "-"."""

    __slots__ = ("_second", "_sink", "_stamp", "_target", "_wall")

    def __init__(
        self,
        target: str,
        *,
        later: Later | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Open `target`; `later(seconds, call)` defaults to `call_later` of the running loop."""
        self._target = target
        self._wall = wall
        self._second = -1
        self._stamp = b""
        try:
            self._sink = Sink(target, self._lost, later=later, clock=clock)
        except OSError as error:
            raise ConfigError(f"access log {target!r}: cannot be opened: {error.strerror}") from None

    def on_done(self, request: Request, status: int, sent: int, seconds: float) -> None:
        """Note one answered request."""
        self._sink.put(
            b'%s - - [%s] "%s %s HTTP/%s" %s %d %.3fms\n'
            % (
                _client(request),
                self._now(),
                _safe(request.method.encode("utf-8", "replace"), METHOD_BYTES),
                _safe(request.raw_path or request.authority, PATH_BYTES),
                request.version.encode(),
                b"%d" % status if status else b"-",
                sent,
                seconds * 1000,
            )
        )

    def flush(self) -> None:
        """Write what is waiting, as far as the target takes it at once."""
        self._sink.flush()

    def close(self) -> None:
        """Write what is waiting, within a second, and close."""
        self._sink.close()

    def reopen(self) -> None:
        """Open the file anew, after it was rotated away."""
        self._sink.reopen()

    def _now(self) -> bytes:
        second = int(self._wall())
        if second != self._second:
            self._second = second
            when = time.gmtime(second)
            # %b would speak the locale's language.
            self._stamp = time.strftime(f"%d/{MONTHS[when.tm_mon - 1]}/%Y:%H:%M:%S +0000", when).encode()
        return self._stamp

    def _lost(self, reason: str, dropped: int) -> None:
        Event.ACCESS_LOG_FAILED.log(target=self._target, reason=reason, dropped=dropped)


def _client(request: Request) -> bytes:
    client = request.client
    return _safe(client[0].encode("utf-8", "replace"), CLIENT_BYTES) if client else b"-"


def _safe(raw: bytes, most: int) -> bytes:
    cut = raw if len(raw) <= most else raw[:most] + b"..."
    return _UNSAFE.sub(_hex, cut) or b"-"


def _hex(match: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % match[0][0]
