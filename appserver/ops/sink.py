r"""A file, pipe or terminal that takes lines and never makes its caller wait.

    put() --batch--> queue, at most 1 MiB --> a thread of the sink's own --write--> target
                       \-- full: the batch is dropped and counted

Every write of the target is in the thread: a regular file is always "ready" and may still block for seconds on a slow
disk, and so may a terminal that is stopped. What cannot be written is dropped by whole lines and counted.
"""

from __future__ import annotations

import os
import queue
import select
import threading
from collections.abc import Callable

__all__ = ["BACKLOG_BYTES", "SLOW", "Sink"]

BACKLOG_BYTES = 1_048_576  # kept for a target that is slow
CLOSE_SECONDS = 1.0
FILE_MODE = 0o640
NEWLINE = 0x0A
SLOW = "the reader or the disk is too slow"

Write = Callable[[int, bytes], int]
Item = bytes | Callable[[], None] | None  # lines, something else to do there, or the end


def _write(fd: int, data: bytes) -> int:
    return os.write(fd, data)


class Sink:
    """One target of lines: a path, or an open descriptor that stays open. Opening a path raises OSError.

    `put` is for one thread at a time; `taken` and the like are written by the caller, `done` and the like by the writer.
    """

    __slots__ = (
        "_closed", "_done", "_failed", "_fd", "_midline", "_path", "_queue", "_rejected", "_reported",
        "_taken", "_thread", "_torn", "_trouble", "_write",
    )  # fmt: skip

    def __init__(self, target: str | int, write: Write = _write) -> None:
        self._path = target if isinstance(target, str) else ""
        self._fd = _opened(target) if isinstance(target, str) else target
        self._write = write
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._taken = self._rejected = self._reported = 0
        self._done = self._failed = 0
        self._trouble = ""
        self._midline = False  # the last byte written was not a newline
        self._torn = False  # and the rest of that line was lost

    def put(self, lines: bytes) -> bool:
        """Take whole lines to be written soon; False if there was no room and they are lost."""
        if self._closed:
            return False
        if self.waiting + len(lines) > BACKLOG_BYTES:
            self._rejected += lines.count(b"\n")
            return False
        self._taken += len(lines)
        self._hand_over(lines)
        return True

    @property
    def waiting(self) -> int:
        """Bytes that were taken and are neither written nor lost."""
        return self._taken - self._done

    def losses(self) -> tuple[str, int]:
        """Return why lines were lost since the last time, and how many; ("", 0) if none were."""
        trouble, self._trouble = self._trouble, ""
        lost = self._rejected + self._failed
        fresh, self._reported = lost - self._reported, lost
        return trouble or (SLOW if fresh else ""), fresh

    @property
    def has_losses(self) -> bool:
        """Whether `losses` has something to say."""
        return bool(self._trouble) or self._rejected + self._failed > self._reported

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until what was taken is written or lost; False if that takes longer than `seconds`."""
        if not self.waiting:
            return True
        reached = threading.Event()
        self._hand_over(reached.set)
        return reached.wait(seconds)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is waiting, giving a slow target `seconds`, and close; what is left then is lost."""
        if self._closed:
            return
        self._closed = True
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._queue.put(None)
            thread.join(seconds)
            if thread.is_alive():
                self._rejected += self._left()
                return  # it holds the descriptor
        if self._path:
            os.close(self._fd)

    def reopen(self) -> None:
        """Open the path anew after what is waiting, once it was rotated away; on failure the old file is kept."""
        if self._path and not self._closed:
            self._hand_over(self._reopen)

    # The caller's side

    def _hand_over(self, item: Item) -> None:
        self._queue.put(item)
        # Also the first time after a fork, in which only one thread goes on.
        if self._thread is None or not self._thread.is_alive():
            # A daemon: a target that blocks for ever must not keep the process.
            self._thread = threading.Thread(target=self._run, name="appserver-log", daemon=True)
            self._thread.start()

    def _left(self) -> int:
        """Take what is still queued, and count its lines."""
        left = 1 if self.waiting else 0  # the batch in hand: at least one
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return left
            left += item.count(b"\n") if isinstance(item, bytes) else 0

    # The writer's side

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, bytes):
                self._write_all(item)
                self._done += len(item)
            else:
                item()

    def _write_all(self, lines: bytes) -> None:
        prefix = b"\n" if self._torn else b""
        data = prefix + lines
        done = 0
        try:
            while done < len(data):
                done += self._write_some(data[done:] if done else data)
        except OSError as error:
            self._failed += data.count(b"\n", max(done, len(prefix)))
            self._trouble = error.strerror or str(error)
        if done:
            self._midline = data[done - 1] != NEWLINE
        self._torn = self._midline and done < len(data)

    def _write_some(self, data: bytes) -> int:
        while True:
            try:
                return self._write(self._fd, data)
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()

    def _reopen(self) -> None:
        try:
            fd = _opened(self._path)
        except OSError as error:
            self._trouble = f"not reopened: {error.strerror}"
            return
        os.close(self._fd)
        self._fd, self._midline, self._torn = fd, False, False


def _opened(path: str) -> int:
    # Not blocking: a pipe without a reader is a mistake to report, not one to wait for.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, FILE_MODE)
