"""A file's bytes from the page cache to the socket of an HTTP/1.1 connection, past the program: sendfile(2).

    run --output is out--> SENDING --the socket is full--> WAITING for the client
                              ^                                |
                              '--------- room again -----------'
    any --the file ends, has no sendfile, or `stop`--> over, with fewer bytes than asked for

Each step is made in a thread, since the file may have to come from a disk. It goes to a descriptor of our own for the
same socket: the loop may close its own at any time, and the number may be somebody else's by then.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appserver.contract import File
    from appserver.h1.stream import Http1Stream
    from appserver.h1.wire import Wire

__all__ = ["FileTransfer"]

# Bytes after which a thread is free for somebody else's file.
STEP = 4_194_304
# A client on a fast network takes what fills the socket in less time than the way through the loop and back would.
ROOM_MS = 2

SENT = 0
FULL = 1
ENDED = 2
GONE = 3


class FileTransfer:
    """One part of a file, once. `waits` is set while only the client keeps it from going on."""

    __slots__ = ("_closing", "_count", "_file", "_in_step", "_lock", "_sent", "_size", "_socket", "_start", "_stopped",
                 "_stream", "_waiter", "_wire", "waits")  # fmt: skip

    def __init__(
        self, wire: Wire, stream: Http1Stream, file: File, offset: int, size: int, count: Callable[[int], None]
    ) -> None:
        self._wire = wire
        self._stream = stream
        self._file = file
        self._start = offset
        self._size = size
        self._count = count
        self._sent = 0
        self._socket = -1
        self._lock = threading.Lock()
        self._in_step = self._closing = self._stopped = False
        self._waiter: asyncio.Future[None] | None = None
        self.waits = False

    async def run(self) -> int:
        """Send; return how many bytes the socket has taken."""
        wire = self._wire
        wire.transfer = self
        try:
            await wire.drained()
            if not self._stopped and not wire.transport.is_closing():
                self._socket = os.dup(wire.transport.get_extra_info("socket").fileno())
                await self._send()
        finally:
            wire.transfer = None
            self._close()
        return self._sent

    def stop(self) -> None:
        """The connection is over: send nothing more, and keep nobody waiting."""
        self._stopped = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _send(self) -> None:
        while self._sent < self._size and not self._stopped:
            # Shielded: a step that was begun is to end, and then to close the socket.
            sent, state = await asyncio.shield(self._begin_step())
            self._sent += sent
            if not self._stopped:
                self._count(sent)
                self._stream.file_sent(sent)
            if state == FULL:
                await self._wait()
            elif state == GONE:
                self._wire.abort()
                return
            elif state == ENDED:
                return

    def _begin_step(self) -> asyncio.Future[tuple[int, int]]:
        self._in_step = True
        try:
            return self._file.in_thread(self._step, min(STEP, self._size - self._sent))
        except BaseException:
            self._in_step = False
            raise

    async def _wait(self) -> None:
        if self._stopped:
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self.waits = True
        loop.add_writer(self._socket, self._wake)
        try:
            await self._waiter
        finally:
            loop.remove_writer(self._socket)
            self.waits = False
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # In a thread

    def _step(self, size: int) -> tuple[int, int]:
        sent = 0
        state = SENT
        try:
            while state == SENT and sent < size and not self._closing:
                state, done = self._sendfile(self._start + self._sent + sent, size - sent)
                sent += done
        finally:
            with self._lock:
                self._in_step = False
                if self._closing:
                    os.close(self._socket)
        return sent, state

    def _sendfile(self, offset: int, size: int) -> tuple[int, int]:
        try:
            done = os.sendfile(self._socket, self._file.fd, offset, size)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._socket, select.POLLOUT)
            return (SENT if poll.poll(ROOM_MS) else FULL), 0
        except ConnectionError:
            return GONE, 0
        except OSError:
            # This file cannot be sent so, or not be read: who reads it will be told.
            return ENDED, 0
        return (SENT if done else ENDED), done

    # In the loop

    def _close(self) -> None:
        with self._lock:
            self._closing = True
            if self._socket >= 0 and not self._in_step:
                os.close(self._socket)
