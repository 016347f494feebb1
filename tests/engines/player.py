"""One application for both engines: it answers by the path of a request, and `play` tells what came of it.

Engines that make the same calls up are given the same calls down. An `Outcome` says nothing of how bytes were
cut into calls or frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from appserver.contract import Receiver, Request, Stream
from tests.engines.script import Script
from tests.engines.talk import MAKE, Recorder, Talk
from tests.support.frames import INTERNAL_ERROR, Data, Goaway, Head, Reset, Sent

__all__ = ["Answer", "Exchange", "Outcome", "play"]


class Player(Talk):
    """A connection whose application answers by the request's path."""

    def __post_init__(self) -> None:
        self.begun: list[tuple[str, Recorder]] = []
        self.fresh: list[tuple[str, Recorder]] = []
        super().__post_init__()
        self.react = self._act

    def begin(self, request: Request, stream: Stream) -> Receiver | None:
        behaviour = request.path.split("/")[1] if request.path.count("/") > 1 else "now"
        recorder = Recorder(self, len(self.requests) + 1, request, stream)
        self.requests.append(recorder)
        self.begun.append((behaviour, recorder))
        self.fresh.append((behaviour, recorder))
        if behaviour in ("early", "busy"):
            stream.respond(200 if behaviour == "early" else 503, [(b"x-early", b"1")], True)
        return None if behaviour in ("refuse", "busy") else recorder

    def start(self) -> None:
        """What the connection does after each read."""
        fresh, self.fresh = self.fresh, []
        for behaviour, recorder in fresh:
            if not recorder.lost:
                self._start(behaviour, recorder.stream, recorder.request)

    def _start(self, behaviour: str, stream: Stream, request: Request) -> None:
        if behaviour == "hint":
            stream.inform(103, [(b"link", b"</a>")])
            stream.respond(204, [], True)
        elif behaviour == "abort":
            stream.respond(200, [], False)
            stream.write(b"part", False)
            stream.reset(INTERNAL_ERROR)
        elif behaviour == "echo" or (behaviour == "end" and request.ends):
            stream.respond(200, [], False)
            if request.ends:
                stream.write(b"none", True)
        elif behaviour in ("now", "big"):
            stream.respond(200, [(b"x-long", b"v" * 50)], False)
            stream.write(bytes(70_000 if behaviour == "big" else 10), True)

    def _act(self, recorder: Recorder, call: str) -> None:
        behaviour = self.begun[recorder.id - 1][0]
        stream = recorder.stream
        if call == "body":
            stream.grant(len(recorder.body))
            if behaviour == "echo":
                stream.respond(200, [], False)
                stream.write(recorder.body[-1:], False)
        elif call == "end" and behaviour == "echo":
            stream.respond(200, [], False)
            stream.finish(recorder.trailers or [])
        elif call == "end" and behaviour == "end":
            stream.respond(200, [], False)
            stream.write(b"all of it", True)


@dataclass
class Exchange:
    """What one request's application was told."""

    method: str
    target: bytes
    fields: list[tuple[bytes, bytes]]
    ends: bool
    body: bytes
    trailers: list[tuple[bytes, bytes]] | None
    lost: bool


@dataclass
class Answer:
    """What a client was told on one stream."""

    heads: list[tuple[tuple[bytes, bytes], ...]] = field(default_factory=list)
    end: bool = False
    reset: int = -1


@dataclass
class Outcome:
    """Everything engines must agree on; `code` is that of the GOAWAY that ended the connection, or -1."""

    exchanges: list[Exchange]
    answers: dict[int, Answer]
    code: int


def play(make: MAKE, script: Script) -> Outcome:
    """Play a script to an engine."""
    player = Player(make, limits={"body": 60_000}, settings=script.settings)
    answers: dict[int, Answer] = {}
    code = -1
    for piece in script.reads():
        player.say(piece)
        player.start()
        said = player.heard()
        code = next((frame.code for frame in said if isinstance(frame, Goaway)), -1)
        if code >= 0:
            # What was still under way when the connection broke may have been sent or not.
            break
        for sent in said:
            _note(answers, sent)
        if player.engine.ended:
            break
    player.engine.lose()
    assert player.engine.inflight == 0
    exchanges = [
        Exchange(r.request.method, r.request.target, r.request.fields, r.request.ends, r.body, r.trailers, bool(r.lost))
        for r in player.requests
    ]
    return Outcome(exchanges, answers, code)


def _note(answers: dict[int, Answer], sent: Sent) -> None:
    if isinstance(sent, Head | Data | Reset):
        answer = answers.setdefault(sent.stream, Answer())
        if isinstance(sent, Reset):
            assert answer.reset < 0, "two RST_STREAM"
            answer.reset = sent.code
            return
        assert not answer.end, "a frame after END_STREAM"
        assert answer.reset < 0, "a frame after RST_STREAM"
        answer.end = sent.end
        if isinstance(sent, Head):
            answer.heads.append(sent.fields)
