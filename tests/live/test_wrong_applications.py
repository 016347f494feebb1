"""What an application does wrong: its own request fails, the connection and the worker do not."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.live.conftest import Talk
from tests.support.clients import Answer, Http1
from tests.support.probe import ERRORS, WRONG
from tests.support.process import Server, until

Said = Callable[[], str]
REQUEST_ID = re.compile(r"ERROR    request [0-9a-f]{12} ")


def asked(talk: Talk, path: str, *more: Any, **named: Any) -> Answer:
    """Ask, and see that the connection is in order afterwards."""
    with talk.new() as client:
        answer: Answer = client.ask("GET", path, *more, **named)
        assert talk.goes_on(client)
    return answer


def is_500(answer: Answer) -> bool:
    return (answer.status, answer.body, answer.whole) == (500, b"500 Internal Server Error\n", True)


def is_cut(answer: Answer, body: bytes) -> bool:
    """Tell whether the client can see that it has not everything."""
    head = answer.status == 200 or answer.reset is not None  # a reset may overtake the head
    return head and not answer.whole and body.startswith(answer.body)


def blamed_once(said: Said, path: str) -> bool:
    """Wait until the application was blamed; tell whether it was so once."""
    until(lambda: path in said(), f"the log names {path}")
    return len(REQUEST_ID.findall(said())) == 1


RESET = b"reset"


def receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65_536)
    except ConnectionResetError:
        return RESET


# It raises


@pytest.mark.parametrize("later", ["", "&later=1"], ids=["at once", "after a wait"])
@pytest.mark.parametrize("error", sorted(ERRORS))
def test_raising_before_the_answer_is_a_500(talk: Talk, error: str, later: str) -> None:
    assert is_500(asked(talk, f"/raise?when=start&error={error}{later}"))


def test_an_error_is_logged_once_with_its_traceback(talk: Talk, said_since: Said) -> None:
    asked(talk, "/raise?when=start")
    assert blamed_once(said_since, "GET /raise")
    assert said_since().count("Traceback (most recent call last)") == 1
    assert said_since().count("ValueError: raised at start") == 1


@pytest.mark.parametrize("ms", [0, 20])
@pytest.mark.parametrize("length", ["", "&length=1"])
def test_raising_in_the_answer_cuts_it(talk: Talk, length: str, ms: int, said_since: Said) -> None:
    assert is_cut(asked(talk, f"/raise?when=middle&ms={ms}{length}"), b"half of it")
    assert blamed_once(said_since, "GET /raise")


def test_a_cut_answer_is_a_reset_of_its_stream_alone(h2: Talk) -> None:
    with h2.new() as client:
        other = client.open("GET", "/slow?ms=50&id=other")
        assert client.ask("GET", "/raise?when=middle").reset == 2  # INTERNAL_ERROR
        assert client.answer(other).text == "other"


def test_a_cut_answer_to_http_1_0_does_not_look_whole(h1: Talk) -> None:
    # Only the end of the connection delimits such a body: it must be torn off, not closed in peace.
    with h1.new() as client:
        client.send(b"GET /raise?when=middle HTTP/1.0\r\n\r\n")
        seen: list[bytes] = []
        while not seen or seen[-1] not in (b"", RESET):
            seen.append(receive(client.sock))
        assert seen[-1] == RESET


@pytest.mark.parametrize("error", ["ValueError", "SystemExit", "Unusual"])
def test_raising_after_the_answer_harms_nobody(talk: Talk, error: str, said_since: Said) -> None:
    answer = asked(talk, f"/raise?when=end&error={error}")
    assert (answer.status, answer.body, answer.whole) == (200, b"whole", True)
    assert blamed_once(said_since, "GET /raise")


def test_system_exit_does_not_end_the_worker(talk: Talk, server: Server) -> None:
    for when in ("start", "middle", "end"):
        talk.ask("GET", f"/raise?when={when}&error=SystemExit&later=1")
        talk.ask("GET", f"/raise?when={when}&error=KeyboardInterrupt&later=1")
    assert talk.ask("GET", "/hello").body == b"hello"
    assert not server.ended


# It says nothing, too little, too much


def test_saying_nothing_is_a_500(talk: Talk, said_since: Said) -> None:
    assert is_500(asked(talk, "/silent"))
    assert blamed_once(said_since, "GET /silent")
    assert "the application returned in phase HEAD" in said_since()


def test_saying_half_of_it_cuts_the_answer(talk: Talk, said_since: Said) -> None:
    assert is_cut(asked(talk, "/half"), b"half of it")
    assert blamed_once(said_since, "GET /half")


def test_saying_it_twice_says_it_once(talk: Talk, said_since: Said) -> None:
    answer = asked(talk, "/twice")
    assert (answer.status, answer.body, answer.whole) == (200, b"once", True)
    assert blamed_once(said_since, "GET /twice")


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_a_wrong_message_is_a_500(talk: Talk, kind: str, said_since: Said) -> None:
    answer = asked(talk, f"/wrong?kind={kind}")
    assert is_500(answer)
    assert not any("cookie" in name + value for name, value in answer.fields)
    assert blamed_once(said_since, "GET /wrong")


@pytest.mark.parametrize("kind", ["text", "none", "number", "list"])
def test_a_wrong_body_cuts_the_answer(talk: Talk, kind: str, said_since: Said) -> None:
    answer = asked(talk, f"/wrong-body?kind={kind}")
    assert answer.body == b""
    assert not answer.whole
    assert blamed_once(said_since, "GET /wrong-body")


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize(("declared", "sent"), [(10, 20), (0, 20), (10, 200_000), (100_000, 100_004)])
def test_a_body_longer_than_declared(talk: Talk, declared: int, sent: int, parts: int, said_since: Said) -> None:
    answer = asked(talk, f"/lie?declared={declared}&sent={sent}&parts={parts}")
    assert blamed_once(said_since, "GET /lie")
    assert len(answer.body) <= declared
    assert answer.body.strip(b"x") == b""
    # HTTP/1.1 delivers what was declared and closes, HTTP/2 can say more.
    assert talk.protocol is Http1 or answer.reset == 2


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize(("declared", "sent"), [(20, 8), (20, 0), (300_000, 8), (300_000, 200_000)])
def test_a_body_shorter_than_declared(talk: Talk, declared: int, sent: int, parts: int, said_since: Said) -> None:
    answer = asked(talk, f"/lie?declared={declared}&sent={sent}&parts={parts}")
    assert blamed_once(said_since, "GET /lie")
    assert not answer.whole
    assert len(answer.body) <= sent
    assert talk.protocol is Http1 or answer.reset == 2


@pytest.mark.parametrize(("declared", "sent"), [(10, 20), (20, 8)])
def test_a_lie_about_the_length_of_no_body_is_none(talk: Talk, declared: int, sent: int) -> None:
    with talk.new() as client:
        answer = client.ask("HEAD", f"/lie?declared={declared}&sent={sent}")
        assert (answer.status, answer["content-length"], answer.whole) == (200, str(declared), True)
        assert client.ask("GET", "/hello").body == b"hello"


def test_wrong_answers_to_pipelined_requests_never_mix(h1: Talk) -> None:
    # The second answer is to the second request, or there is none.
    for path in ("/lie?declared=3&sent=9", "/lie?declared=9&sent=3", "/raise?when=middle", "/half", "/raise?when=start"):
        with h1.new() as client:
            client.request("GET", path)
            client.request("GET", "/hello")
            client.answer()
            second = client.answer()
            assert second.status == 0 or second.body == b"hello"


def test_wrong_answers_to_streams_never_mix(h2: Talk) -> None:
    with h2.new() as client:
        wrong = [client.open("GET", path) for path in ("/lie?declared=3&sent=9", "/half", "/silent", "/wrong?kind=none") * 5]
        right = [client.open("GET", "/hello") for _ in range(20)]
        assert [client.answer(stream).body for stream in right] == [b"hello"] * 20
        assert all(client.answer(stream).reset is not None or stream.answer.status == 500 for stream in wrong)


