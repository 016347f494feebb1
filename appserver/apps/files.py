"""Files that an application has sent: opened, measured and read without the loop ever waiting for a disk.

What the kernel has in its caches is opened and read in the loop (RESOLVE_CACHED, RWF_NOWAIT: calls that fail where they
would wait); all else is a job of one of a few threads. A file stays open until the last of its jobs is done, whoever has
given it up by then: a disk may hang for longer than a client stays.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from appserver.errors import InvalidMessage

__all__ = ["CHUNK", "Files", "OpenFile"]

# Disks that hang hold so many threads and no more; what is to be read meanwhile waits.
THREADS = 8
# Bytes of one read. A stream's queue holds two of them.
CHUNK = 131_072
# What the kernel is asked to read behind a chunk that was not in its cache.
READ_AHEAD = 4 * CHUNK
# Folders known to be on a local filesystem.
MAX_FOLDERS = 4_096
# Nothing that can be opened here may wait (a FIFO for its writer), or become our terminal.
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Files:
    """The threads of one worker that wait for disks; made when they are first needed."""

    __slots__ = ("_executor", "_local_folders", "_open_cached", "_scratch")

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._open_cached: Callable[[bytes], int] | None = None
        self._local_folders: set[bytes] = set()
        self._scratch: memoryview | None = None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run it in a thread, when one is free."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(THREADS, "appserver-files")
        return self._executor.submit(function, *arguments)

    def open_cached(self, path: bytes) -> int:
        """Return a descriptor, or -1 if to open that path might wait, or fails."""
        folder = path.rpartition(b"/")[0]
        if folder not in self._local_folders or self._open_cached is None:
            return -1
        return self._open_cached(path)

    def note_cached(self, path: bytes) -> None:
        """The path's filesystem reads from its cache without waiting: it is a local one, where open does not wait either."""
        if self._open_cached is None:
            from appserver.apps.cached_open import cached_opener

            self._open_cached = cached_opener(FLAGS)
        if len(self._local_folders) >= MAX_FOLDERS:
            self._local_folders.clear()
        self._local_folders.add(path.rpartition(b"/")[0])

    def scratch(self) -> memoryview:
        """Return a buffer for one read of the loop's own."""
        if self._scratch is None:
            self._scratch = memoryview(bytearray(CHUNK))
        return self._scratch

    def close(self) -> None:
        """Let the threads end; who still reads is not waited for."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None


class OpenFile:
    """One open regular file: `contract.File`. `name` is what errors call it, `size` is what it had when it was opened.

    Made of a path, which `begin` opens, or of a descriptor that is its own.
    """

    __slots__ = ("_files", "_lock", "_path", "_users", "fd", "name", "size")

    def __init__(self, files: Files, name: str | bytes, fd: int = -1) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._users = 1
        self._path = os.fsencode(name) if fd < 0 else b""
        self.fd = fd
        self.name = name
        self.size = 0

    def in_thread(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run it in a thread; the file stays open until it returns, or is known never to begin."""
        with self._lock:
            self._users += 1
        try:
            job = self._files.submit(function, *arguments)
        except BaseException:
            self._release()
            raise
        job.add_done_callback(self._release)
        return asyncio.wrap_future(job)

    def close(self) -> None:
        """Give the file up."""
        self._release()

    def _release(self, job: object = None) -> None:
        with self._lock:
            self._users -= 1
            if self._users or self.fd < 0:
                return
        os.close(self.fd)

    async def begin(self, offset: int, limit: int) -> bytes:
        """Open and measure the file; return what it has at `offset`, a chunk or `limit` bytes at most.

        Raises OSError or InvalidMessage, both with its name.
        """
        limit = min(limit, CHUNK)
        chunk = self._begin_cached(offset, limit)
        if not chunk:
            chunk = await self.in_thread(self._begin, offset, limit)
            if self._path and self.is_cached(offset):
                self._files.note_cached(self._path)
        return chunk

    # In a thread

    def _begin(self, offset: int, limit: int) -> bytes:
        if self.fd < 0:
            self.fd = os.open(self.name, FLAGS)
        self._measure()
        limit = min(limit, self.size - offset)
        return self.read(offset, limit) if limit > 0 else b""

    def _measure(self) -> None:
        facts = os.fstat(self.fd)
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.name)
        if not stat.S_ISREG(facts.st_mode):
            raise InvalidMessage(f"{self.name!r} is not a regular file")
        self.size = facts.st_size

    def read(self, offset: int, size: int) -> bytes:
        """Read, and have the kernel read on; fewer bytes than asked for, or none, are the end of the file."""
        try:
            data = os.pread(self.fd, size, offset)
            if offset + size < self.size:
                os.posix_fadvise(self.fd, offset + size, READ_AHEAD, os.POSIX_FADV_WILLNEED)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.name) from None
        return data

    # In the loop

    def _begin_cached(self, offset: int, limit: int) -> bytes:
        if self.fd < 0:
            self.fd = self._files.open_cached(self._path)
            if self.fd < 0:
                return b""
        data = self.read_cached(offset, limit) if limit else b""
        if data:
            # Where such reads are possible, the facts are at hand.
            self._measure()
        return data

    def read_cached(self, offset: int, size: int) -> bytes:
        """Return what the page cache has at `offset`; nothing if a read would wait, or nobody knows."""
        scratch = self._files.scratch()
        try:
            # Some kernels (5.9, 5.10) may say 0 where there is more: a thread looks again.
            done = os.preadv(self.fd, [scratch[:size]], offset, os.RWF_NOWAIT)
        except OSError:
            # EAGAIN: not there. EOPNOTSUPP: not on this filesystem. What is an error of the file, a thread's read will say.
            return b""
        return bytes(scratch[:done])

    def is_cached(self, offset: int) -> bool:
        """Tell whether the page cache has that byte, as far as anybody knows."""
        return bool(self.read_cached(offset, 1))
