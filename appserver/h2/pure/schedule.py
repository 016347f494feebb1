"""Whose DATA is sent next: by urgency, then by turns, and nobody is passed over for ever (RFC 9218 10).

nghttp2's order, which the kernel sends in: the most urgent first; of those the lowest cycle, then the older stream. A
stream that comes back has the cycle of the first in line; an incremental one adds what it has sent, and so lets the
others go before it sends again. Once a peer has spoken of priorities, a stream that was passed over too often is next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appserver.h2.engine import PASSED_OVER

if TYPE_CHECKING:
    from appserver.h2.pure.stream import PureStream

__all__ = ["Schedule"]


class Schedule:
    """The streams with something to send: in line, or parked while their window is closed."""

    def __init__(self) -> None:
        self.prioritized = False
        self._line: dict[int, PureStream] = {}
        self._parked: dict[int, PureStream] = {}
        self._frames = self._checked = self._seen = 0

    def add(self, stream: PureStream) -> None:
        """Let a stream that has something to send stand in line, unless it does so already."""
        if stream.id not in self._line and stream.id not in self._parked:
            stream.waits_since = self._frames
            self._join(stream)

    def _join(self, stream: PureStream) -> None:
        cycles = [other.cycle for other in self._line.values() if other.urgency == stream.urgency]
        stream.cycle = min(cycles, default=0) + (stream.last_size if stream.incremental else 0)
        self._line[stream.id] = stream

    def remove(self, stream: PureStream) -> None:
        """It has nothing to send, or is over."""
        self._line.pop(stream.id, None)
        self._parked.pop(stream.id, None)

    def change(self, stream: PureStream, urgency: int, incremental: bool) -> None:
        """Move a stream to where it now belongs."""
        if (stream.urgency, stream.incremental) == (urgency, incremental):
            return
        stands = self._line.pop(stream.id, None)
        stream.urgency = urgency
        stream.incremental = incremental
        if stands is not None:
            self._join(stream)

    def park(self, stream: PureStream) -> None:
        """Its window is closed."""
        self._parked[stream.id] = self._line.pop(stream.id)

    def unpark(self, stream: PureStream) -> None:
        """Its window is open."""
        if self._parked.pop(stream.id, None) is not None:
            self._join(stream)

    @property
    def parked(self) -> list[PureStream]:
        """The streams that wait for their window."""
        return list(self._parked.values())

    def clear(self) -> None:
        """Forget all."""
        self._line.clear()
        self._parked.clear()

    def next(self) -> PureStream | None:
        """Return whose turn it is. An end without DATA needs no window and goes before all."""
        ends = [stream for stream in self._line.values() if not stream.queue]
        if ends or not self._line:
            return ends[0] if ends else None
        return self._starving() or min(self._line.values(), key=lambda stream: (stream.urgency, stream.cycle, stream.id))

    def _starving(self) -> PureStream | None:
        if not self.prioritized or self._frames - self._checked < PASSED_OVER:
            return None
        longest = min(self._line.values(), key=lambda stream: (stream.waits_since, stream.id))
        if self._frames - longest.waits_since >= PASSED_OVER:
            return longest
        self._checked = self._frames
        return None

    def has_moved(self) -> bool:
        """Tell whether DATA was sent since this was asked last, on a connection where one answer may go before another."""
        moved = self.prioritized and self._frames != self._seen
        self._seen = self._frames
        return moved

    def on_sent(self, stream: PureStream, size: int) -> None:
        """A DATA frame of `size` bytes was sent."""
        level = [other for other in self._line.values() if other.urgency == stream.urgency]
        stream.last_size = size
        if stream.incremental and len(level) > 1:
            stream.cycle += size
        self._frames += 1
        if self._frames - 1 - stream.waits_since >= PASSED_OVER:
            self._checked = self._frames
        stream.waits_since = self._frames
