"""Exchange, trailers: of the response, announced in either way; of the request, beside the last message of its body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appserver.contract import Reset
from appserver.errors import InvalidMessage, UnexpectedMessage
from appserver.events import Event
from tests.support.asgi import DISCONNECT, Talk, body, http_request, start, trailers
from tests.support.events import EventLog

Converse = Callable[..., Talk]
PROMISED = (start(trailers=True), body())
NAMED = start(headers=[(b"trailer", b"x-sum")])


def test_trailers_end_the_body(converse: Converse) -> None:
    talk = converse(trailers_accepted=True)
    talk.send(start(200, trailers=True))
    talk.send(body(b"data", more=True))
    talk.send(body(b"!"))
    assert talk.said[1:] == [("write", b"data", False), ("write", b"!", False)]
    assert talk.watcher.done == []

    talk.send(trailers([(b"Grpc-Status", b"0")]))

    assert talk.said[-1] == ("finish", [(b"grpc-status", b"0")])
    assert talk.watcher.done == [(200, 5)]


def test_an_empty_answer_with_trailers_writes_nothing_between(converse: Converse) -> None:
    # gRPC's Trailers-Only: the wire may make one HEADERS frame of it.
    talk = converse(trailers_accepted=True)
    talk.send(start(200, [(b"content-type", b"application/grpc")], trailers=True))
    talk.send(body(b"", more=True))
    talk.send(body(b""))
    talk.send(trailers([(b"grpc-status", b"5")]))

    assert [call[0] for call in talk.said] == ["respond", "finish"]


def test_trailers_in_several_messages_are_sent_together(converse: Converse) -> None:
    talk = converse(trailers_accepted=True)
    for message in PROMISED:
        talk.send(message)
    talk.send(trailers([(b"a", b"1")], more=True))
    talk.send(trailers([(b"b", b"2")], more=True))
    talk.send(trailers([(b"c", b"3")]))

    assert talk.said[1:] == [("finish", [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])]


def test_a_client_that_wants_no_trailers_gets_none(converse: Converse) -> None:
    talk = converse(trailers_accepted=False)
    for message in (*PROMISED, trailers([(b"a", b"1")])):
        talk.send(message)

    assert talk.said[1:] == [("finish", [])]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_application_with_trailers_need_not_know_that_there_is_no_body(converse: Converse, method: str) -> None:
    talk = converse(method=method, trailers_accepted=True)
    for message in (start(200 if method == "HEAD" else 304, trailers=True), body(b"x"), trailers([(b"a", b"1")])):
        talk.send(message)
    talk.leave()

    assert [call[0] for call in talk.said] == ["respond"]
    assert talk.watcher.done == [(talk.said[0][1], 0)]


@pytest.mark.parametrize("pair", [(b"a", b"\n"), (b"content-length", b"0"), (":path", "/"), (b":path", b"/")])
def test_trailers_that_must_not_be_sent(converse: Converse, pair: tuple[Any, Any]) -> None:
    talk = converse(trailers_accepted=True)
    for message in PROMISED:
        talk.send(message)
    with pytest.raises(InvalidMessage):
        talk.send(trailers([pair]))

    assert talk.said[1:] == []


# Announced by a Trailer field alone, as gunicorn's guide has it


def test_a_trailer_field_announces_them_too(converse: Converse) -> None:
    talk = converse(trailers_accepted=True)
    talk.send(NAMED)
    talk.send(body(b"data"))
    talk.send(trailers([(b"x-sum", b"1")]))

    assert talk.said == [
        ("respond", 200, [(b"trailer", b"x-sum")], False), ("write", b"data", False), ("finish", [(b"x-sum", b"1")])
    ]  # fmt: skip


@pytest.mark.parametrize("error", [None, ValueError("a background task")])
def test_who_only_names_them_need_not_send_them(converse: Converse, log: EventLog, error: Exception | None) -> None:
    # A Trailer field may be another server's, passed on: the body was whole.
    talk = converse(trailers_accepted=True)
    talk.send(NAMED)
    talk.send(body(b"data"))
    talk.leave(error)

    assert talk.said[1:] == [("write", b"data", False), ("finish", [])]
    assert talk.watcher.done == [(200, 4)]
    assert log.names == ([] if error is None else [Event.APPLICATION_FAILED.name])


def test_trailers_that_were_begun_are_not_lost(converse: Converse) -> None:
    talk = converse(trailers_accepted=True)
    for message in (NAMED, body(b"data"), trailers([(b"x-sum", b"1")], more=True)):
        talk.send(message)
    talk.leave()

    assert talk.said[-1] == ("finish", [(b"x-sum", b"1")])


def test_who_promises_them_must_send_them(converse: Converse, log: EventLog) -> None:
    talk = converse(trailers_accepted=True)
    for message in PROMISED:
        talk.send(message)
    talk.leave()

    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)
    assert log.names == [Event.APPLICATION_BROKE_ASGI.name]


def test_trailers_that_nobody_announced(converse: Converse) -> None:
    talk = converse(trailers_accepted=True)
    talk.send(start())
    talk.send(body(b"data"))
    with pytest.raises(UnexpectedMessage, match="in phase DONE"):
        talk.sending(trailers([(b"x-sum", b"1")])).result()


@pytest.mark.parametrize(("version", "accepted"), [("1.0", True), ("1.0", False), ("1.1", False), ("2", False)])
def test_a_client_that_gets_no_trailers_is_promised_none(converse: Converse, version: str, accepted: bool) -> None:
    talk = converse(version=version, trailers_accepted=accepted)
    talk.send(start(200, [(b"trailer", b"x-sum"), (b"content-length", b"4")], trailers=True))
    talk.send(body(b"data"))
    talk.send(trailers([(b"x-sum", b"1")]))

    assert talk.said[0] == ("respond", 200, [(b"content-length", b"4")], False)
    assert talk.said[-1][0] == "finish"


@pytest.mark.parametrize(
    ("method", "version", "length"),
    [("GET", "1.1", []), ("GET", "2", [(b"content-length", b"4")]), ("HEAD", "1.1", [(b"content-length", b"4")])],
)
def test_over_http1_trailers_need_a_body_without_a_length(
    converse: Converse, method: str, version: str, length: list[Any]
) -> None:
    talk = converse(method=method, version=version, trailers_accepted=True)
    talk.send(start(200, [(b"content-length", b"4")], trailers=True))

    assert talk.said == [("respond", 200, length, method == "HEAD")]
    if method == "GET":
        with pytest.raises(Exception, match="2 bytes before its content-length"):
            talk.send(body(b"da"))


# Of the request


def test_request_trailers_come_with_the_last_message(converse: Converse) -> None:
    talk = converse(method="POST", ends=False)
    talk.on_body(b"data")
    talk.on_end([(b"x-sum", b"1"), (b"x-sum", b"2")])

    assert talk.receive() == http_request(b"data") | {"trailers": [(b"x-sum", b"1"), (b"x-sum", b"2")]}
    assert not talk.receiving().done()
    talk.send(start())
    talk.send(body())
    assert talk.receive() == DISCONNECT


def test_request_trailers_come_with_an_end_that_comes_alone(converse: Converse) -> None:
    talk = converse(method="POST", ends=False)
    talk.on_body(b"data")
    assert talk.receive() == http_request(b"data", more=True)
    waiting = talk.receiving()
    talk.on_end([(b"x-sum", b"1")])

    assert waiting.result() == http_request() | {"trailers": [(b"x-sum", b"1")]}


def test_a_request_without_trailers_has_no_such_key(converse: Converse) -> None:
    talk = converse(method="POST", ends=False)
    talk.on_end()

    assert talk.receive() == http_request()


def test_request_trailers_are_not_among_the_headers(converse: Converse) -> None:
    scopes = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)
        assert (await receive())["trailers"] == [(b"x-sum", b"1")]
        await send(start())
        await send(body())

    talk = converse(app, method="POST", ends=False)
    talk.on_end([(b"x-sum", b"1")])

    assert scopes[0]["headers"] == []
    assert scopes[0]["extensions"]["http.request.trailers"] == {}
    assert talk.watcher.done == [(200, 0)]
