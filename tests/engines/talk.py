"""An engine in a test: a client's frames in, the calls up and the server's frames out.

`talk.say(talk.client.headers(1, GET, end=True))` is one read; `talk.calls` are the calls up that it made,
`talk.request()` is what was begun, `talk.heard()` are the frames that the engine has to send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from appserver.accepted import Peer
from appserver.contract import Fields, Receiver, Request, Stream
from appserver.h2.engine import Engine, Settings
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits
from appserver.http.message import Head
from tests.support.frames import GET, Client, Data, Goaway, Sent, Wire, expect

__all__ = ["Recorder", "Talk"]

MAKE = Callable[..., Engine]
LIMITS = {"path": 8_190, "count": 100, "field": 16_384, "size": 65_536, "body": 1_048_576}
SERVER = {
    "max_concurrent_streams": 100, "stream_window": 262_144, "connection_window": 1_048_576,
    "max_header_list_size": 65_536,
}  # fmt: skip

Call = tuple[Any, ...]


class Recorder(Receiver):
    """One request on the application's side: writes down each call."""

    def __init__(self, talk: Talk, id: int, request: Request, stream: Stream) -> None:
        self.talk = talk
        self.id = id
        self.request = request
        self.stream = stream
        self.body = b""
        self.trailers: Fields | None = None
        self.lost = 0
        self.relieved = 0

    def start(self) -> None:
        raise AssertionError("start is the connection's to call")

    def on_body(self, chunk: bytes) -> None:
        assert type(chunk) is bytes
        assert chunk
        self.body += chunk
        self.talk.note(self, "body", chunk)

    def on_end(self, trailers: Fields) -> None:
        assert self.trailers is None
        self.trailers = trailers
        self.talk.note(self, "end", trailers)

    def on_writable(self) -> None:
        self.relieved += 1
        self.talk.note(self, "writable")

    def on_drain(self) -> None:
        self.talk.note(self, "drain")

    def on_refused(self, status: int, sent: int) -> None:
        self.talk.note(self, "refused", status)

    def on_lost(self) -> None:
        self.lost += 1
        assert self.lost == 1
        self.talk.note(self, "lost")


@dataclass
class Talk:
    """One connection; the nth request begun is `requests[n - 1]`.

    An engine tells no stream ids: `react(recorder, call)` may answer from within a call up.
    """

    make: MAKE
    limits: dict[str, int] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    settings: dict[int, int] = field(default_factory=dict)
    discard: int = 0
    greet: bool = True

    def __post_init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.refused: list[tuple[str, bytes, int]] = []
        self.pongs = 0
        self.schedules = 0
        self.requests: list[Recorder] = []
        self.refusing = False
        self.react: Callable[[Recorder, str], None] | None = None
        self.client = Client()
        self.wire = Wire()
        settings = Settings(**{**SERVER, **self.server})
        head = Head(Limits(**{**LIMITS, **self.limits}), True, settings.connect_protocol)
        self.peer = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")
        self.answers = AnswerContext(has_date=False)
        self.engine = self.make(self, head, self.peer, settings)
        self.engine.max_discard = self.discard
        if self.greet:
            self.welcome = self.heard()
            self.say(self.client.greet(self.settings))
            assert self.heard() == [expect.acknowledged()]

    # The engine's owner

    def begin(self, request: Request, stream: Stream) -> Receiver | None:
        recorder = Recorder(self, len(self.requests) + 1, request, stream)
        if not self.refusing:
            self.requests.append(recorder)
            self.calls.append((recorder.id, "begin", request.method, request.target))
        if self.react is not None:
            self.react(recorder, "begin")
        return None if self.refusing else recorder

    def refuse(self, stream: Stream, request: Request, status: int, receiver: Receiver | None = None) -> None:
        self.refused.append((request.method, request.target, status))
        sent = self.answers.answer(stream, request, status)
        if receiver is not None:
            receiver.on_refused(status, sent)

    def schedule(self) -> None:
        self.schedules += 1

    def on_pong(self) -> None:
        self.pongs += 1

    def on_fault(self, reason: str) -> None:
        assert reason
        self.faults.append(reason)

    def note(self, recorder: Recorder, call: str, *what: Any) -> None:
        self.calls.append((recorder.id, call, *what))
        if self.react is not None:
            self.react(recorder, call)

    # The client

    def say(self, *data: bytes) -> None:
        """Let the engine receive `data` as one read, in a buffer that ends later and is then read into again."""
        read = bytearray().join(data)
        size = len(read)
        read += b"\xff" * 16
        self.engine.receive(read, size)
        read[:] = b"\xff" * len(read)

    def take(self, max_bytes: int = 65_536) -> bytes:
        """One take, as bytes."""
        return b"".join(bytes(piece) for piece in self.engine.take(max_bytes))

    def heard(self, max_bytes: int = 65_536) -> list[Sent]:
        """Take all output there is now, as frames."""
        frames: list[Sent] = []
        while piece := self.take(max_bytes):
            frames += self.wire.read(piece)
        assert self.wire.rest == b"", "half a frame"
        return frames

    def ask(self, *data: bytes) -> list[Sent]:
        """Say and hear."""
        self.say(*data)
        return self.heard()

    def serve(self, stream: int = 1) -> Recorder:
        """Begin a GET and the answer to it."""
        self.say(self.client.headers(stream, GET, end=True))
        self.requests[-1].stream.respond(200, [], False)
        self.heard()
        return self.requests[-1]

    def request(self, n: int = 1) -> Recorder:
        return self.requests[n - 1]

    def bodies(self, frames: list[Sent]) -> dict[int, bytes]:
        """Return the body bytes of each stream."""
        found: dict[int, bytes] = {}
        for frame in frames:
            if isinstance(frame, Data):
                found[frame.stream] = found.get(frame.stream, b"") + frame.body
        return found

    def is_dead(self, frames: list[Sent], code: int) -> bool:
        """Tell whether the connection was ended with `code`, as the last thing that was said."""
        last = frames[-1] if frames else None
        return isinstance(last, Goaway) and last.code == code and self.engine.ended
