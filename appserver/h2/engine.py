"""The seam between one HTTP/2 connection and the library that speaks its frames.

    Connection --receive(data)--> Engine --on_request--> Connection.begin(request, stream) -> Receiver
                                         --on_body, on_end, on_lost, on_writable--> Receiver
    Connection <---take()-------- Engine <--respond, write, finish, grant, reset--- Stream

An engine owns framing, HPACK, windows, stream ids and the streams' queues. It owns no socket, no
clock and no policy: fields are judged by `http.message.Head`, bodies counted by `http.body.BodyMeter`.
Both engines must make the same calls up for the same bytes; `tests/engines` compares them.
"""

from __future__ import annotations

from typing import Protocol

from appserver.contract import Receiver, Request, Stream

__all__ = [
    "CONNECTION_QUEUE",
    "MAX_CONTINUATIONS",
    "MOST_HEAD",
    "STREAM_QUEUE",
    "Engine",
    "EngineOwner",
    "Windows",
]

# A stream stops being writable with this much queued, and all streams of a connection with that much.
STREAM_QUEUE = 262_144
CONNECTION_QUEUE = 1_048_576
# CVE-2024-28182; nghttp2's and our own limit.
MAX_CONTINUATIONS = 8
# Fields of a response, names and values: a longer head is not sent, and its stream is reset.
MOST_HEAD = 1_048_576


class Windows:
    """What is advertised: streams at once, bytes per stream, bytes per connection, field bytes."""

    __slots__ = ("connection", "head", "stream", "streams")

    def __init__(self, streams: int, stream: int, connection: int, head: int) -> None:
        self.streams = streams
        self.stream = stream
        self.connection = connection
        self.head = head


class EngineOwner(Protocol):
    """What an engine calls up to: the connection."""

    def begin(self, request: Request, stream: Stream) -> Receiver | None:
        """Take a judged request; None refuses it (the connection has answered or drains)."""

    def schedule(self) -> None:
        """There is output that no running `receive` will flush."""

    def on_pong(self) -> None:
        """The peer acknowledged a PING: it has read all that was sent before."""

    def on_fault(self, reason: str) -> None:
        """The peer broke the protocol (a stream or the connection); for the log only."""


class Engine(Protocol):
    """One connection's HTTP/2, without a socket.

    Constructed as `Engine(owner, head, peer, windows)` with a `Head(limits, h2=True)`.
    The first `take` returns the server's SETTINGS (HEADER_TABLE_SIZE 4096, ENABLE_PUSH 0,
    MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE, NO_RFC7540_PRIORITIES 1) and the
    WINDOW_UPDATE that opens the connection's window.
    """

    corked: bool
    """Set by the owner while it will flush anyway: `schedule` is not called then."""

    def receive(self, data: bytes) -> None:
        """Parse bytes and make the calls up. Never raises for what a peer sent.

        A wrong request head is answered (4xx, 5xx with an empty body) or its stream reset; a broken
        connection queues GOAWAY and sets `ended`.
        """

    def take(self, most: int) -> list[bytes | memoryview]:
        """Return the next output as buffers, about `most` bytes; an empty list if there is none now."""

    @property
    def ended(self) -> bool:
        """Nothing more will be read or written once `take` returns nothing: close the socket."""

    @property
    def inflight(self) -> int:
        """Open streams."""

    def notice(self) -> None:
        """Drain, step one: GOAWAY with the highest stream id (RFC 9113 6.8) and a PING.

        Streams are still taken; `EngineOwner.on_pong` says that the peer has seen it.
        """

    def goaway(self) -> None:
        """Drain, step two: GOAWAY with the last id taken; `ended` once the open streams are done."""

    def expire(self, now: float, seconds: float) -> None:
        """Reset each stream whose waiting answer has not moved for `seconds`; called about once a second."""

    def terminate(self, code: int) -> None:
        """GOAWAY with `code` at once; open streams are lost."""

    def lose(self) -> None:
        """The socket is gone: `on_lost` to each open stream's receiver, and let everything go."""
