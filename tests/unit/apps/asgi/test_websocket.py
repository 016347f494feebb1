"""WebSocket, the application's side: each cell of the phase tables, how it ends, and who waits for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appserver.accepted import Peer
from appserver.apps.asgi.websocket import WebSocket
from appserver.contract import Reset
from appserver.errors import ClientDisconnected, InvalidMessage, UnexpectedMessage
from appserver.events import Event
from appserver.ws.admission import Admission
from appserver.ws.deflate import DeflateSettings
from appserver.ws.session import SessionSettings
from tests.support.asgi import Talk
from tests.support.clock import ClockLoop
from tests.support.events import EventLog
from tests.support.plain import plain
from tests.support.websocket import BINARY, CLOSE, PING, PONG, TEXT, closing, frame, heard

LATE = plain("appserver.apps.asgi.websocket")
BUILDS = {"built": WebSocket, "late": LATE.WebSocket}
FIELDS = [
    (b"host", b"a"), (b"connection", b"Upgrade"), (b"upgrade", b"websocket"), (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="), (b"sec-websocket-protocol", b"chat, v2"),
]  # fmt: skip
H1 = {"version": "1.1", "method": "GET", "ends": True, "protocol": b"websocket", "fields": FIELDS}
H2 = {"version": "2", "method": "CONNECT", "ends": False, "protocol": b"websocket", "fields": [FIELDS[0], *FIELDS[3:4], FIELDS[5]]}
CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}

Converse = Callable[..., "Tunnel"]


class Tunnel(Talk):
    """A conversation whose stream becomes a tunnel."""

    def open(self, **accept: Any) -> Tunnel:
        """The application accepts."""
        assert self.receive() == CONNECT
        self.send({**ACCEPT, **accept})
        return self

    def say(self, *data: bytes) -> None:
        """The client's bytes arrive."""
        for piece in data:
            self.on_body(piece)

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        return heard(b"".join(call[1] for call in self.said if call[0] == "write"))

    @property
    def half_closed(self) -> bool:
        return bool(self.said[-1][0] == "write" and self.said[-1][2])


@pytest.fixture(params=BUILDS)
def converse(request: pytest.FixtureRequest, loop: ClockLoop) -> Converse:
    def begin(app: Any = None, *, sessions: SessionSettings | None = None, **values: Any) -> Tunnel:
        values = {**H1, **values}
        talk = Tunnel(loop, BUILDS[request.param], app, eager=request.param == "built", sessions=sessions, **values)
        talk.run()
        return talk

    return begin


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": data}


def close(code: Any = 1000, reason: Any = None) -> dict[str, Any]:
    return {"type": "websocket.close", "code": code, "reason": reason}


def denial(status: int = 418, headers: Any = ()) -> dict[str, Any]:
    return {"type": "websocket.http.response.start", "status": status, "headers": headers}


def denial_body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "websocket.http.response.body", "body": data, "more_body": more}


def disconnect(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


# The table of `send`

PHASES: dict[str, tuple[dict[str, Any], ...]] = {
    "CONNECTING": (), "OPEN": (ACCEPT,), "DENIAL": (denial(),), "CLOSED": (ACCEPT, close()), "GONE": (ACCEPT,),
}  # fmt: skip
MESSAGES: dict[str, dict[str, Any]] = {
    "websocket.accept": ACCEPT,
    "websocket.send": text("x"),
    "websocket.close": close(),
    "websocket.http.response.start": denial(),
    "websocket.http.response.body": denial_body(b"x"),
    "websocket.connect": CONNECT,
    "websocket.receive": {"type": "websocket.receive", "text": "x"},
    "websocket.disconnect": disconnect(1000),
    "http.response.start": {"type": "http.response.start", "status": 200},
    "http.response.body": {"type": "http.response.body"},
    "": {"type": ""},
}


def test_the_table_is_whole() -> None:
    assert tuple(PHASES) == LATE.STATES
    assert len(LATE.SEND) == LATE._CLOSED
    assert {kind for table in LATE.SEND for kind in table} == set(list(MESSAGES)[:5])


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind or "empty")
@pytest.mark.parametrize("phase", PHASES)
def test_each_cell_of_the_table(converse: Converse, phase: str, kind: str) -> None:
    talk = converse()
    for message in PHASES[phase]:
        talk.send(message)
    if phase == "GONE":
        talk.on_lost()
    number, before = list(PHASES).index(phase), len(talk.said)
    if number < len(LATE.SEND) and kind in LATE.SEND[number]:
        talk.send(MESSAGES[kind])
        assert len(talk.said) > before or kind == "websocket.http.response.body"
        return
    with pytest.raises(ClientDisconnected if phase == "GONE" else UnexpectedMessage) as caught:
        talk.send(MESSAGES[kind])
    if phase != "GONE":
        assert str(caught.value).startswith(f"{kind!r} in phase {phase}; allowed: ")
    assert len(talk.said) == before


