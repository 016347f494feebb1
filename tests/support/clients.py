"""Two small blocking clients that see everything: each byte of HTTP/1.1, each frame of HTTP/2.

    client.ask("POST", "/digest", body=b"...")  ->  Answer(status=200, whole=True, ...)

Both are used alike; what only one protocol has is asked of the class itself.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.frames import (
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PREFACE,
    Client,
    Data,
    Goaway,
    Head,
    Ping,
    Reset,
    Sent,
    Settings,
    Window,
    Wire,
)

__all__ = ["Answer", "Http1", "Http2", "Open", "Talker", "connect"]

SECONDS = 20.0
READ = 262_144
WIDE = 2**30
Fields = list[tuple[str, str]]
Connect = Callable[[], socket.socket]


@dataclass
class Answer:
    """What came back for one request; `whole` if its end was seen, `reset` is an HTTP/2 code."""

    status: int = 0
    fields: Fields = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    informed: list[tuple[int, Fields]] = field(default_factory=list)
    whole: bool = False
    reset: int | None = None

    def __getitem__(self, name: str) -> str:
        """Return a field's value, several joined."""
        return ", ".join(value for key, value in self.fields if key == name)

    @property
    def body(self) -> bytes:
        if len(self.pieces) > 1:
            self.pieces = [b"".join(self.pieces)]
        return self.pieces[0] if self.pieces else b""

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


class Talker(Protocol):
    """What the clients have in common."""

    version: str

    def ask(self, method: str, path: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None) -> Answer: ...

    def is_closed(self) -> bool: ...

    def close(self) -> None: ...


def connect(address: tuple[str, int] | str) -> socket.socket:
    """Connect to a port or to a unix path."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    sock.settimeout(SECONDS)
    sock.connect(address)
    return sock


class Raw:
    """A socket, and how to leave it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, *data: bytes) -> None:
        self.sock.sendall(b"".join(data))

    def receive(self, seconds: float = SECONDS) -> bytes:
        """Return some bytes; none at the end of the connection, however it ends."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(READ)
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        """Close in peace: FIN."""
        self.sock.close()

    def tear(self) -> None:
        """Close by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def is_closed(self) -> bool:
        """Read to the end of the connection; False if something else comes, or nothing for a while."""
        try:
            return self.receive() == b""
        except TimeoutError:
            return False


# HTTP/1.1


class Cut(Exception):
    """The connection ended within a message."""


