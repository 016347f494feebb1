# cython: boundscheck=False, wraparound=False, cdivision=True
r"""The access log: one line per request that was answered, refused or lost.

    192.0.2.7 - - [03/Nov/2026:06:02:18 +0000] "GET /path HTTP/2" 200 1234 0.412ms

Common Log Format with the duration appended; no query string; "-" for what is not known. What is not
visible ASCII, and what could end a quoted part, is written as \xNN. Lines wait up to 0.1 s or 64 KiB.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from appserver.contract import Request
from appserver.errors import ConfigError
from appserver.events import Event
from appserver.ops.sink import Sink

__all__ = ["AccessLog"]

BATCH_BYTES = 65_536
BATCH_SECONDS = 0.1
REPORT_SECONDS = 60.0
STDOUT = 1
METHOD_BYTES, PATH_BYTES, CLIENT_BYTES = 32, 2_048, 64
# The longest line, each byte escaped, with what is between the parts.
LINE_BYTES = 4 * (METHOD_BYTES + PATH_BYTES + CLIENT_BYTES + METHOD_BYTES) + 256
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Space, ", \ and what is not visible.
UNSAFE_TABLE = bytes(not 0x21 <= byte <= 0x7E or byte in b'"\\' for byte in range(256))
HEX = b"0123456789abcdef"

Later = Callable[[float, Callable[[], None]], object]


class AccessLog:
    """An Observer that writes to a file, or to stdout as "-"."""

    __slots__ = (
        "_buffer", "_clock", "_later", "_limit", "_reported", "_scheduled", "_second", "_sink", "_size", "_stamp", "_target", "_wall",
    )  # fmt: skip

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
        self._later = later or _call_later
        self._clock = clock
        self._wall = wall
        self._second: int = -1
        self._stamp = b""
        self._buffer = bytearray(BATCH_BYTES + LINE_BYTES)
        self._limit: int = BATCH_BYTES
        self._size: int = 0  # what of it is lines
        self._scheduled = False
        self._reported = float("-inf")
        try:
            self._sink = Sink(STDOUT if target == "-" else target)
        except OSError as error:
            raise ConfigError(f"access log {target!r}: cannot be opened: {error.strerror}") from None

    def on_done(self, request: Request, status: int, sent: int, seconds: float) -> None:
        """Note one request: straight into the batch, byte by byte, which is what compiled code does best."""
        second = int(self._wall())
        if second != self._second:
            self._renew(second)
        buffer = self._buffer
        client = request.client
        at = self._size
        at = _text(buffer, at, client[0], CLIENT_BYTES) if client is not None else _copy(buffer, at, b"-")
        at = _copy(buffer, at, self._stamp)
        at = _text(buffer, at, request.method, METHOD_BYTES)
        at = _copy(buffer, at, b" ")
        path = request.raw_path
        at = _escaped(buffer, at, path if path else _without_path(request), PATH_BYTES)
        at = _copy(buffer, at, b" HTTP/")
        at = _text(buffer, at, request.version, METHOD_BYTES)
        at = _copy(buffer, at, b'" ')
        at = _digits(buffer, at, status, 1) if status else _copy(buffer, at, b"-")
        at = _copy(buffer, at, b" ")
        at = _digits(buffer, at, sent, 1)
        at = _copy(buffer, at, b" ")
        micros = int(seconds * 1e6 + 0.5)
        at = _digits(buffer, at, micros // 1_000, 1)
        at = _copy(buffer, at, b".")
        at = _digits(buffer, at, micros % 1_000, 3)
        self._size = _copy(buffer, at, b"ms\n")
        if self._size >= self._limit:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._later(BATCH_SECONDS, self._tick)

    def flush(self) -> None:
        """Hand what is waiting to the writer."""
        if self._size:
            self._sink.put(bytes(memoryview(self._buffer)[: self._size]))
            self._size = 0
        if self._sink.has_losses and self._clock() - self._reported >= REPORT_SECONDS:
            self._report()

    def close(self) -> None:
        """Write what is waiting, within a second, and close."""
        self.flush()
        self._sink.close()
        if self._sink.has_losses:
            self._report()

    def reopen(self) -> None:
        """Open the file anew, after it was rotated away."""
        self.flush()
        self._sink.reopen()

    def _tick(self) -> None:
        # Whether it was written is known a turn later.
        self._scheduled = self._size > 0 or self._sink.waiting > 0
        self.flush()
        if self._scheduled:
            self._later(BATCH_SECONDS, self._tick)

    def _report(self) -> None:
        self._reported = self._clock()
        reason, dropped = self._sink.losses()
        Event.ACCESS_LOG_FAILED.log(target=self._target, reason=reason, dropped=dropped)

    def _renew(self, second: int) -> None:
        self._second = second
        when = time.gmtime(second)
        # %b would speak the locale's language.
        self._stamp = time.strftime(f' - - [%d/{MONTHS[when.tm_mon - 1]}/%Y:%H:%M:%S +0000] "', when).encode()


def _without_path(request: Request) -> bytes:
    """What stands for the path: the authority of CONNECT, or the target of a head that was refused before it had one."""
    return request.authority if request.method == "CONNECT" else request.target.partition(b"?")[0]


# Parts of a line: each writes at `at` and returns where the next begins.


def _copy(buffer: bytearray, at: int, data: bytes) -> int:
    for byte in data:
        buffer[at] = byte
        at += 1
    return at


def _digits(buffer: bytearray, at: int, number: int, width: int) -> int:
    if number >= 10 or width > 1:
        at = _digits(buffer, at, number // 10, width - 1)
    buffer[at] = 0x30 + number % 10
    return at + 1


def _text(buffer: bytearray, at: int, text: str, limit: int) -> int:
    if not text.isascii() or len(text) > limit:
        return _escaped(buffer, at, text.encode("utf-8", "replace"), limit)
    start = at
    for letter in text:
        code = ord(letter)
        if UNSAFE_TABLE[code]:
            return _escaped(buffer, start, text.encode("ascii"), limit)
        buffer[at] = code
        at += 1
    return at if at > start else _copy(buffer, at, b"-")


def _escaped(buffer: bytearray, at: int, data: bytes, limit: int) -> int:
    if not data:
        return _copy(buffer, at, b"-")
    size = len(data)
    for index in range(size if size < limit else limit):
        byte = data[index]
        if UNSAFE_TABLE[byte]:
            at = _copy(buffer, at, b"\\x")
            buffer[at] = HEX[byte >> 4]
            buffer[at + 1] = HEX[byte & 15]
            at += 2
        else:
            buffer[at] = byte
            at += 1
    return _copy(buffer, at, b"...") if size > limit else at


def _call_later(seconds: float, call: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, call)