# The handshake


def test_accepted_over_http1(converse: Converse) -> None:
    talk = converse().open(subprotocol="v2", headers=[(b"X-Own", b"1")])
    assert talk.said == [
        ("respond", 101, [(b"upgrade", b"websocket"), (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), (b"x-own", b"1"), (b"sec-websocket-protocol", b"v2")], False)
    ]  # fmt: skip


def test_accepted_over_http2(converse: Converse) -> None:
    talk = converse(**H2).open(subprotocol="chat")
    assert talk.said == [("respond", 200, [(b"sec-websocket-protocol", b"chat")], False)]


def test_the_scope(loop: ClockLoop, converse: Converse) -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send(close())

    converse(app, scheme="https", path="/é", raw_path=b"/%C3%A9", query=b"a=b")
    converse(app, **H2)
    first, second = seen
    assert first["type"] == "websocket"
    assert (first["scheme"], second["scheme"]) == ("wss", "ws")
    assert (first["http_version"], second["http_version"]) == ("1.1", "2")
    assert (first["path"], first["raw_path"], first["query_string"]) == ("/é", b"/%C3%A9", b"a=b")
    assert first["subprotocols"] == ["chat", "v2"]
    assert first["headers"] == FIELDS
    assert first["extensions"] == {"websocket.http.response": {}}
    assert "method" not in first


@pytest.mark.parametrize(
    ("accept", "reason"),
    [
        ({"subprotocol": "v3"}, "not offered"),
        ({"headers": [(b"x", b"a\r\nb")]}, "control character"),
        ({"headers": [(b"Sec-WebSocket-Protocol", b"chat")]}, "key of its own"),
        ({"headers": [(b"x y", b"a")]}, "no token"),
    ],
)
def test_an_accept_that_cannot_be_sent_is_a_500(converse: Converse, log: EventLog, accept: dict[str, Any], reason: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**ACCEPT, **accept})

    talk = converse(app)
    assert talk.said[0][:2] == ("respond", 500)
    assert reason in log.only(Event.APPLICATION_BROKE_ASGI)["reason"].args[0]


def test_a_request_that_is_no_handshake_runs_nothing(converse: Converse, log: EventLog) -> None:
    talk = converse(fields=FIELDS[:3])
    assert talk.puppet.runs == 0
    kind, status, fields, _ = talk.said[0]
    assert (kind, status) == ("respond", 426)
    assert dict(fields)[b"sec-websocket-version"] == b"13"
    assert dict(fields)[b"upgrade"] == b"websocket"
    assert talk.watcher.done == [(426, 21)]
    assert "version" in str(log.only(Event.PEER_BROKE_PROTOCOL)["reason"])


def test_an_origin_that_is_not_allowed_is_a_403_and_runs_nothing(converse: Converse, log: EventLog) -> None:
    admission = Admission(["https://shop.test"])
    talk = converse(fields=[*FIELDS, (b"origin", b"https://evil.test")], admission=admission)
    assert (talk.puppet.runs, talk.said[0][:2], talk.watcher.done[0][0]) == (0, ("respond", 403), 403)
    assert "'https://evil.test'" in str(log.only(Event.PEER_BROKE_PROTOCOL)["reason"])

    assert converse(fields=[*FIELDS, (b"origin", b"https://shop.test")], admission=admission).puppet.runs == 1


def test_a_websocket_too_many_on_a_connection_is_a_503(converse: Converse) -> None:
    admission = Admission(max_per_connection=1)
    peer = Peer(("192.0.2.1", 1), None, "http")
    values: dict[str, Any] = {**H2, "peer": peer, "admission": admission}
    one, two = converse(**values), converse(**values)
    assert (one.puppet.runs, two.puppet.runs, two.said[0][:2]) == (1, 0, ("respond", 503))

    # It is over in whichever way: refused by its application, lost, or closed.
    one.send(close())
    refused = converse(**values)
    assert refused.puppet.runs == 1
    refused.on_lost()
    closed = converse(**values)
    closed.send(ACCEPT)
    closed.send(close())
    closed.say(closing(1000))
    closed.on_end()
    assert converse(**values).puppet.runs == 1


