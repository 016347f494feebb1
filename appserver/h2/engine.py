"""The seam between one HTTP/2 connection and the library that speaks its frames.

    Connection --receive(data, size)--> Engine --on_request--> Connection.begin(request, stream) -> Receiver
                                         --on_body, on_end, on_lost, on_writable--> Receiver
    Connection <---take()-------- Engine <--respond, write, finish, grant, reset--- Stream

An engine owns framing, HPACK, windows, stream ids and the streams' queues. It owns no socket, no
clock and no policy: fields are judged by `http.message.Head`, bodies counted by `http.body.BodyMeter`,
what is refused is answered by `http.answer`.
Both engines must make the same calls up for the same bytes; `tests/engines` compares them.
"""

from __future__ import annotations

from typing import Protocol

from appserver.contract import Fields, Receiver, Request, Stream

__all__ = [
    "CONNECTION_QUEUE",
    "MAX_CONTINUATIONS",
    "MAX_RESPONSE_HEAD",
    "ONE_FRAME",
    "PASSED_OVER",
    "STREAM_QUEUE",
    "Engine",
    "EngineOwner",
    "Settings",
    "trailers_only",
]

# A stream stops being writable with this much queued, and all streams of a connection with that much.
STREAM_QUEUE = 262_144
CONNECTION_QUEUE = 1_048_576
# An answer that fits into one DATA frame need not share its turn.
ONE_FRAME = 16_384
# Whoever could have sent and was passed over for so many DATA frames is next, however urgent the others are.
PASSED_OVER = 16
# CVE-2024-28182; nghttp2's and our own limit.
MAX_CONTINUATIONS = 8
# Fields of a response, names and values: a longer head is not sent, and its stream is reset.
MAX_RESPONSE_HEAD = 1_048_576

# RFC 9113 6.5.2, RFC 8441 3, RFC 9218 2.1
HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_HEADER_LIST_SIZE = 0x6
ENABLE_CONNECT_PROTOCOL = 0x8
NO_RFC7540_PRIORITIES = 0x9

TABLE_BYTES = 4_096


class Settings:
    """What one connection is told and held to.

    `stream_window` and `connection_window` are the receive windows in bytes; with `max_window` above
    them they grow to at most that as `h2.growth` measures. `max_header_list_size` counts as RFC 9113
    6.5.2 does. `connect_protocol` advertises extended CONNECT (RFC 8441) and lets it in.
    """

    __slots__ = (
        "connect_protocol",
        "connection_window",
        "max_concurrent_streams",
        "max_header_list_size",
        "max_window",
        "stream_window",
    )

    def __init__(
        self,
        max_concurrent_streams: int,
        stream_window: int,
        connection_window: int,
        max_header_list_size: int,
        max_window: int = 0,
        connect_protocol: bool = False,
    ) -> None:
        self.max_concurrent_streams = max_concurrent_streams
        self.stream_window = stream_window
        self.connection_window = connection_window
        self.max_header_list_size = max_header_list_size
        self.max_window = max_window
        self.connect_protocol = connect_protocol

    def advertised(self) -> list[tuple[int, int]]:
        """Return the entries of our SETTINGS frame, as (identifier, value) in wire order."""
        entries = [
            (HEADER_TABLE_SIZE, TABLE_BYTES),
            (ENABLE_PUSH, 0),
            (MAX_CONCURRENT_STREAMS, self.max_concurrent_streams),
            (INITIAL_WINDOW_SIZE, self.stream_window),
            (MAX_HEADER_LIST_SIZE, self.max_header_list_size),
            (NO_RFC7540_PRIORITIES, 1),
        ]
        if self.connect_protocol:
            entries.append((ENABLE_CONNECT_PROTOCOL, 1))
        return entries


def trailers_only(fields: Fields) -> bool:
    """Tell whether trailers may stand in the head of an answer without a body: gRPC's Trailers-Only.

    In any other protocol a trailer field that becomes a header field means something else (RFC 9110 6.5.1).
    """
    return any(name == b"content-type" and value.startswith(b"application/grpc") for name, value in fields)


class EngineOwner(Protocol):
    """What an engine calls up to: the connection."""

    def begin(self, request: Request, stream: Stream) -> Receiver | None:
        """Take a judged request; None refuses it (the connection has answered or drains)."""

    def refuse(self, stream: Stream, request: Request, status: int, receiver: Receiver | None) -> None:
        """Answer for the server: `request`, as far as it is known, is malformed or too large; tell `receiver`."""

    def schedule(self) -> None:
        """There is output that no running `receive` will flush."""

    def on_pong(self) -> None:
        """The peer acknowledged the PING of `shutdown_notice`: it has read all that was sent before."""

    def on_fault(self, reason: str) -> None:
        """The peer broke the protocol (a stream or the connection); for the log only."""


class Engine(Protocol):
    """One connection's HTTP/2, without a socket.

    Constructed as `Engine(owner, head, peer, settings)` with a `Head(limits, h2=True)`.
    The first `take` returns the server's SETTINGS (`Settings.advertised`) and the WINDOW_UPDATE that
    opens the connection's window.

    The head of an answer is held until the next `take`: one that ends by then without a body is a
    single HEADERS frame, one that is reset by then was never begun.

    An answer may end before its request does. `max_discard` bytes of the upload are then read on and
    dropped, for as long as `expire` allows, before RST_STREAM(NO_ERROR) (RFC 9113 8.1): clients that
    still send would throw the answer away.
    """

    corked: bool
    """Set by the owner while it will flush anyway: `schedule` is not called then."""

    max_discard: int
    """Set by the owner, from `Limits.discard`; 0, as at first, resets at once."""

    def upgrade(self, request: Request, settings: bytes) -> None:
        """Begin with a request that came as HTTP/1.1, without a body: it is stream 1, ended by its client (RFC 7540 3.2).

        `settings` is the payload of its HTTP2-Settings, which was judged; nothing was received before.
        """

    def receive(self, data: bytes | bytearray, size: int) -> None:
        """Parse the first `size` bytes and make the calls up; nothing of `data` is kept. Never raises for what a peer sent.

        A wrong request head is refused (4xx, 5xx) or its stream reset; a broken connection queues GOAWAY,
        loses its streams and sets `ended`.
        """

    def take(self, max_bytes: int) -> list[bytes | memoryview]:
        """Return the next output as buffers, `max_bytes` and at most a frame more; an empty list if there is none."""

    @property
    def ended(self) -> bool:
        """Nothing more will be read or written once `take` returns nothing: close the socket."""

    @property
    def inflight(self) -> int:
        """Open streams."""

    @property
    def queued(self) -> int:
        """Body bytes that wait for the wire, of all streams."""

    def shutdown_notice(self) -> None:
        """Drain, step one: GOAWAY with the highest stream id (RFC 9113 6.8) and a PING; `on_drain` to each receiver.

        Streams are still taken; `EngineOwner.on_pong` says that the peer has seen it.
        """

    def goaway(self) -> None:
        """Drain, step two: GOAWAY with the last id taken; `ended` once the open streams are done."""

    def expire(self, now: float, stall: float, discard: float) -> None:
        """Reset each stream whose waiting answer stood still for `stall` seconds, or that is discarded for `discard`.

        Called about once a second.
        """

    def terminate(self, code: int) -> None:
        """GOAWAY with `code` at once; `on_lost` to each open stream's receiver."""

    def lose(self) -> None:
        """The socket is gone: `on_lost` to each open stream's receiver, and let everything go."""
