"""A file, pipe or terminal that takes lines in batches and never makes its caller wait.

Lines wait up to 0.1 s or 64 KiB. What cannot be written is kept for a while, then dropped by whole
lines, counted and told to `on_loss`, at most once a minute.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
import time
from collections.abc import Callable

__all__ = ["Sink"]

BATCH_BYTES = 65_536
BATCH_SECONDS = 0.1
BACKLOG_BYTES = 1_048_576  # kept for a reader that is slow
REPORT_SECONDS = 60.0
CLOSE_SECONDS = 1.0
PIPE_CHUNK_BYTES = 4_096  # PIPE_BUF: what a pipe that polls as writable takes at once
FILE_MODE = 0o640
NEWLINE = 0x0A
SLOW = "the reader is too slow"

Later = Callable[[float, Callable[[], None]], object]
Loss = Callable[[str, int], None]


class Sink:
    """One target of lines: a path, or stdout as "-". Opening raises OSError."""

    __slots__ = (
        "_clock", "_dropped", "_fd", "_is_file", "_later", "_midline", "_on_loss", "_pending",
        "_reason", "_reported", "_scheduled", "_size", "_target", "_torn",
    )  # fmt: skip

    def __init__(
        self, target: str, on_loss: Loss, *, later: Later | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._target = target
        self._on_loss = on_loss
        self._later = later or _call_later
        self._clock = clock
        self._pending: list[bytes] = []
        self._size = 0
        self._scheduled = False
        self._midline = False  # the last byte written was not a newline
        self._torn = False  # and the rest of that line was lost
        self._dropped = 0
        self._reason = ""
        self._reported = float("-inf")
        self._fd, self._is_file = _opened(target)

    def put(self, line: bytes) -> None:
        """Take one line, its newline included."""
        if self._fd < 0:
            return
        if self._size + len(line) > BACKLOG_BYTES:
            self._lose(1, SLOW)
            return
        before = self._size
        self._pending.append(line)
        self._size += len(line)
        if before < BATCH_BYTES <= self._size:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._later(BATCH_SECONDS, self._tick)

    def flush(self) -> None:
        """Write what is waiting, as far as the target takes it at once."""
        if not self._pending:
            return
        mend = int(self._torn)
        data = b"\n" * mend + b"".join(self._pending)
        done, failure = self._write(data)
        if done:
            self._midline, self._torn = data[done - 1] != NEWLINE, False
        rest = data[done or mend :]
        if failure:
            self._torn = self._midline
            self._lose(rest.count(b"\n"), failure)
            rest = b""
        self._pending = [rest] if rest else []
        self._size = len(rest)

    def close(self) -> None:
        """Write what is waiting, giving a slow reader one second, and close."""
        deadline = self._clock() + CLOSE_SECONDS
        self.flush()
        while self._pending and (left := deadline - self._clock()) > 0 and self._is_writable(left):
            self.flush()
        if self._pending:
            self._lose(sum(piece.count(b"\n") for piece in self._pending), SLOW)
            self._pending = []
        if self._dropped:
            self._report(self._reason)
        if self._fd > 1:
            os.close(self._fd)
        self._fd = -1

    def reopen(self) -> None:
        """Open the path anew, after it was rotated away; stdout stays. On failure the old file is kept."""
        self.flush()
        if self._target == "-" or self._fd < 0:
            return
        try:
            fd, is_file = _opened(self._target)
        except OSError as error:
            self._report(f"not reopened: {error.strerror}")
            return
        os.close(self._fd)
        self._fd, self._is_file, self._midline = fd, is_file, False
        self._torn = False

    # Writing

    def _tick(self) -> None:
        self._scheduled = False
        self.flush()
        if self._pending:
            self._scheduled = True
            self._later(BATCH_SECONDS, self._tick)

    def _write(self, data: bytes) -> tuple[int, str]:
        """Return how many bytes were taken, and why no more could ever be."""
        step = len(data) if self._is_file else PIPE_CHUNK_BYTES
        done = 0
        try:
            while done < len(data) and (self._is_file or self._is_writable(0)):
                done += os.write(self._fd, data[done : done + step])
        except BlockingIOError:
            return done, ""
        except OSError as error:
            return done, str(error.strerror)
        return done, ""

    def _is_writable(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))  # an error counts: the write shall meet it

    # Losing

    def _lose(self, lines: int, reason: str) -> None:
        self._dropped += lines
        self._reason = reason
        if self._clock() - self._reported >= REPORT_SECONDS:
            self._report(reason)

    def _report(self, reason: str) -> None:
        self._reported = self._clock()
        dropped, self._dropped = self._dropped, 0
        self._on_loss(reason, dropped)


def _opened(target: str) -> tuple[int, bool]:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    fd = 1 if target == "-" else os.open(target, flags, FILE_MODE)
    return fd, stat.S_ISREG(os.fstat(fd).st_mode)


def _call_later(seconds: float, call: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, call)