def test_close_before_accept_is_a_403(converse: Converse) -> None:
    talk = converse()
    talk.send(close())
    assert talk.said == [("respond", 403, [], False), ("write", b"", True)]
    assert talk.receive() == CONNECT
    assert talk.receive() == disconnect(1006)
    assert talk.watcher.done == [(403, 0)]


def test_a_denial_is_a_response_like_any_other(converse: Converse) -> None:
    talk = converse()
    talk.send(denial(401, [(b"WWW-Authenticate", b"Basic")]))
    talk.send(denial_body(b"no", more=True))
    talk.send(denial_body(b" way"))
    assert talk.said == [
        ("respond", 401, [(b"www-authenticate", b"Basic")], False), ("write", b"no", False), ("write", b" way", True),
    ]  # fmt: skip
    assert talk.watcher.done == [(401, 6)]


@pytest.mark.parametrize(("before", "answered"), [((), 500), ((denial(),), "reset")])
@pytest.mark.parametrize("error", [None, ValueError("x")])
def test_an_application_that_leaves_before_it_answers(
    converse: Converse, log: EventLog, before: tuple[Any, ...], answered: Any, error: Exception | None
) -> None:
    talk = converse()
    for message in before:
        talk.send(message)
    talk.leave(error)
    assert answered in talk.said[-2] + talk.said[-1]
    assert log.names == ["APPLICATION_FAILED" if error else "APPLICATION_BROKE_ASGI"]


# Messages


def test_messages_both_ways(converse: Converse) -> None:
    talk = converse().open()
    talk.say(frame(TEXT, "κόσμε".encode()), frame(BINARY, b"\x00\xff"), frame(TEXT), frame(BINARY))
    assert [talk.receive() for _ in range(4)] == [
        {"type": "websocket.receive", "text": "κόσμε"}, {"type": "websocket.receive", "bytes": b"\x00\xff"},
        {"type": "websocket.receive", "text": ""}, {"type": "websocket.receive", "bytes": b""},
    ]  # fmt: skip
    for message in (text("κ"), {"bytes": b"\x00", "text": None}, {"bytes": bytearray(b"x")}, {"text": "", "bytes": None}):
        talk.send({"type": "websocket.send", **message})
    assert talk.frames == [(TEXT, "κ".encode()), (BINARY, b"\x00"), (BINARY, b"x"), (TEXT, b"")]


@pytest.mark.parametrize("message", [{}, {"text": None, "bytes": None}, {"text": b"x"}, {"bytes": "x"}, {"text": "\ud800"}, {"bytes": 5}])
def test_a_message_that_cannot_be_sent(converse: Converse, message: dict[str, Any]) -> None:
    talk = converse().open()
    with pytest.raises(InvalidMessage):
        talk.send({"type": "websocket.send", **message})
    assert talk.frames == []


def test_an_application_that_waits_is_woken(converse: Converse) -> None:
    talk = converse().open()
    waiting = talk.receiving()
    data = frame(TEXT, b"hello")
    talk.say(data[:4])
    assert not waiting.done()
    talk.say(data[4:])
    assert waiting.result() == {"type": "websocket.receive", "text": "hello"}


def test_pings_are_answered_while_the_application_is_busy(converse: Converse) -> None:
    talk = converse().open()
    talk.say(frame(TEXT, b"work") + frame(PING, b"1") + frame(PING, b"2"), frame(PONG, b"?"))
    assert talk.frames == [(PONG, b"1"), (PONG, b"2")]


def test_only_the_last_ping_is_answered_if_there_is_no_room(converse: Converse) -> None:
    talk = converse().open()
    talk.stream.writable = False
    talk.say(*[frame(PING, b"%d" % n) for n in range(1_000)])
    assert talk.frames == []
    talk.on_writable()
    assert talk.frames == [(PONG, b"999")]


