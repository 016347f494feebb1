"""The waist: what the wire side and the application side know of each other.

         wire (h1, h2 engines)                        application (asgi, later wsgi, ...)
    Application.begin(request, stream) ------------>  returns a Receiver, runs nothing yet
    Receiver.on_body / on_end ...      ------------>  whatever arrived with the head
    Receiver.start()                   ------------>  the application runs
                                       <------------  Stream.respond / write / finish / grant / reset

Calls up (`begin`, `Receiver.*`) never block and never raise. `begin` and `on_*` may be made from inside
an engine's parser: they must not run application code. `start` is called once, after the whole read
that carried the head was parsed, so that a request reset in the same read is never run.
Calls down (`Stream.*`) may come at any time, also from within `on_*`; they only queue.
Bytes reach the socket in `Connection.flush`, or by what `Stream.send_file` returns, and nowhere else.

The classes are bases, not typing protocols, so that the compiled build calls them through C slots.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from appserver.accepted import Peer

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "Application",
    "Fields",
    "File",
    "Observer",
    "Receiver",
    "Request",
    "Reset",
    "Stream",
]

Fields = list[tuple[bytes, bytes]]
"""Header or trailer fields in wire order: (lower-case name, value)."""

Address = tuple[str, int]

# RFC 9218 4.1
DEFAULT_URGENCY = 3


class Reset:
    """Why a stream is given up; each wire maps it (h2: RST_STREAM code; h1: the connection closes)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    ENHANCE_YOUR_CALM = 0xB


class Request:
    """One request head, judged and normalised by `http.message`.

    `target` is what was sent; `path` is percent-decoded text; `raw_path` and `query` are bytes of it.
    `fields` are lower-case, `host` first; `version` is "1.0", "1.1" or "2".
    `client` is the effective client: the peer's, or what a trusted peer forwarded.
    `prefix` is what a trusted peer has taken off the path ("" if it says nothing).
    `server` is the (host, port) that a trusted peer says the client has asked; None: the peer's `server`.
    `length` is the declared content-length or -1; `ends` says that no body follows.
    `expects` is set for `Expect: 100-continue`; `forwarded` if forwarding fields are among `fields`.
    `protocol` is what a tunnel is asked for: the `:protocol` of an extended CONNECT (RFC 8441), or b"websocket" of an
    HTTP/1.1 upgrade where that is served, in lower case; else None.
    `priority` is what the client said of this answer's (RFC 9218): (urgency, 0 first to 7 last; incremental); or None.
    `dependency` is what RFC 7540 5.3 called priority: (weight, 1 to 256; the stream it depends on); or None.
    """

    __slots__ = (
        "authority",
        "client",
        "dependency",
        "ends",
        "expects",
        "fields",
        "forwarded",
        "length",
        "method",
        "path",
        "peer",
        "prefix",
        "priority",
        "protocol",
        "query",
        "raw_path",
        "scheme",
        "server",
        "target",
        "trailers_accepted",
        "version",
    )

    def __init__(self) -> None:
        self.method: str = ""
        self.target: bytes = b""
        self.path: str = ""
        self.raw_path: bytes = b""
        self.query: bytes = b""
        self.scheme: str = "http"
        self.server: Address | None = None
        self.authority: bytes = b""
        self.fields: Fields = []
        self.version: str = ""
        self.peer: Peer | None = None
        self.prefix: str = ""
        self.protocol: bytes | None = None
        self.client: Address | None = None
        self.length: int = -1
        self.ends: bool = False
        self.expects: bool = False
        self.forwarded: bool = False
        self.trailers_accepted: bool = False
        self.priority: tuple[int, bool] | None = None
        self.dependency: tuple[int, int] | None = None