class Http1(Raw):
    """One HTTP/1.1 connection."""

    version = "1.1"

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.rest = b""

    def ask(self, method: str, path: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None) -> Answer:
        """Send a whole request and read its answer."""
        self.request(method, path, fields, body)
        return self.answer(method)

    def request(
        self, method: str, path: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: a.test", *(f"{name}: {value}" for name, value in fields)]
        if body is not None and not any(name in ("content-length", "transfer-encoding") for name, _ in fields):
            lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"), body or b"")

    def answer(self, method: str = "GET") -> Answer:
        """Read one answer; `whole` is False if the connection ended before it did."""
        answer = Answer()
        try:
            self._head(answer)
            self._body(answer, method)
            answer.whole = True
        except Cut:
            answer.whole = False
        return answer

    def _head(self, answer: Answer) -> None:
        while True:
            lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            match = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", lines[0])
            assert match, lines[0]
            status, fields = int(match[1]), _parsed(lines[1:])
            if status >= 200:
                answer.status, answer.fields = status, fields
                return
            answer.informed.append((status, fields))

    def _body(self, answer: Answer, method: str) -> None:
        if method == "HEAD" or answer.status in (204, 304):
            return
        if "chunked" in answer["transfer-encoding"]:
            self._chunks(answer)
        elif answer["content-length"]:
            self._sized(answer, int(answer["content-length"]))
        else:
            answer.pieces = [self.take_all()]

    def _chunks(self, answer: Answer) -> None:
        while size := int(self.take_until(b"\r\n"), 16):
            answer.pieces.append(self.take(size))
            assert self.take(2) == b"\r\n"
        while line := self.take_until(b"\r\n"):
            answer.trailers += _parsed([line.decode("latin-1")])

    def _sized(self, answer: Answer, size: int) -> None:
        try:
            answer.pieces = [self.take(size)]
        except Cut:
            answer.pieces = [self.rest]
            raise

    def _more(self) -> None:
        data = self.receive()
        if not data:
            raise Cut
        self.rest += data

    def take_until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            self._more()
        taken, _, self.rest = self.rest.partition(mark)
        return taken

    def take(self, size: int) -> bytes:
        if len(self.rest) < size:
            pieces, have = [self.rest], len(self.rest)
            while have < size:
                data = self.receive()
                if not data:
                    self.rest = b"".join(pieces)
                    raise Cut
                pieces.append(data)
                have += len(data)
            self.rest = b"".join(pieces)
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def take_all(self) -> bytes:
        pieces = [self.rest]
        while data := self.receive():
            pieces.append(data)
        self.rest = b""
        return b"".join(pieces)


def _parsed(lines: list[str]) -> Fields:
    pairs = [line.partition(":") for line in lines if line]
    return [(name.lower(), value.strip()) for name, _, value in pairs]


# HTTP/2


@dataclass
class Open:
    """A stream that was opened: what came for it so far, and how much may be sent."""

    id: int
    method: str
    credit: int
    answer: Answer = field(default_factory=Answer)
    over: bool = False


class Http2(Raw):
    """One cleartext HTTP/2 connection.

    With `window` the streams' receive windows are that wide and never opened by this client.
    """

    version = "2"

    def __init__(self, sock: socket.socket, window: int | None = None) -> None:
        super().__init__(sock)
        self.client, self.wire = Client(), Wire()
        self.window = window
        self.streams: dict[int, Open] = {}
        self.goaways: list[Goaway] = []
        self.ended = False
        self.held: list[bytes] | None = None
        self.credit = 65_535
        self.initial = 65_535
        self.next_id = 1
        self.send(PREFACE, self.client.settings({INITIAL_WINDOW_SIZE: WIDE if window is None else window}))
        if window is None:
            self.send(self.client.window(0, WIDE))

    def ask(self, method: str, path: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None) -> Answer:
        """Send a whole request, a small one in one piece, and read its answer."""
        if body is not None and len(body) > 8_192:
            stream = self.open(method, path, fields, end=False)
            self.upload(stream, body)
        else:
            self.held = []
            stream = self.open(method, path, fields, end=body is None)
            if body is not None:
                self.upload(stream, body)
            held, self.held = self.held, None
            self.send(*held)
        return self.answer(stream)

    def send(self, *data: bytes) -> None:
        if self.held is None:
            super().send(*data)
        else:
            self.held.extend(data)

    def open(self, method: str, path: str, fields: Iterable[tuple[str, str]] = (), end: bool = True) -> Open:
        """Send a request head."""
        stream = Open(self.next_id, method, self.initial)
        self.streams[stream.id] = stream
        self.next_id += 2
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "a.test"), (":path", path)]
        self.send(self.client.headers(stream.id, [*pseudo, *fields], end=end))
        return stream

    def upload(self, stream: Open, body: bytes, end: bool = True) -> None:
        """Send a body as fast as the server's windows allow, unless the answer is there before."""
        at = 0
        while (at < len(body) or not body) and not stream.over:
            size = min(len(body) - at, stream.credit, self.credit, 16_384)
            if size <= 0 and body:
                self.read()
                continue
            piece = body[at : at + size]
            at += size
            stream.credit -= size
            self.credit -= size
            self.send(self.client.data(stream.id, piece, end=end and at == len(body)))
            if not body:
                break

    def reset(self, stream: Open, code: int = 8) -> None:
        self.send(self.client.reset(stream.id, code))

    def answer(self, stream: Open) -> Answer:
        """Read until the stream is over, or the connection."""
        while not stream.over and not self.ended:
            self.read()
        return stream.answer

    def read(self, seconds: float = SECONDS) -> list[Sent]:
        """Read once, and note what it means."""
        data = self.receive(seconds)
        if not data:
            self.ended = True
            for stream in self.streams.values():
                stream.over = True
        frames = self.wire.read(data)
        for frame in frames:
            self._note(frame)
        return frames

    def read_until(self, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Read until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert not self.ended, "the connection ended"
            assert time.monotonic() < end, f"not within {seconds:g} s"
            self.read()

    def pending(self, seconds: float = 0.2) -> list[Sent]:
        """Read what comes until nothing comes for a while."""
        frames: list[Sent] = []
        try:
            while not self.ended:
                frames += self.read(seconds)
        except TimeoutError:
            return frames
        return frames

    def is_closed(self) -> bool:
        """Read to the end of the connection; False if it does not end."""
        try:
            while not self.ended:
                self.read()
        except TimeoutError:
            return False
        return True

    def _note(self, frame: Sent) -> None:
        match frame:
            case Settings(_, False):
                self._settle(frame)
                self.send(self.client.acknowledge())
            case Window():
                self._widen(frame)
            case Goaway():
                self.goaways.append(frame)
            case Ping(data, False):
                self.send(self.client.pong(data))
            case Head() | Data() | Reset() if frame.stream in self.streams:
                self._note_stream(self.streams[frame.stream], frame)

    def _settle(self, frame: Settings) -> None:
        values = dict(frame.values)
        assert values.get(MAX_FRAME_SIZE, 16_384) >= 16_384
        if INITIAL_WINDOW_SIZE in values:
            for stream in self.streams.values():
                stream.credit += values[INITIAL_WINDOW_SIZE] - self.initial
            self.initial = values[INITIAL_WINDOW_SIZE]

    def _widen(self, frame: Window) -> None:
        if frame.stream == 0:
            self.credit += frame.size
        elif frame.stream in self.streams:
            self.streams[frame.stream].credit += frame.size

    def _note_stream(self, stream: Open, frame: Head | Data | Reset) -> None:
        answer = stream.answer
        assert not (answer.whole and isinstance(frame, Head | Data)), "a frame after END_STREAM"
        if isinstance(frame, Reset):
            answer.reset = frame.code
            stream.over = True
            return
        if isinstance(frame, Data):
            answer.pieces.append(frame.body)
        else:
            self._note_head(answer, frame)
        if frame.end:
            answer.whole = stream.over = True

    def _note_head(self, answer: Answer, frame: Head) -> None:
        fields = [(name.decode(), value.decode("latin-1")) for name, value in frame.fields if name[:1] != b":"]
        if answer.status:
            answer.trailers = fields
        elif frame.status < 200:
            answer.informed.append((frame.status, fields))
        else:
            answer.status, answer.fields = frame.status, fields