def test_messages_are_compressed_where_that_was_agreed(converse: Converse) -> None:
    fields = [*FIELDS, (b"sec-websocket-extensions", b"permessage-deflate")]
    settings = SessionSettings(deflate=DeflateSettings())
    talk = converse(fields=fields, sessions=settings).open()
    answer = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert (b"sec-websocket-extensions", answer) in talk.said[0][2]
    talk.send(text("x" * 1_000))
    talk.send(text("short"))
    (first, packed), second = talk.frames
    assert (first, second) == (TEXT | 0x40, (TEXT, b"short"))
    assert len(packed) < 50
    plainly = converse(fields=fields, sessions=SessionSettings(deflate=None)).open()
    assert b"sec-websocket-extensions" not in dict(plainly.said[0][2])


# Credit and room


def test_the_client_is_credited_when_the_application_reads(converse: Converse) -> None:
    talk = converse().open()
    first, second = frame(TEXT, b"a"), frame(TEXT, b"b")
    talk.say(first, second)
    assert talk.stream.granted == 0
    talk.receive()
    assert talk.stream.granted == 0
    talk.receive()
    assert talk.stream.granted == len(first + second)


def test_a_message_larger_than_the_window_comes_through(converse: Converse) -> None:
    talk = converse().open()
    data = frame(BINARY, bytes(600_000))
    talk.say(data[:200_000], data[200_000:400_000])
    assert talk.stream.granted == 400_000
    talk.say(data[400_000:])
    assert talk.receive()["bytes"] == bytes(600_000)
    assert talk.stream.granted == len(data)


def test_no_more_is_parsed_than_a_slow_application_can_take(converse: Converse) -> None:
    talk = converse().open()
    talk.say(frame(TEXT, b"x") * 200 + frame(PING))
    assert talk.frames == []
    for _ in range(200):
        assert talk.receive() == {"type": "websocket.receive", "text": "x"}
    assert talk.frames == [(PONG, b"")]
    assert talk.stream.granted == talk.arrived


def test_send_waits_for_room(converse: Converse) -> None:
    talk = converse().open()
    talk.stream.writable = False
    sending = talk.sending(text("x"))
    assert not sending.done()
    talk.on_writable()
    assert sending.result() is None


def test_a_send_that_waits_hears_that_the_client_is_gone(converse: Converse) -> None:
    talk = converse().open()
    talk.stream.writable = False
    sending = talk.sending(text("x"))
    talk.on_lost()
    with pytest.raises(ClientDisconnected):
        sending.result()


def test_an_application_that_sends_without_end_lets_others_run(loop: ClockLoop, converse: Converse) -> None:
    talk = converse().open()
    turns = []

    async def flood() -> None:
        for _ in range(200):
            await talk.exchange.send(text("x"))

    task = loop.create_task(flood())
    loop.call_soon(lambda: loop.call_soon(lambda: turns.append(task.done())))
    loop.turn()
    assert turns == [False]
    assert task.done()


# The end

