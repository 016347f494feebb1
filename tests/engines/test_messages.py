"""Message validity: the same verdict by every engine, and never more than one stream harmed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engines.messages import CASES, OK, RESET, Case
from tests.engines.talk import Talk
from tests.support.frames import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    GET,
    NO_ERROR,
    POST,
    PROTOCOL_ERROR,
    Head,
    Text,
    changed,
    expect,
)

OpenTalk = Callable[..., Talk]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.encode("unicode_escape").decode())
def test_a_head_has_one_verdict(talk: Talk, case: Case) -> None:
    said = talk.ask(talk.client.headers(1, case.fields, end=True))
    if case.verdict == OK:
        assert [call[1] for call in talk.calls] == ["begin"]
        assert said == []
        assert not talk.faults
    else:
        assert talk.calls == []
        assert said == ([expect.reset(1, PROTOCOL_ERROR)] if case.verdict == RESET else expect.answer(1, case.verdict))
        assert len(talk.faults) == 1
    # Whatever it was, the connection goes on.
    talk.say(talk.client.headers(3, changed(GET, path="/next"), end=True))
    assert talk.requests[-1].request.raw_path == b"/next"
    assert not talk.engine.ended


@pytest.mark.parametrize("case", [case for case in CASES if case.verdict > RESET], ids=lambda case: case.name)
def test_an_answer_before_the_body_ends_tells_the_client_to_stop(talk: Talk, case: Case) -> None:
    said = talk.ask(talk.client.headers(1, case.fields))
    assert said == [*expect.answer(1, case.verdict), expect.reset(1, NO_ERROR)]
    assert talk.ask(talk.client.data(1, b"late", end=True)) == []
    assert talk.calls == []


def test_bytes_of_a_path_are_passed_on_as_they_are(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(GET, path=b"/\xc3\xa4\xff?\xe4"), end=True))
    request = talk.request().request
    assert (request.raw_path, request.query, request.path) == (b"/\xc3\xa4\xff", b"\xe4", "/ä�")


@pytest.mark.parametrize("name", ["x_forwarded_for", "content_length", "transfer_encoding", "x_real_ip"])
def test_underscore_aliases_of_protected_names_are_dropped(talk: Talk, name: str) -> None:
    talk.say(talk.client.headers(1, changed(GET, (name, "1"), ("x_own", "kept")), end=True))
    assert talk.request().request.fields == [(b"host", b"a.test"), (b"x_own", b"kept")]


def test_http2_settings_is_dropped(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(GET, ("http2-settings", "AAMAAABkAAQAAP__")), end=True))
    assert talk.request().request.fields == [(b"host", b"a.test")]


def test_the_application_sees_one_host(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(GET, ("host", "A.TEST"), ("x", "1")), end=True))
    assert talk.request().request.fields == [(b"host", b"a.test"), (b"x", b"1")]


def test_crumbs_become_one_cookie(talk: Talk) -> None:
    talk.say(talk.client.headers(1, changed(GET, ("cookie", "a=1"), ("x", "1"), ("cookie", "b=2")), end=True))
    assert talk.request().request.fields == [(b"host", b"a.test"), (b"x", b"1"), (b"cookie", b"a=1; b=2")]


BODIES = [(b"123",), (b"123456",), (b"123", b"456"), (b"", b"123"), (b"12345", b"6")]


@pytest.mark.parametrize("chunks", BODIES)
def test_a_body_that_is_not_its_content_length_is_never_complete(talk: Talk, chunks: tuple[bytes, ...]) -> None:
    client = talk.client
    data = [client.data(1, chunk, end=n == len(chunks) - 1) for n, chunk in enumerate(chunks)]
    said = talk.ask(client.headers(1, changed(POST, ("content-length", "5"))), *data)
    assert said == [expect.reset(1, PROTOCOL_ERROR)]
    assert talk.calls[0][1] == "begin"
    assert talk.calls[-1] == (1, "lost")
    assert not any(call[1] == "end" for call in talk.calls)
    assert not talk.engine.ended


def test_no_body_where_one_was_declared(talk: Talk) -> None:
    said = talk.ask(talk.client.headers(1, changed(POST, ("content-length", "5"))), talk.client.data(1, end=True))
    assert said == [expect.reset(1, PROTOCOL_ERROR)]
    assert talk.calls[1:] == [(1, "lost")]


def test_trailers_before_the_whole_body(talk: Talk) -> None:
    client = talk.client
    head = client.headers(1, changed(POST, ("content-length", "5")))
    assert talk.ask(head, client.data(1, b"1234"), client.headers(1, [("x", "1")], end=True)) == [
        expect.reset(1, PROTOCOL_ERROR)
    ]
    assert talk.calls[1:] == [(1, "body", b"1234"), (1, "lost")]


def test_a_declared_length_over_the_limit_is_answered_at_once(open_talk: OpenTalk) -> None:
    talk = open_talk(limits={"body": 10})
    said = talk.ask(talk.client.headers(1, changed(POST, ("content-length", "11"))))
    assert said == [*expect.answer(1, 413), expect.reset(1, NO_ERROR)]
    assert talk.calls == []


def test_a_body_over_the_limit_is_answered(open_talk: OpenTalk) -> None:
    talk = open_talk(limits={"body": 10})
    said = talk.ask(talk.client.headers(1, POST), talk.client.data(1, b"1234567890"), talk.client.data(1, b"1"))
    assert said == [*expect.answer(1, 413), expect.reset(1, NO_ERROR)]
    assert talk.calls[1:] == [(1, "body", b"1234567890"), (1, "refused", 413)]


def test_a_body_over_the_limit_ends_an_answer_that_has_begun(open_talk: OpenTalk) -> None:
    talk = open_talk(limits={"body": 10})
    talk.say(talk.client.headers(1, POST))
    talk.request().stream.respond(200, [], False)
    assert talk.heard() == [expect.headers(1, [(":status", "200")])]
    assert talk.ask(talk.client.data(1, b"12345678901")) == [expect.reset(1, CANCEL)]
    assert talk.calls[1:] == [(1, "lost")]
    assert talk.engine.inflight == 0


def test_no_limit_is_no_limit(open_talk: OpenTalk) -> None:
    talk = open_talk(limits={"body": 0})
    talk.say(talk.client.headers(1, POST), *(talk.client.data(1, bytes(16_384)) for _ in range(4)))
    assert len(talk.request().body) == 65_536


ABUSE: dict[str, list[tuple[Text, Text]]] = {
    "four times the size": [(f"x-{n}", "v" * 16_000) for n in range(17)],
    "four times the count": [(f"x-{n}", "") for n in range(401)],
    "four times the crumbs": [("cookie", "")] * 1_025,
}


@pytest.mark.parametrize("name", ABUSE)
def test_four_times_a_limit_ends_the_connection(talk: Talk, name: str) -> None:
    said = talk.ask(talk.client.headers(1, changed(GET, *ABUSE[name]), end=True))
    assert talk.is_dead(said, ENHANCE_YOUR_CALM)
    assert talk.calls == []


def test_an_hpack_bomb_ends_the_connection(talk: Talk) -> None:
    # CVE-2016-6581: one entry of 4,000 bytes, and a byte for each repetition of it.
    block = talk.client.block([*GET, ("x", "v" * 4_000)]) + b"\xbe" * 12_000
    assert talk.is_dead(talk.ask(talk.client.raw_headers(1, block, end=True)), ENHANCE_YOUR_CALM)


def test_a_refused_head_keeps_the_compression_in_step(talk: Talk) -> None:
    # The refused block fills the HPACK table that the next one refers to.
    talk.say(talk.client.headers(1, changed(GET, ("x-kept", "value"), path="relative"), end=True))
    talk.say(talk.client.headers(3, changed(GET, ("x-kept", "value")), end=True))
    assert talk.request().request.fields == [(b"host", b"a.test"), (b"x-kept", b"value")]


def test_a_wrong_head_while_another_is_served_harms_nobody(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.say(talk.client.headers(3, changed(GET, ("connection", "close")), end=True))
    talk.request().stream.respond(200, [], True)
    said = talk.heard()
    assert expect.reset(3, PROTOCOL_ERROR) in said
    assert [frame.status for frame in said if isinstance(frame, Head)] == [200]
