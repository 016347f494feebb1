"""A transport in memory: what a protocol wrote and asked for, and a client that reads when the test says so.

    transport = MemoryTransport(loop); transport.connect(protocol)
    transport.stuck = True            the client takes nothing: above `high` the protocol is paused
    transport.take(1000)              it reads so many bytes
    transport.hang_up()               it closes its side
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

from tests.support.clock import ClockLoop

__all__ = ["FakeSocket", "MemoryTransport"]


class FakeSocket:
    """As much of a socket as a protocol looks at."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.family = family
        self.options: list[tuple[int, int, Any]] = []

    def setsockopt(self, level: int, name: int, value: Any) -> None:
        self.options.append((level, name, value))


class MemoryTransport(asyncio.Transport):
    """One accepted connection; `calls` are the writes, one entry each."""

    def __init__(
        self,
        loop: ClockLoop,
        peername: Any = ("192.0.2.1", 4711),
        sockname: Any = ("192.0.2.2", 80),
        family: int = socket.AF_INET,
        half_close: bool = True,
    ) -> None:
        self.sock = FakeSocket(family)
        super().__init__({"peername": peername, "sockname": sockname, "socket": self.sock})
        self.loop = loop
        self.half_close = half_close
        self.high, self.low = 65_536, 16_384
        self.stuck = False
        self.reading = True
        self.calls: list[bytes] = []
        self.buffered = 0
        self.eof_written = self.closing = self.aborted = self.lost = self.paused = False
        self.protocol: Any = None

    @property
    def written(self) -> bytes:
        return b"".join(self.calls)

    def fresh(self) -> bytes:
        """Return what was written since the last time."""
        data, self.calls = self.written, []
        return data

    # The client's side

    def connect(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.connection_made(self)

    def say(self, data: bytes) -> None:
        """Let the protocol read."""
        assert self.reading
        assert not self.closing, "a closed socket is not read"
        self.protocol.data_received(data)

    def take(self, size: int) -> None:
        before, self.buffered = self.buffered, max(0, self.buffered - size)
        if self.paused and before > self.low >= self.buffered:
            self.paused = False
            self.protocol.resume_writing()
        self._settle()

    def hang_up(self) -> None:
        if not self.protocol.eof_received():
            self.close()

    # The protocol's side

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        assert not self.eof_written, "written after the end"
        assert not self.closing, "written after close"
        assert data, "an empty write"
        self.calls.append(bytes(data))
        if self.stuck:
            self.buffered += len(data)
            if self.buffered > self.high and not self.paused:
                self.paused = True
                self.protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[int]]) -> None:
        self.write(b"".join(bytes(piece) for piece in list_of_data))

    def can_write_eof(self) -> bool:
        return self.half_close

    def write_eof(self) -> None:
        assert not self.eof_written
        assert self.half_close
        self.eof_written = True

    def close(self) -> None:
        self.closing = True
        self._settle()

    def abort(self) -> None:
        self.closing = self.aborted = True
        self.buffered = 0
        self._settle()

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is not None
        self.high, self.low = high, low

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def _settle(self) -> None:
        if self.closing and not self.buffered and not self.lost:
            self.lost = True
            self.loop.call_soon(self.protocol.connection_lost, None)
