"""The transport of one HTTP/1.1 connection: what is queued for it, its pauses both ways, its end.

Also what a stream needs of its connection, as a base that the compiled build calls through C slots.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appserver.h1.transfer import FileTransfer

__all__ = ["Wire"]

# The transport's own buffer: above, streams are not writable; below, they are again.
WRITE_HIGH = 262_144
WRITE_LOW = 65_536
# Output queued in one turn of the loop before it goes to the transport; pieces from PIECE on are not copied.
QUEUE = 65_536
PIECE = 8_192
# Output after which a stream that never had to wait lets others have a turn.
TURN = 1_048_576
# Body bytes owed to the peer above which the socket is not read. Each piece counts for PIECE_OVERHEAD more: many
# small ones are much memory.
OWED_HIGH = 262_144
OWED_LOW = 131_072
PIECE_OVERHEAD = 64
# struct linger: on, no seconds.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Wire:
    """One transport. `out` is written in one piece, `queued` is the size of the body bytes in it.

    `sends_files` says that the socket may be written to as it is, `transfer` is what does so.
    """

    __slots__ = (
        "_call_soon", "_context", "_corked", "_drained", "_lost", "_owed", "_owed_pieces", "_paused", "_reading_paused", "_scheduled",
        "_turn", "_write", "_writelines", "_written", "_yielding", "out", "queued", "sends_files", "transfer", "transport",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, sends_files: bool) -> None:
        transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)
        self.transport = transport
        self.out: list[bytes] = []
        self.queued: int = 0
        self._write = transport.write
        # asyncio's (3.12, 3.13) never says pause_writing, and goes on to watch the descriptor of a closed transport.
        self._writelines = None if isinstance(transport, asyncio.Transport) else transport.writelines
        self._call_soon = loop.call_soon
        # The loop's, not a request's: what is started from within a request must not inherit its variables.
        self._context = contextvars.copy_context()
        self._corked = self._scheduled = self._yielding = False
        self._paused = self._reading_paused = self._lost = False
        self._turn: int = 0
        self._written: int = 0
        self.sends_files = sends_files
        self.transfer: FileTransfer | None = None
        self._drained: asyncio.Future[None] | None = None
        self._owed: int = 0
        self._owed_pieces: int = 0

    # Called by the stream, made by the connection

    def is_persistent(self) -> bool:
        """Tell whether the connection may go on after this response."""
        raise NotImplementedError

    def upgraded(self) -> None:
        """The head of a 101 is out: what follows, both ways, is not HTTP."""
        raise NotImplementedError

    def response_complete(self, persistent: bool) -> None:
        """The response is whole."""
        raise NotImplementedError

    def tunnel_half_closed(self) -> None:
        """Our half of the tunnel has ended."""
        raise NotImplementedError

    def aborted(self, abruptly: bool) -> None:
        """The response will never be whole; only `abruptly` would the client see that."""
        raise NotImplementedError

    def set_writable(self, writable: bool) -> None:
        """Let the stream in progress write, or wait."""
        raise NotImplementedError

    # Writing

    def can_write(self) -> bool:
        """Tell whether a stream may write without waiting."""
        return not self._paused and not self._yielding

    def pause_writing(self) -> None:
        """The transport is full."""
        self._paused = True
        self.set_writable(False)

    def resume_writing(self) -> None:
        """The transport has room."""
        self._paused = False
        if self._drained is not None:
            self._end_drained()
        if not self._yielding:
            self.set_writable(True)

    def schedule(self) -> None:
        """There is output: send it once in this turn of the loop, or at once if it is much."""
        if self.queued >= QUEUE:
            self.flush()
        elif not self._scheduled and not self._corked:
            self._scheduled = True
            self._call_soon(self._flush_scheduled)

    def push(self) -> None:
        """As `schedule`, for a tunnel, whose writes are mostly one to a turn."""
        if self._writelines is None or self._corked:
            self.schedule()
        else:
            # uvloop gathers by itself what is written in one turn.
            self.flush()

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Hand all output to the transport; the only place that writes."""
        out = self.out
        if not out:
            return
        large = self.queued >= QUEUE
        self.out = []
        self.queued = 0
        if self._lost:
            return
        if not large:
            data = out[0] if len(out) == 1 else b"".join(out)
            self._written += len(data)
            self._write(data)
        elif not self.transport.is_closing():
            self._flush_large(out)
        else:
            # The socket is gone, the loop will say so: until then nobody may go on writing.
            self.set_writable(False)

    def _flush_large(self, out: list[bytes]) -> None:
        pieces: list[bytes] = []
        small: list[bytes] = []
        size = 0
        for piece in out:
            size += len(piece)
            if len(piece) < PIECE:
                small.append(piece)
                continue
            if small:
                pieces.append(b"".join(small))
                small = []
            pieces.append(piece)
        if small:
            pieces.append(b"".join(small))
        self._written += size
        if self._writelines is not None:
            self._writelines(pieces)
        else:
            for piece in pieces:
                self._write(piece)
        self._turn += size
        if self._turn >= TURN and not self._paused and not self._yielding:
            # A client as fast as the application would keep the loop to these two.
            self._yielding = True
            self.set_writable(False)
            self._call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._turn = 0
        self._yielding = False
        if not self._paused:
            self.set_writable(True)

    # A file, past the transport

    async def drained(self) -> None:
        """Send all output, and wait until the socket has it, or is gone."""
        self.flush()
        if self.transport.is_closing() or not self.transport.get_write_buffer_size():
            return
        self._drained = waiter = asyncio.get_running_loop().create_future()
        self.transport.set_write_buffer_limits(high=0)
        try:
            await waiter
        finally:
            self._drained = None
            if not self.transport.is_closing():  # uvloop's would raise
                self.transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)

    def _end_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def file_sent(self, size: int) -> None:
        """The socket has taken bytes of a file."""
        self._written += size

    def stop_transfer(self) -> None:
        """The stream is over: its file is, too."""
        if self.transfer is not None:
            self.transfer.stop()
            self._end_drained()

    def awaits_client(self) -> bool:
        """Tell whether the client has to take output before there can be more."""
        return self._paused or (self.transfer is not None and self.transfer.waits)

    # Reading

    def owe(self, size: int) -> None:
        """A piece of a body goes to the application."""
        self._owed += size
        self._owed_pieces += 1

    def granted(self, size: int) -> None:
        """The application has taken body bytes."""
        self._owed -= size
        if self._owed <= 0:
            self._owed_pieces = 0
        if self._reading_paused:
            self.update_reading()

    def clear_owed(self) -> None:
        """Nobody takes what is owed any more."""
        self._owed = self._owed_pieces = 0

    def exceeds_credit(self) -> bool:
        """Tell whether the peer has to wait for the application."""
        owed = self._owed + self._owed_pieces * PIECE_OVERHEAD
        return owed > (OWED_LOW if self._reading_paused else OWED_HIGH)

    def update_reading(self) -> None:
        """Read the socket, or let the peer wait."""
        raise NotImplementedError

    def pause_reading(self, pause: bool) -> None:
        """Let the peer wait, or read on."""
        if pause == self._reading_paused:
            return
        self._reading_paused = pause
        if pause:
            self.transport.pause_reading()
        else:
            self._context.copy().run(self.transport.resume_reading)

    # The end

    def detach(self, last: bytes) -> None:
        """Send what is queued and these last bytes, and nothing more: another protocol has the transport."""
        self.out.append(last)
        self.flush()
        self._lost = True

    def close_transport(self, linger: bool) -> None:
        """Send what is queued and close; `linger` reads on until the client closes.

        A close with unread bytes would be a reset, and might destroy the answer on its way.
        """
        self.flush()
        if self.transport.is_closing():
            return
        if linger and self.transport.can_write_eof():
            self.pause_reading(False)
            self.transport.write_eof()
        else:
            self.transport.close()

    def reset_transport(self) -> None:
        """Reset the connection, so that the client takes nothing of it for the end of a body."""
        self.flush()
        # abort() alone is a FIN to the peer, if it has nothing unread.
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()

    def abort(self) -> None:
        """Close the socket at once."""
        self.transport.abort()
