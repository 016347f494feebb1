"""Exchange, `send`: each cell of the phase table, framing by status and method, lengths, waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from appserver.contract import Reset
from appserver.errors import (
    ApplicationError,
    BodyTooLong,
    BodyTooShort,
    ClientDisconnected,
    InvalidMessage,
    UnexpectedMessage,
)
from appserver.events import Event
from tests.support.asgi import DISCONNECT, Talk, body, hint, informational, pathsend, start, trailers, zerocopysend
from tests.support.events import EventLog
from tests.support.held_jobs import HeldJobs
from tests.unit.apps.asgi.conftest import LATE

Converse = Callable[..., Talk]

# How a test gets into each phase of the table, and a message of each type.
PHASES: dict[str, tuple[dict[str, Any], ...]] = {
    "HEAD": (),
    "BODY": (start(),),
    "TRAILERS": (start(trailers=True), body()),
    "FILE": (start(),),
    "DONE": (start(), body()),
    "LOST": (),
    "BROKEN": (start(200, [(b"content-length", b"0")]),),
}
MESSAGES: dict[str, dict[str, Any]] = {
    "http.response.start": start(),
    "http.response.early_hint": hint(b"</style.css>"),
    "http.response.informational": informational(),
    "http.response.body": body(b"x"),
    "http.response.trailers": trailers(),
    "http.response.pathsend": pathsend(__file__), "http.response.zerocopysend": zerocopysend(None),
    "http.disconnect": {"type": "http.disconnect"},
    "http.request": {"type": "http.request"},
    "lifespan.startup.complete": {"type": "lifespan.startup.complete"},
    "websocket.accept": {"type": "websocket.accept"},
    "": {"type": ""},
}
HEARD = {
    "http.response.start": "respond",
    "http.response.early_hint": "inform",
    "http.response.informational": "inform",
    "http.response.body": "write",
    "http.response.trailers": "finish",
    "http.response.pathsend": "write",
    "http.response.zerocopysend": "write",
}


def enter(converse: Converse, phase: str, jobs: HeldJobs) -> Talk:
    talk = converse(trailers_accepted=True)
    for message in PHASES[phase]:
        talk.send(message)
    if phase == "LOST":
        talk.on_lost()
    elif phase == "BROKEN":
        with pytest.raises(BodyTooLong):
            talk.send(body(b"more than nothing"))
    elif phase == "FILE":
        jobs.held = True
        assert not talk.sending(pathsend(__file__)).done()
    return talk


def test_the_table_is_whole() -> None:
    assert tuple(PHASES) == LATE.PHASES
    assert LATE.PHASES.index("DONE") == LATE._DONE == len(LATE.SEND)
    assert {kind for table in LATE.SEND for kind in table} == set(HEARD)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind or "empty")
@pytest.mark.parametrize("phase", PHASES)
def test_each_cell_of_the_table(converse: Converse, jobs: HeldJobs, phase: str, kind: str, tmp_path: Path) -> None:
    talk = enter(converse, phase, jobs)
    number = list(PHASES).index(phase)
    allowed = LATE.SEND[number] if number < LATE._DONE else {}
    before = list(talk.said)
    (tmp_path / "file").write_bytes(b"file")

    with (tmp_path / "file").open("rb") as file:
        message = zerocopysend(file) if kind == "http.response.zerocopysend" else MESSAGES[kind]
        if kind in allowed:
            talk.send(message)
            assert [call[0] for call in talk.said[len(before):]] == [HEARD[kind]]
        elif phase == "LOST":
            with pytest.raises(ClientDisconnected, match="the client is gone"):
                talk.send(message)
            assert talk.said == before
            assert talk.stream.late == []
        else:
            with pytest.raises(UnexpectedMessage) as caught:
                talk.send(message)
            assert repr(kind) in str(caught.value)
            assert f"in phase {phase}" in str(caught.value)
            for name in allowed:
                assert name in str(caught.value)
            assert talk.said == before


def test_a_wrong_message_does_not_move_the_phase(converse: Converse) -> None:
    talk = converse()
    with pytest.raises(UnexpectedMessage, match=r"http\.response\.start, http\.response\.early_hint"):
        talk.send(body(b"too early"))

    talk.send(start())
    talk.send(body(b"ok"))

    assert talk.said == [("respond", 200, [], False), ("write", b"ok", True)]


@pytest.mark.parametrize("message", [None, 1, "http.response.start", [1], {}, {"status": 200}])
def test_what_is_no_message_is_the_applications_mistake(converse: Converse, message: object) -> None:
    talk = converse()
    with pytest.raises((TypeError, ValueError, KeyError, ApplicationError)):
        talk.send(message)

    assert talk.said == []


def test_any_mapping_is_a_message(converse: Converse) -> None:
    talk = converse()

    talk.send(MappingProxyType(start(204)))

    assert talk.said == [("respond", 204, [], True)]


# Heads


@pytest.mark.parametrize(
    "status",
    [
        0, 99, 100, 103, 199, 1000, -1, 2**31, 2**63, -(2**64), pytest.param(10**5000, id="5000 digits"),
        "200", b"200", 200.0, None, True, "200 OK\r\nX: y",
    ],
)  # fmt: skip
def test_a_status_that_is_none(converse: Converse, status: object) -> None:
    talk = converse()
    with pytest.raises(InvalidMessage, match="a final response status is 200 to 999"):
        talk.send(start(status))

    assert talk.said == []
    talk.send(start(200))
    assert talk.said == [("respond", 200, [], False)]


@pytest.mark.parametrize("status", [200, HTTPStatus.NOT_FOUND, 599, 999])
def test_a_status_as_it_was_sent(converse: Converse, status: int) -> None:
    talk = converse()
    talk.send(start(status))

    assert talk.said == [("respond", int(status), [], False)]
    assert type(talk.said[0][1]) is int


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x", b"a\r\nset-cookie: b")],
        [(b"x\r\ny", b"a")],
        [(b"x", b"\0")],
        [(b"", b"a")],
        [(b":status", b"200")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"1"), (b"content-length", b"2")],
        [("x", "text")],
        [(b"x", None)],
    ],
)
def test_fields_that_must_not_be_sent(converse: Converse, headers: list[Any]) -> None:
    talk = converse()
    with pytest.raises(InvalidMessage):
        talk.send(start(200, headers))

    assert talk.said == []


@pytest.mark.parametrize("headers", [None, 7, [b"x"], [(b"a", b"b", b"c")], [(b"a",)]])
def test_fields_that_are_no_pairs(converse: Converse, headers: Any) -> None:
    talk = converse()
    with pytest.raises((TypeError, ValueError)):
        talk.send(start(200, headers))

    assert talk.said == []


def test_fields_may_come_from_anything_iterable(converse: Converse) -> None:
    talk = converse()
    talk.send(start(200, (pair for pair in [[b"X-One", bytearray(b"1")], (b"x-two", memoryview(b"2"))])))

    assert talk.said == [("respond", 200, [(b"x-one", b"1"), (b"x-two", b"2")], False)]


def test_the_applications_list_is_not_ours_to_change(converse: Converse) -> None:
    talk = converse()
    talk.answers.date = (b"date", b"now")
    headers = [(b"x", b"y")]
    talk.send(start(200, headers))

    assert headers == [(b"x", b"y")]
    assert talk.said == [("respond", 200, [(b"x", b"y"), (b"date", b"now")], False)]


def test_date_and_server_where_the_application_has_none(converse: Converse) -> None:
    talk = converse()
    talk.answers.date, talk.answers.server = (b"date", b"ours"), (b"server", b"ours")
    talk.send(start(200, [(b"Server", b"mine"), (b"date", b"mine")]))

    assert talk.said == [("respond", 200, [(b"server", b"mine"), (b"date", b"mine")], False)]


def test_connection_fields_are_the_wires(converse: Converse) -> None:
    fields = [(b"connection", b"close"), (b"keep-alive", b"5"), (b"transfer-encoding", b"chunked"), (b"x", b"y")]
    over_h2, over_h1 = converse(), converse(version="1.1")
    for talk in (over_h2, over_h1):
        talk.send(start(200, fields))

    assert over_h2.said == [("respond", 200, [(b"x", b"y")], False)]
    assert over_h1.said == [("respond", 200, [(b"connection", b"close"), (b"x", b"y")], False)]


# Bodies


@pytest.mark.parametrize("data", [bytearray(b"data"), memoryview(b"data"), type("Bytes", (bytes,), {})(b"data")])
def test_bodies_become_bytes(converse: Converse, data: Any) -> None:
    talk = converse()
    talk.send(start())
    talk.send(body(data))

    assert talk.said[1:] == [("write", b"data", True)]


@pytest.mark.parametrize("data", ["text", None, 7, [b"x"]])
def test_bodies_that_are_no_bytes(converse: Converse, data: Any) -> None:
    talk = converse()
    talk.send(start())
    with pytest.raises(InvalidMessage, match="a response body is bytes"):
        talk.send(body(data))

    talk.send(body(b"then"))
    assert talk.said[1:] == [("write", b"then", True)]


def test_a_body_message_may_be_all_defaults(converse: Converse) -> None:
    talk = converse()
    talk.send({"type": "http.response.start", "status": 200})
    talk.send({"type": "http.response.body"})

    assert talk.said == [("respond", 200, [], False), ("write", b"", True)]


def test_an_empty_piece_is_no_write(converse: Converse) -> None:
    talk = converse()
    talk.send(start())
    talk.send(body(b"", more=True))
    talk.send(body(b"a", more=True))
    talk.send(body(b""))

    assert talk.said[1:] == [("write", b"a", False), ("write", b"", True)]
    assert talk.watcher.done == [(200, 1)]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404), ("POST", 204)])
def test_answers_without_a_body(converse: Converse, method: str, status: int) -> None:
    talk = converse(method=method)
    talk.send(start(status))
    talk.send(body(b"ignored", more=True))
    talk.send(body(b"ignored too"))

    assert talk.said == [("respond", status, [], True)]
    assert talk.watcher.done == [(status, 0)]


def test_a_head_response_keeps_the_length_that_get_would_have(converse: Converse) -> None:
    talk = converse(method="HEAD")
    talk.send(start(200, [(b"content-length", b"1234")]))
    talk.send(body())
    talk.leave()

    assert talk.said == [("respond", 200, [(b"content-length", b"1234")], True)]


def test_204_has_no_content_length(converse: Converse) -> None:
    talk = converse()
    talk.send(start(204, [(b"x", b"y"), (b"content-length", b"0")]))

    assert talk.said == [("respond", 204, [(b"x", b"y")], True)]


@pytest.mark.parametrize("length", [[], [(b"content-length", b"5")]])
def test_205_has_no_body_and_leaves_its_framing_to_the_wire(converse: Converse, length: list[Any]) -> None:
    talk = converse()
    talk.send(start(205, [(b"x", b"y"), *length]))
    talk.send(body(b"hello"))

    assert talk.said == [("respond", 205, [(b"x", b"y")], True)]
    assert talk.watcher.done == [(205, 0)]


@pytest.mark.parametrize("pieces", [[b"abc"], [b"a", b"bc"], [b"ab", b"", b"c"], [b"abc", b""]])
def test_a_body_as_long_as_promised(converse: Converse, pieces: list[bytes]) -> None:
    talk = converse()
    talk.send(start(200, [(b"content-length", b"3")]))
    for number, piece in enumerate(pieces, 1):
        talk.send(body(piece, more=number < len(pieces)))

    assert talk.stream.body == b"abc"
    assert talk.said[-1][0] == "write"
    assert talk.watcher.done == [(200, 3)]


@pytest.mark.parametrize(("pieces", "sent"), [([b"abcd"], b"abc"), ([b"ab", b"cd"], b"abc"), ([b"abc", b"d"], b"abc")])
def test_a_body_longer_than_promised_is_cut_and_broken_off(
    converse: Converse, log: EventLog, pieces: list[bytes], sent: bytes
) -> None:
    talk = converse()
    talk.send(start(200, [(b"content-length", b"3")]))
    for piece in pieces[:-1]:
        talk.send(body(piece, more=True))
    with pytest.raises(BodyTooLong) as caught:
        talk.send(body(pieces[-1]))

    assert talk.stream.body == sent
    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)
    assert talk.watcher.done == [(200, 3)]
    talk.leave(caught.value)
    assert "longer than its content-length" in str(log.only(Event.APPLICATION_BROKE_ASGI)["reason"])


@pytest.mark.parametrize("pieces", [[b""], [b"ab"], [b"a", b"b"]])
def test_a_body_shorter_than_promised_is_broken_off(converse: Converse, log: EventLog, pieces: list[bytes]) -> None:
    talk = converse()
    talk.send(start(200, [(b"content-length", b"3")]))
    for piece in pieces[:-1]:
        talk.send(body(piece, more=True))
    with pytest.raises(BodyTooShort) as caught:
        talk.send(body(pieces[-1]))

    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)
    assert talk.watcher.done == [(200, len(talk.stream.body))]
    talk.leave(caught.value)
    assert "before its content-length" in str(log.only(Event.APPLICATION_BROKE_ASGI)["reason"])


def test_after_breaking_off_nothing_is_sent(converse: Converse) -> None:
    talk = converse()
    talk.send(start(200, [(b"content-length", b"1")]))
    with pytest.raises(BodyTooLong):
        talk.send(body(b"12"))

    for message in (body(b"3"), start()):
        with pytest.raises(UnexpectedMessage, match="in phase BROKEN; allowed: nothing"):
            talk.send(message)
    talk.leave()

    assert talk.said[1:] == [("write", b"1", False), ("reset", Reset.INTERNAL_ERROR)]


# Waiting


def test_send_waits_while_the_stream_is_full(converse: Converse) -> None:
    talk = converse()
    talk.stream.full_after = 10
    talk.send(start())
    talk.send(body(b"12345", more=True))
    waiting = talk.sending(body(b"67890", more=True))
    assert not waiting.done()

    talk.on_writable()

    assert waiting.done()
    talk.send(body(b"!"))
    assert talk.stream.body == b"1234567890!"


def test_the_last_piece_never_waits(converse: Converse) -> None:
    talk = converse()
    talk.stream.full_after = 1
    talk.send(start())
    talk.send(body(b"123"))

    assert talk.stream.writable is False


def test_writable_again_may_be_full_again(converse: Converse) -> None:
    talk = converse()
    talk.stream.full_after = 1
    talk.send(start())
    waiting = talk.sending(body(b"1", more=True))

    talk.exchange.on_writable()  # the connection has room, and another stream was quicker
    talk.loop.turn()
    assert not waiting.done()

    talk.on_writable()
    assert waiting.done()


def test_several_tasks_wait_for_one_stream(converse: Converse) -> None:
    talk = converse()
    talk.stream.full_after = 1
    talk.send(start())
    waiting = [talk.sending(body(b"%d" % number, more=True)) for number in range(3)]
    assert not any(task.done() for task in waiting)

    talk.on_writable()

    assert all(task.done() for task in waiting)
    assert talk.stream.body == b"012"


def test_a_cancelled_send_leaves_the_others_waiting(converse: Converse) -> None:
    talk = converse()
    talk.stream.full_after = 1
    talk.send(start())
    first, second = talk.sending(body(b"1", more=True)), talk.sending(body(b"2", more=True))
    first.cancel()
    talk.loop.turn()
    assert first.cancelled()
    assert not second.done()

    talk.on_writable()

    assert second.result() is None


def test_a_client_that_leaves_frees_the_senders(converse: Converse) -> None:
    talk = converse()
    talk.stream.full_after = 1
    talk.send(start())
    waiting = [talk.sending(body(b"1", more=True)) for _ in range(2)]

    talk.on_lost()

    assert [type(task.exception()) for task in waiting] == [ClientDisconnected, ClientDisconnected]
    assert talk.stream.late == []


def test_the_end_from_another_task_frees_the_senders(converse: Converse) -> None:
    talk = converse()
    talk.stream.full_after = 1
    talk.send(start())
    waiting = talk.sending(body(b"1", more=True))
    talk.send(body(b"2"))

    talk.loop.turn()

    assert waiting.result() is None


@pytest.mark.parametrize("message", [hint(b"</a.css>"), start(), body(b"x", more=True), body(b""), trailers()])
def test_after_the_client_left_every_send_raises(converse: Converse, message: dict[str, Any]) -> None:
    talk = converse()
    talk.on_lost()
    with pytest.raises(ClientDisconnected):
        talk.send(message)
    with pytest.raises(OSError, match="the client is gone"):
        talk.send(message)

    assert talk.stream.late == []


def test_a_send_that_is_never_awaited_sends_nothing(converse: Converse) -> None:
    talk = converse()
    talk.exchange.send(start()).close()
    talk.exchange.send(start(201))

    assert talk.said == []


def test_a_send_that_is_cancelled_before_it_ran_sends_nothing(converse: Converse) -> None:
    talk = converse()

    async def cancel() -> None:
        task = asyncio.ensure_future(talk.exchange.send(start(201)))
        task.cancel()
        await asyncio.wait({task})

    talk.loop.finish(cancel())
    talk.send(start(202))

    assert talk.said == [("respond", 202, [], False)]


def test_sends_may_be_made_before_they_are_awaited(converse: Converse) -> None:
    talk = converse()

    async def answer() -> None:
        first, second, third = talk.exchange.send(start()), talk.exchange.send(body(b"1", more=True)), talk.exchange.send(body(b"2"))
        await first
        await second
        await third

    talk.loop.finish(answer())
    assert talk.stream.body == b"12"


# Its turn


async def endless(send: Any, message: Any, swallow: bool = False) -> None:
    """Send for ever and wait for nothing else."""
    while True:
        try:
            await send(message)
        except Exception:
            if not swallow:
                raise


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_000])
def test_an_application_that_never_waits_yields_to_the_loop(converse: Converse, size: int, method: str) -> None:
    talk = converse(method=method)
    talk.send(start())
    task = talk.loop.create_task(endless(talk.exchange.send, body(bytes(size), more=True)))
    for _ in range(100):
        talk.loop.turn(1)

    # No turn of the loop took more than the bound, and one piece.
    assert len(talk.stream.body) <= 101 * (262_144 + size)
    assert len(talk.stream.body) >= 99 * min(size, 1) or method == "HEAD"
    task.cancel()
    talk.loop.turn()


def left(talk: Talk) -> None:
    talk.on_lost()


def ended(talk: Talk) -> None:
    talk.send(body(b"the end"))


def broken(talk: Talk) -> None:
    talk.leave(ValueError("a fault"))


@pytest.mark.parametrize("over", [left, ended, broken])
def test_who_swallows_the_end_and_goes_on_yields_each_time(
    converse: Converse, log: EventLog, over: Callable[[Talk], None]
) -> None:
    talk = converse()
    talk.send(start())
    over(talk)
    before = list(talk.said)
    task = talk.loop.create_task(endless(talk.exchange.send, body(b"x", more=True), swallow=True))
    for _ in range(20):
        talk.loop.turn(1)  # each of them returns

    assert talk.said == before
    assert talk.stream.late == []
    task.cancel()
    talk.loop.turn()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("POST", 205)])
def test_a_body_that_nobody_gets_has_an_end(converse: Converse, method: str, status: int) -> None:
    talk = converse(method=method)
    talk.send(start(status))
    talk.receive()
    waiting = talk.receiving()
    talk.send(body(b"x", more=True))
    talk.loop.advance(4.9)
    talk.send(body(b"x", more=True))
    talk.loop.advance(0.2)
    with pytest.raises(ClientDisconnected):
        talk.send(body(b"x", more=True))

    assert waiting.result() == talk.receive() == DISCONNECT
    assert talk.watcher.done == [(status, 0)]
    assert len(talk.said) == 1


def test_sends_can_be_waited_for_in_every_way(converse: Converse) -> None:
    talk = converse()

    async def answer() -> None:
        await asyncio.create_task(talk.exchange.send(start()))
        await asyncio.wait_for(talk.exchange.send(body(b"1", more=True)), 5)
        await asyncio.gather(talk.exchange.send(body(b"2", more=True)), talk.exchange.send(body(b"3")))

    talk.loop.finish(answer())
    assert talk.stream.body == b"123"


def test_a_priority_that_an_application_gives_is_told_to_the_wire(converse: Converse) -> None:
    talk = converse()
    talk.send(start(200, [(b"priority", b"u=0, i=?0")]))
    assert talk.said == [("prioritize", 0, 0), ("respond", 200, [(b"priority", b"u=0, i=?0")], False)]


def test_a_malformed_priority_is_only_passed_on(converse: Converse) -> None:
    talk = converse()
    talk.send(start(200, [(b"priority", b"u=0,")]))
    assert talk.said == [("respond", 200, [(b"priority", b"u=0,")], False)]
