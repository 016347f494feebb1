"""The priority frames of one connection: their rules, their budget, and what they say of streams that are still idle.

PRIORITY_UPDATE (RFC 9218 7.1) decides what is sent first. PRIORITY (RFC 7540 6.3, deprecated) is told to applications
and decides nothing. Both engines ask here, so that they answer the same frames equally.
"""

from __future__ import annotations

from appserver.contract import Reset
from appserver.http.priority import read_priority

__all__ = ["MAX_PAYLOAD", "BrokenPriority", "PrioritySignals"]

# As `Request` has them.
Priority = tuple[int, bool]
Dependency = tuple[int, int]

# What an engine keeps of a PRIORITY_UPDATE frame: a longer field is malformed to `parse_priority` in any case.
MAX_PAYLOAD = 4 + 257
# Priority frames of one connection: so many at once, and for each request so many more.
MAX_FRAMES = 1_000
FRAMES_PER_REQUEST = 10
_STREAM_ID = 0x7FFFFFFF


class BrokenPriority(Exception):
    """The peer broke the connection's protocol; `code` goes into GOAWAY."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class PrioritySignals:
    """What the frames of one connection say. Idle streams are remembered up to `max_streams`."""

    __slots__ = ("_dependencies", "_frames", "_max_streams", "_updates")

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._updates: dict[int, Priority | None] = {}
        self._dependencies: dict[int, Dependency] = {}
        self._frames = 0

    def take_update(self, carrier: int, payload: bytes, highest: int, active: int) -> tuple[int, Priority | None]:
        """Read a PRIORITY_UPDATE frame on stream `carrier`: return the stream that it is about and what it says (None: nothing).

        Of a stream above `highest`, which is idle, it is kept for `on_open`; `active` streams are open. Raises BrokenPriority.
        """
        self._count()
        if carrier:
            raise BrokenPriority(Reset.PROTOCOL_ERROR, "PRIORITY_UPDATE on a stream")
        if len(payload) < 4:
            raise BrokenPriority(Reset.FRAME_SIZE_ERROR, "PRIORITY_UPDATE of less than four bytes")
        stream = int.from_bytes(payload[:4], "big") & _STREAM_ID
        if stream % 2 == 0:
            raise BrokenPriority(Reset.PROTOCOL_ERROR, "PRIORITY_UPDATE for stream 0 or for one that only a push could open")
        priority = read_priority(payload[4:])
        if stream > highest:
            if stream not in self._updates and len(self._updates) + active >= self._max_streams:
                raise BrokenPriority(Reset.PROTOCOL_ERROR, "PRIORITY_UPDATE for more streams than may be open")
            if priority is not None or stream not in self._updates:
                self._updates[stream] = priority
        return stream, priority

    def take_dependency(self, stream: int, payload: bytes, highest: int) -> Dependency:
        """Read a PRIORITY frame: return (weight, depends_on); of an idle stream it is kept for `on_open`. Raises BrokenPriority."""
        self._count()
        weight, parent = payload[4] + 1, int.from_bytes(payload[:4], "big") & _STREAM_ID
        if parent == stream:
            raise BrokenPriority(Reset.PROTOCOL_ERROR, "a stream that depends on itself")  # RFC 7540 5.3.1
        if stream > highest and (stream in self._dependencies or len(self._dependencies) < self._max_streams):
            self._dependencies[stream] = weight, parent
        return weight, parent

    def on_open(self, stream: int) -> tuple[Priority | None, Dependency | None]:
        """A stream opens, and all below it cannot any more: return what was said of it."""
        self._frames = max(0, self._frames - FRAMES_PER_REQUEST)
        update = self._updates.pop(stream, None)
        dependency = self._dependencies.pop(stream, None)
        for early in (self._updates, self._dependencies):
            for number in [number for number in early if number < stream]:
                del early[number]
        return update, dependency

    def _count(self) -> None:
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise BrokenPriority(Reset.ENHANCE_YOUR_CALM, "too many priority frames")