ENDS: dict[str, tuple[Callable[[Tunnel], object], dict[str, Any], list[tuple[int, bytes]]]] = {
    "their close": (lambda talk: talk.say(closing(1001, b"bye")), disconnect(1001, "bye"), [(CLOSE, b"\x03\xe9")]),
    "their close without a code": (lambda talk: talk.say(frame(CLOSE)), disconnect(1005), [(CLOSE, b"")]),
    "protocol": (lambda talk: talk.say(frame(3)), disconnect(1002, "a reserved opcode"), [(CLOSE, b"\x03\xeaa reserved opcode")]),
    "no utf-8": (lambda talk: talk.say(frame(TEXT, b"\xff")), disconnect(1007, "a text that is not UTF-8"), [(CLOSE, b"\x03\xefa text that is not UTF-8")]),
    "too long": (lambda talk: talk.say(frame(BINARY, b"", width=8)[:2] + bytes.fromhex("7fffffffffffffff00000000")), disconnect(1009, "a message of more than 16777216 bytes"), [(CLOSE, b"\x03\xf1a message of more than 16777216 bytes")]),
    "lost": (lambda talk: talk.on_lost(), disconnect(1006), []),
    "their half without a close": (lambda talk: talk.on_end(), disconnect(1006), []),
    "drain": (lambda talk: talk.exchange.on_drain(), disconnect(1012, "the server restarts"), [(CLOSE, b"\x03\xf4the server restarts")]),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("version", [H1, H2], ids=["h1", "h2"])
def test_one_disconnect_and_nothing_after_it(converse: Converse, end: str, waits: bool, version: dict[str, Any]) -> None:
    act, told, frames = ENDS[end]
    talk = converse(**version).open()
    waiting = talk.receiving() if waits else None
    act(talk)
    talk.loop.turn()
    assert (waiting.result() if waiting is not None else talk.receive()) == told
    assert talk.frames == frames
    for _ in range(2):
        with pytest.raises(ClientDisconnected, match="nothing follows"):
            talk.receive()
    with pytest.raises(ClientDisconnected):
        talk.send(text("x"))
    talk.on_end() if end not in ("lost", "their half without a close") else None
    talk.leave()
    assert talk.watcher.done == [(101 if version is H1 else 200, 0)]
    assert talk.host.websockets == set()
    assert talk.host.running == set()


def test_what_was_sent_before_the_end_is_heard_and_answered(converse: Converse) -> None:
    for end, code in ((closing(1000), 1000), (frame(3), 1002)):
        talk = converse().open()
        talk.say(frame(TEXT, b"last words") + end)
        assert talk.receive()["text"] == "last words"
        talk.send(text("answer"))
        assert talk.receive()["code"] == code
        assert [opcode for opcode, _ in talk.frames] == [TEXT, CLOSE]
        assert talk.half_closed


def test_a_close_waits_for_the_application_a_second_at_most(converse: Converse) -> None:
    talk = converse().open()
    talk.say(frame(TEXT, b"last words") + closing(1000))
    for now in (1.0, 1.9):
        talk.exchange.tick(now)
        assert talk.frames == []
    talk.exchange.tick(2.1)
    assert talk.frames == [(CLOSE, b"\x03\xe8")]
    assert talk.receive()["text"] == "last words"
    assert talk.receive() == disconnect(1000)


def test_the_application_closes(converse: Converse) -> None:
    talk = converse().open()
    talk.say(frame(TEXT, b"unread"))
    talk.send(close(4001, "enough"))
    assert talk.frames == [(CLOSE, b"\x0f\xa1enough")]
    assert not talk.half_closed
    assert talk.receive() == disconnect(4001, "enough")
    talk.say(frame(TEXT, b"on its way"), closing(4001))
    assert talk.half_closed
    assert talk.watcher.done == []
    talk.on_end()
    assert talk.watcher.done == [(101, 0)]
    assert talk.stream.granted == talk.arrived


@pytest.mark.parametrize(
    "message", [close(0), close(999), close(1004), close(1006), close(1015), close(2000), close(5000), close("x"), close(True), close(1000, "x" * 124), close(1000, b"x")]
)
def test_a_close_that_cannot_be_sent(converse: Converse, message: dict[str, Any]) -> None:
    talk = converse().open()
    with pytest.raises(InvalidMessage):
        talk.send(message)
    assert talk.frames == []


@pytest.mark.parametrize(("message", "payload"), [({"type": "websocket.close"}, b"\x03\xe8"), (close(None), b"\x03\xe8"), (close(1005), b""), (close(1000, "é" * 61), b"\x03\xe8" + "é".encode() * 61)])
def test_a_close_that_can(converse: Converse, message: dict[str, Any], payload: bytes) -> None:
    talk = converse().open()
    talk.send(message)
    assert talk.frames == [(CLOSE, payload)]


@pytest.mark.parametrize(("error", "code"), [(None, 1000), (ValueError("x"), 1011)])
def test_an_application_that_leaves_closes(converse: Converse, log: EventLog, error: Exception | None, code: int) -> None:
    talk = converse().open()
    talk.leave(error)
    assert talk.frames == [(CLOSE, code.to_bytes(2, "big"))]
    assert log.names == (["APPLICATION_FAILED"] if error else [])
    talk.say(closing(code))
    talk.on_end()
    assert talk.watcher.done == [(101, 0)]


class WebSocketDisconnect(Exception):
    """As Starlette's."""


@pytest.mark.parametrize("error", [ClientDisconnected("x"), WebSocketDisconnect()])
def test_an_application_may_let_the_disconnect_pass(converse: Converse, log: EventLog, error: Exception) -> None:
    talk = converse().open()
    talk.on_lost()
    talk.leave(error)
    assert log.names == []


def test_a_client_that_does_not_close_is_cut(converse: Converse) -> None:
    for end in (closing(1000), b""):
        talk = converse(sessions=SessionSettings(close_timeout=5.0)).open()
        talk.exchange.tick(100.0)
        if end:
            talk.say(end)
        else:
            talk.send(close())
        talk.exchange.tick(104.0)
        assert ("reset", Reset.CANCEL) not in talk.said
        if end:
            # Our half is over by then: the recording stream objects, a wire resets.
            talk.stream.lose()
        talk.exchange.tick(105.0)
        assert ("reset", Reset.CANCEL) in talk.said + talk.stream.late
        assert talk.watcher.done == [(101, 0)]


def test_pings_keep_it_alive(converse: Converse) -> None:
    talk = converse(sessions=SessionSettings(ping_interval=20.0, ping_timeout=10.0)).open()
    now = talk.loop.time()
    talk.exchange.tick(now + 19.0)
    assert talk.frames == []
    talk.exchange.tick(now + 20.0)
    talk.say(frame(PONG))
    talk.exchange.tick(now + 30.0)
    talk.exchange.tick(now + 40.0)
    assert talk.frames == [(PING, b""), (PING, b"")]
    talk.exchange.tick(now + 49.0)
    assert len(talk.frames) == 2
    talk.exchange.tick(now + 50.0)
    assert talk.frames[2:] == [(CLOSE, b"\x03\xf3no pong in time")]
    assert talk.receive() == disconnect(1011, "no pong in time")


@pytest.mark.parametrize("settings", [SessionSettings(ping_interval=0), SessionSettings(ping_timeout=0)])
def test_no_pings_or_no_end_of_patience(converse: Converse, settings: SessionSettings) -> None:
    talk = converse(sessions=settings).open()
    for now in range(2_000, 3_000, 7):
        talk.exchange.tick(float(now))
    assert talk.frames == ([] if settings.ping_interval == 0 else [(PING, b"")])


def test_a_slow_application_is_no_dead_client(converse: Converse) -> None:
    talk = converse().open()
    talk.say(frame(TEXT, b"x") * 100)
    for now in range(2_000, 3_000, 7):
        talk.exchange.tick(float(now))
    assert {opcode for opcode, _ in talk.frames} == {PING}


def test_what_came_before_the_handshake_was_answered(converse: Converse) -> None:
    talk = converse(**H2)
    talk.say(frame(TEXT, b"early"), closing(1000))
    talk.on_end()
    talk.open()
    assert talk.receive()["text"] == "early"
    assert talk.receive() == disconnect(1000)
    assert talk.stream.granted == talk.arrived


def test_what_came_before_a_refusal_is_credited(converse: Converse) -> None:
    talk = converse(**H2)
    talk.say(frame(TEXT, b"early"))
    talk.send(close())
    assert talk.stream.granted == talk.arrived
    talk.say(frame(TEXT, b"late"))
    assert talk.stream.granted == talk.arrived


def test_a_drain_before_the_handshake_is_answered(converse: Converse) -> None:
    talk = converse()
    talk.exchange.on_drain()
    talk.open()
    assert talk.frames == [(CLOSE, b"\x03\xf4the server restarts")]
    assert talk.receive() == disconnect(1012, "the server restarts")


def test_a_client_that_leaves_before_the_handshake_is_answered(converse: Converse, log: EventLog) -> None:
    talk = converse()
    talk.on_lost()
    assert talk.receive() == CONNECT
    assert talk.receive() == disconnect(1006)
    with pytest.raises(ClientDisconnected):
        talk.send(ACCEPT)
    talk.leave()
    assert log.names == []
    assert talk.watcher.done == [(0, 0)]


def test_cut_at_a_stop(converse: Converse, log: EventLog) -> None:
    waiting, accepted = converse(), converse().open()
    for talk in (waiting, accepted):
        for task in list(talk.host.running):
            task.cancel()
    waiting.loop.turn()
    assert waiting.said[0][:2] == ("respond", 503)
    assert accepted.frames == [(CLOSE, b"\x03\xf4the server restarts")]
    assert log.names == []


def test_two_tasks_may_receive(loop: ClockLoop, converse: Converse) -> None:
    talk = converse().open()
    waiting = [talk.receiving(), talk.receiving()]
    talk.say(frame(TEXT, b"one"))
    assert [task.done() for task in waiting].count(True) == 1
    talk.say(closing(1000))
    told = [task.exception() or task.result() for task in waiting]
    assert [type(each) for each in told].count(dict) == 2
