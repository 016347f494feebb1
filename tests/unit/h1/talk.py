"""A conversation with one HTTP/1.1 connection: bytes in, bytes out, no socket and no clock."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable
from typing import Any

import h11

from appserver.accepted import Peer
from appserver.config.options import Http1Options, TimeoutOptions
from appserver.contract import Application, Fields, Receiver, Request, Stream
from appserver.h1.connection import Connection
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits

LIMITS = Limits(8_190, 100, 16_384, 65_536, 100_000)
DATE = re.compile(rb"date: [^\r]*\r\n")


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
OK_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(size: int, *fields: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%s\r\n" % (size, b"".join(f + b"\r\n" for f in fields))


def get(target: bytes) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target


class MemoryTransport:
    """What was written, and what was asked of the socket. `stuck`: the client takes nothing."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = self.half_closed = self.aborted = self.reading_paused = self.stuck = self.resets = False
        self.buffered = 0
        self.high = 0
        self.connection: Connection | None = None

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self.high = high

    def writelines(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.write(piece)

    def write(self, data: bytes) -> None:
        assert type(data) is bytes
        assert not self.ended, "written after the end"
        self.writes.append(data)
        if self.stuck:
            before, self.buffered = self.buffered, self.buffered + len(data)
            if before <= self.high < self.buffered and self.connection is not None:
                self.connection.pause_writing()

    def take(self, size: int) -> None:
        """The client reads so many bytes."""
        before, self.buffered = self.buffered, self.buffered - size
        if before > self.high >= self.buffered and self.connection is not None:
            self.connection.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def pause_reading(self) -> None:
        assert not self.reading_paused
        self.reading_paused = True

    def resume_reading(self) -> None:
        assert self.reading_paused
        self.reading_paused = False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        assert not self.ended
        self.half_closed = True

    def get_extra_info(self, name: str) -> MemoryTransport | None:
        return self if name == "socket" else None

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        """As its own socket: only how it will be closed is of interest."""
        assert (level, name) == (socket.SOL_SOCKET, socket.SO_LINGER)
        self.resets = struct.unpack("ii", value) == (1, 0)

    def close(self) -> None:
        assert not self.closed
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    @property
    def ended(self) -> bool:
        return self.closed or self.half_closed


class TurnedLoop:
    """`call_soon` and `call_later` by hand."""

    def __init__(self) -> None:
        self.ready: list[Callable[[], object]] = []
        self.later: list[tuple[float, Callable[[], object]]] = []

    def call_soon(self, callback: Callable[[], object], context: object = None) -> None:
        self.ready.append(callback)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        self.later.append((seconds, callback))

    def elapse(self) -> list[float]:
        """Let all timers ring; return what they were set to."""
        later, self.later = self.later, []
        for _, callback in later:
            callback()
        return [seconds for seconds, _ in later]

    def turn(self) -> None:
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()


class Registry:
    """The worker's side."""

    def __init__(self) -> None:
        self.loop: Any = TurnedLoop()
        self.read_buffer = bytearray()
        self.forgotten: list[object] = []
        self.upgraded: list[tuple[Request, bytes]] = []

    def closed(self, connection: object) -> None:
        self.forgotten.append(connection)

    def upgrade(self, connection: object, transport: object, peer: Peer, request: Request, settings: bytes) -> None:
        self.upgraded.append((request, settings))


class Call(Receiver):
    """One request as the application sees it."""

    def __init__(self, app: App, request: Request, stream: Stream) -> None:
        self.app, self.request, self.stream = app, request, stream
        self.body = b""
        self.trailers: Fields = []
        self.pieces = 0
        self.complete = request.ends
        self.started = self.lost = self.answered = self.half_closed = False
        self.refused: tuple[int, int] | None = None
        self.writable_again = self.drained = 0

    def start(self) -> None:
        assert not self.started
        assert not self.lost
        self.started = True
        self.app.handler(self)

    def on_body(self, chunk: bytes) -> None:
        assert chunk
        assert not self.complete
        assert not self.lost
        self.body += chunk
        self.pieces += 1
        if self.app.grants:
            self.stream.grant(len(chunk))
        if self.started:
            self.app.handler(self)

    def on_end(self, trailers: Fields) -> None:
        assert not self.complete
        assert not self.lost
        self.complete = True
        self.trailers = trailers
        if self.started:
            self.app.handler(self)

    def on_writable(self) -> None:
        assert self.stream.writable
        self.writable_again += 1

    def on_drain(self) -> None:
        self.drained += 1

    def on_half_closed(self) -> None:
        assert self.started
        assert self.complete
        assert not self.lost
        assert not self.half_closed
        self.half_closed = True

    def on_lost(self) -> None:
        assert not self.lost
        self.lost = True

    def on_refused(self, status: int, sent: int) -> None:
        self.refused = status, sent
        self.on_lost()

    def answer(self, status: int = 200, body: bytes = b"ok", fields: Fields | None = None) -> None:
        self.answered = True
        length = [(b"content-length", str(len(body)).encode())]
        self.stream.respond(status, length if fields is None else fields, False)
        self.stream.write(body, True)


def when_complete(call: Call) -> None:
    """Answer 200 once the body is there."""
    if call.complete and not call.answered:
        call.answer()


def at_once(call: Call) -> None:
    """Answer 200 without waiting for the body."""
    if not call.answered:
        call.answer()


def never(call: Call) -> None:
    """Leave the answer to the test."""


Handler = Callable[[Call], None]


class App(Application):
    """Records requests; `handler` is called at the start and whenever more of the body is there."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.grants = True
        self.calls: list[Call] = []

    def begin(self, request: Request, stream: Stream) -> Receiver:
        call = Call(self, request, stream)
        self.calls.append(call)
        return call


class Log:
    """The observer of a worker: (method, path, status, sent) of what the wire answered by itself."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, int, int]] = []

    def on_done(self, request: Request, status: int, sent: int, seconds: float) -> None:
        self.done.append((request.method, request.path, status, sent))


class Talk:
    """One client, one connection, one application."""

    def __init__(
        self,
        handler: Handler = when_complete,
        limits: Limits = LIMITS,
        scheme: str = "http",
        websocket: bool = False,
        h2c_upgrade: bool = False,
        **options: Any,
    ) -> None:
        self.transport = MemoryTransport()
        self.registry = Registry()
        self.app = App(handler)
        self.log = Log()
        self.peer = Peer(("192.0.2.7", 4711), ("192.0.2.1", 80), scheme)
        self.connection = Connection(
            self.transport,  # type: ignore[arg-type] # only what a connection uses
            self.peer,
            self.app,
            AnswerContext(observer=self.log),
            limits,
            Http1Options(max_requests=options.pop("max_requests", 0)),
            TimeoutOptions(**options),
            self.registry,
            websocket,
            h2c_upgrade,
        )
        self.transport.connection = self.connection

    def say(self, *pieces: bytes) -> Talk:
        """The client sends; nothing arrives while reading is paused or after the close."""
        for piece in pieces:
            if piece and not self.transport.closed:
                self.connection.data_received(piece)
                self.turn()
        return self

    def turn(self) -> None:
        while self.registry.loop.ready:
            self.registry.loop.turn()

    def hang_up(self) -> bool:
        """The client sends FIN."""
        stays = self.connection.eof_received()
        if not stays and not self.transport.closed:
            self.transport.closed = True
        self.turn()
        return stays

    def vanish(self) -> None:
        """The socket is gone."""
        self.transport.closed = True
        self.connection.connection_lost(None)

    @property
    def heard(self) -> bytes:
        return DATE.sub(b"", b"".join(self.transport.writes))

    @property
    def calls(self) -> list[Call]:
        return self.app.calls

    def responses(self) -> list[tuple[int, bytes]]:
        """What h11, an independent client, makes of the output: (status, body) of each whole response."""
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=10_000_000)
        methods = [call.request.method for call in self.calls if call.stream is not None]
        if self.transport.writes:
            client.receive_data(b"".join(self.transport.writes))
        found: list[tuple[int, bytes]] = []
        while True:
            method = methods[len(found)] if len(found) < len(methods) else "GET"
            client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
            client.send(h11.EndOfMessage())
            response = read_one(client, self.transport.ended)
            if response is None:
                return found
            found.append(response)
            if client.our_state is h11.MUST_CLOSE or client.their_state is not h11.DONE:
                assert not client.trailing_data[0]
                return found
            client.start_next_cycle()


def read_one(client: h11.Connection, ended: bool) -> tuple[int, bytes] | None:
    """Return one response, None if there is no whole one. What is there must be well-formed."""
    status, body = 0, b""
    at_end = False
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError:
            assert at_end, "malformed output"
            return None
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, body
        elif event is h11.NEED_DATA and ended and not at_end:
            at_end = True
            client.receive_data(b"")
        elif event in (h11.NEED_DATA, h11.PAUSED):
            return None