class Stream:
    """The handle by which an application answers one request.

    After the stream is closed or reset every call is a quiet no-op.
    `respond` with 101 (HTTP/1.1 upgrade), or with 2xx to CONNECT, makes it a tunnel: bytes both ways without
    a declared length or a limit. `write(..., end=True)` then closes our half, `Receiver.on_end` says that
    the peer closed its own; each half goes on without the other.
    `writable` is False while the stream's queue (256 KiB) or the connection's (1 MiB) is full;
    `Receiver.on_writable` says when it is True again. A stream with nothing queued may always go on, so that
    others, whose windows are closed, do not stall it.
    """

    __slots__ = ("writable",)

    def __init__(self) -> None:
        self.writable: bool = True

    def inform(self, status: int, fields: Fields) -> None:
        """Send an interim response (1xx, RFC 9110 section 15.2), unless the head has left: what is queued it precedes."""
        raise NotImplementedError

    def respond(self, status: int, fields: Fields, end: bool) -> None:
        """Send the response head; `end` if no body follows. Fields are already judged, lower-case."""
        raise NotImplementedError

    def prioritize(self, urgency: int, incremental: int) -> None:
        """Say when this answer is sent (RFC 9218 8): urgency 0 to 7, incremental 0 or 1; -1 leaves what the client said.

        Given before `respond`; means nothing where a connection has one answer at a time.
        """

    def write(self, chunk: bytes, end: bool) -> None:
        """Queue body bytes; `end` closes the body."""
        raise NotImplementedError

    def send_file(
        self, file: File, offset: int, size: int, count: Callable[[int], None]
    ) -> Coroutine[Any, Any, int] | None:
        """Return what sends body bytes of a file past the program (sendfile(2)), and then says how many.

        Fewer than `size`: it cannot go on, the others are to be read and written. `count` is told as they go; nothing
        may be written meanwhile. None where the wire must see the bytes (HTTP/2, TLS, chunks).
        """
        return None

    def finish(self, trailers: Fields) -> None:
        """End the body with trailers."""
        raise NotImplementedError

    def grant(self, size: int) -> None:
        """Give receive credit for `size` body bytes back to the peer."""
        raise NotImplementedError

    def reset(self, reason: int) -> None:
        """Give the stream up (`Reset`); the client must not take what it has for a whole response."""
        raise NotImplementedError


class File(Protocol):
    """An open regular file, of the application's side."""

    @property
    def fd(self) -> int:
        """Its descriptor."""

    def in_thread(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Call `function` where it may wait for a disk; the descriptor stays open until it returns."""


class Receiver:
    """One request on the application's side, called by the wire."""

    __slots__ = ()

    def start(self) -> None:
        """Run the application; called once, unless the stream was lost before."""
        raise NotImplementedError

    def on_body(self, chunk: bytes) -> None:
        """Body bytes arrived; they are owed to the peer until `Stream.grant`."""
        raise NotImplementedError

    def on_end(self, trailers: Fields) -> None:
        """The body is complete."""
        raise NotImplementedError

    def on_writable(self) -> None:
        """`Stream.writable` became True again."""
        raise NotImplementedError

    def on_drain(self) -> None:
        """The connection drains: end what has no end of its own (a WebSocket, an event stream). At most once."""

    def on_half_closed(self) -> None:
        """The client sends nothing more, but may still read (TCP half-close, RFC 9112 9.6).

        Called at most once, after `start` and the end of the body, never after the last `write`; `on_lost` may follow.
        """

    def on_lost(self) -> None:
        """The client reset the stream or is gone; called at most once, and not after the last `write`."""
        raise NotImplementedError

    def on_refused(self, status: int, sent: int) -> None:
        """The wire has answered in the application's place, with `sent` body bytes; otherwise as `on_lost`."""
        self.on_lost()


class Application:
    """What answers requests: the one object the wire side is given, and the worker's handle on its life.

        startup --done--> begin, tick ... --stop: wait_idle, else cancel--> shutdown
    """

    __slots__ = ()

    def begin(self, request: Request, stream: Stream) -> Receiver:
        """Take a request. Must not run application code (see the module's docstring)."""
        raise NotImplementedError

    def tick(self) -> None:
        """Do what is due; called about once a second, on the whole second."""

    async def startup(self) -> None:
        """Get ready before the first request; raises StartupError."""

    async def shutdown(self) -> None:
        """Clean up after the last request; what goes wrong is logged."""

    def busy(self) -> int:
        """Return how many requests still run application code; some outlive their responses."""
        return 0

    async def wait_idle(self) -> None:
        """Return once nothing is busy."""

    async def cancel(self) -> None:
        """Give up what is busy: each has a moment to see its cancellation, none more than that."""


class Observer(Protocol):
    """Access log, metrics: called once for each request that was answered or lost, our own refusals included."""

    def on_done(self, request: Request, status: int, sent: int, seconds: float) -> None:
        """`status` 0: nothing was answered; `sent` body bytes handed to the wire."""
