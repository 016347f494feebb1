"""Responses: which framing is chosen, and what the client is told about the connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.contract import Reset
from tests.unit.h1.talk import Call, Talk, never

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET_TE = b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
LENGTH = (b"content-length", b"5")
TYPE = (b"content-type", b"text/plain")


def answered(request: bytes, handler: Callable[[Call], None]) -> Talk:
    return Talk(handler).say(request)


def one(status: int, *fields: tuple[bytes, bytes], body: bytes = b"hello") -> Callable[[Call], None]:
    def handler(call: Call) -> None:
        call.stream.respond(status, list(fields), False)
        call.stream.write(body, True)

    return handler


def test_the_content_length_of_the_application_frames() -> None:
    talk = answered(GET, one(200, TYPE, LENGTH))
    assert talk.transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"]
    assert not talk.transport.ended


def test_without_a_length_it_is_chunked() -> None:
    talk = answered(GET, one(200))
    assert talk.heard == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def test_an_empty_piece_is_no_last_chunk() -> None:
    def handler(call: Call) -> None:
        call.stream.respond(200, [], False)
        call.stream.write(b"", False)
        call.stream.write(b"x", False)
        call.stream.write(b"", True)

    assert answered(GET, handler).heard.endswith(b"\r\n\r\n1\r\nx\r\n0\r\n\r\n")


def test_a_response_that_ends_with_its_head_has_length_0() -> None:
    talk = answered(GET, lambda call: call.stream.respond(200, [], True))
    assert talk.heard == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def test_http_1_0_is_framed_by_the_end_of_the_connection() -> None:
    talk = answered(OLD, one(200))
    assert talk.heard == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"
    assert talk.transport.closed


def test_http_1_0_is_kept_alive_if_it_asks_and_the_length_is_known() -> None:
    talk = answered(OLD_KEPT, one(200, LENGTH))
    assert talk.heard == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello"
    assert not talk.transport.ended
    assert answered(OLD_KEPT, one(200)).transport.closed


@pytest.mark.parametrize(
    ("request_", "status", "fields", "head"),
    [
        (HEAD, 200, [LENGTH], b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (HEAD, 200, [], b"HTTP/1.1 200 OK\r\n\r\n"),
        (GET, 204, [], b"HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, 204, [LENGTH], b"HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, 304, [LENGTH], b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
        (GET, 304, [], b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        (GET, 205, [], b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        (GET, 205, [LENGTH], b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_no_body_byte_where_there_is_no_body(
    request_: bytes, status: int, fields: list[tuple[bytes, bytes]], head: bytes, at_once: bool
) -> None:
    def handler(call: Call) -> None:
        call.stream.respond(status, fields, at_once)
        call.stream.write(b"hello", True)

    talk = answered(request_, handler)
    assert talk.heard == head
    assert not talk.transport.ended


def test_a_status_without_a_name() -> None:
    assert answered(GET, one(299, LENGTH)).heard.startswith(b"HTTP/1.1 299 \r\n")


def test_the_application_may_close() -> None:
    talk = answered(GET + GET, one(200, LENGTH, (b"connection", b"Close")))
    assert talk.heard == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
    assert talk.transport.ended
    assert len(talk.calls) == 1


def test_the_application_may_not_keep_what_the_client_closes() -> None:
    talk = answered(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", one(200, LENGTH, (b"connection", b"keep-alive"))
    )
    assert talk.heard.count(b"connection:") == 1
    assert b"connection: close\r\n" in talk.heard
    assert talk.transport.closed


def test_more_than_the_length_is_cut_and_the_connection_closed() -> None:
    talk = answered(GET + GET, one(200, LENGTH, body=b"helloHTTP/1.1 200 OK\r\n\r\n"))
    assert talk.heard.endswith(b"\r\n\r\nhello")
    assert talk.transport.ended
    assert len(talk.calls) == 1


def test_less_than_the_length_closes_so_that_the_client_sees_it() -> None:
    talk = answered(GET + GET, one(200, LENGTH, body=b"hi"))
    assert talk.heard.endswith(b"\r\n\r\nhi")
    assert talk.transport.ended
    assert talk.responses() == []


@pytest.mark.parametrize(
    ("request_", "end"),
    [
        (GET_TE, b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"),
        (GET, b"5\r\nhello\r\n0\r\n\r\n"),
        (OLD, b"hello"),
    ],
)
def test_trailers_for_who_wants_them(request_: bytes, end: bytes) -> None:
    def handler(call: Call) -> None:
        call.stream.respond(200, [], False)
        call.stream.write(b"hello", False)
        call.stream.finish([(b"x-sum", b"1")])

    assert answered(request_, handler).heard.endswith(b"\r\n\r\n" + end)


def test_interim_responses_come_before_the_final_one() -> None:
    def handler(call: Call) -> None:
        call.stream.inform(103, [(b"link", b"</a>; rel=preload")])
        call.stream.inform(100, [])
        call.stream.inform(101, [])
        call.answer()
        call.stream.inform(103, [])

    hint = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
    assert answered(GET, handler).heard == hint + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert not answered(OLD, handler).heard.startswith(hint)


def test_a_hint_overtakes_a_head_that_has_not_left() -> None:
    def handler(call: Call) -> None:
        call.stream.respond(200, [(b"content-length", b"2")], False)
        call.stream.inform(103, [(b"link", b"</a>")])
        call.stream.write(b"o", False)
        call.stream.inform(102, [])
        call.stream.write(b"k", True)
        call.stream.inform(103, [])

    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert answered(GET + GET, handler).heard == (hints + response) * 2
    assert answered(OLD, handler).heard.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_hint_after_the_head_has_left_is_dropped() -> None:
    talk = Talk(never).say(GET)
    stream = talk.calls[0].stream
    stream.respond(200, [], False)
    talk.turn()
    heard = talk.heard
    stream.inform(103, [(b"link", b"</a>")])
    stream.write(b"ok", True)
    talk.turn()
    assert talk.heard == heard + b"2\r\nok\r\n0\r\n\r\n"


def test_a_tunnel_has_no_interim_responses() -> None:
    talk = Talk(never).say(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    stream = talk.calls[0].stream
    stream.respond(101, [(b"upgrade", b"echo")], False)
    stream.inform(103, [])
    talk.turn()
    assert talk.heard == b"HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n"


def test_an_early_hint_leaves_at_once() -> None:
    talk = Talk(never).say(GET)
    talk.calls[0].stream.inform(103, [])
    assert talk.heard == b""
    talk.turn()
    assert talk.heard == b"HTTP/1.1 103 Early Hints\r\n\r\n"


@pytest.mark.parametrize(("fields", "sent"), [([], b"5\r\nhello\r\n"), ([(b"content-length", b"9")], b"hello")])
def test_a_reset_never_looks_like_an_end(fields: list[tuple[bytes, bytes]], sent: bytes) -> None:
    def handler(call: Call) -> None:
        call.stream.respond(200, fields, False)
        call.stream.write(b"hello", False)
        call.stream.reset(Reset.INTERNAL_ERROR)
        call.stream.write(b"no", True)
        call.stream.finish([])
        call.stream.reset(Reset.INTERNAL_ERROR)

    talk = answered(GET + GET, handler)
    assert talk.heard.endswith(b"\r\n\r\n" + sent)
    assert talk.transport.closed
    assert talk.responses() == []
    assert not talk.calls[0].lost


def test_a_reset_tears_a_body_off_that_only_the_end_delimits() -> None:
    def handler(call: Call) -> None:
        call.stream.respond(200, [], False)
        call.stream.write(b"hello", False)
        call.stream.reset(Reset.INTERNAL_ERROR)

    torn = answered(OLD, handler).transport
    assert torn.aborted
    assert torn.resets, "a FIN would be the end of a whole body"
    assert not answered(GET, handler).transport.aborted


def test_a_reset_before_any_answer_just_closes() -> None:
    talk = answered(GET, lambda call: call.stream.reset(Reset.CANCEL))
    assert talk.heard == b""
    assert talk.transport.closed


def test_a_body_before_its_head_is_nothing() -> None:
    def handler(call: Call) -> None:
        call.stream.write(b"lost", False)
        call.stream.finish([])
        call.answer()
        call.answer()

    assert answered(GET, handler).heard == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


PIECES = st.lists(st.binary(max_size=30) | st.just(b"\r\n0\r\n\r\n") | st.just(bytes(70_000)), max_size=6)
REQUESTS = st.sampled_from([GET, GET_TE, HEAD, OLD, OLD_KEPT])


@given(
    st.lists(
        st.tuples(REQUESTS, st.sampled_from([200, 204, 205, 304, 404]), PIECES, st.booleans(), st.booleans(), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_an_independent_client_reads_what_was_said(
    plans: list[tuple[bytes, int, list[bytes], bool, bool, bool]],
) -> None:
    """Any mixture of framings, at once or later, in one connection: h11 finds each response whole."""
    talk = Talk(never).say(b"".join(plan[0] for plan in plans))
    expected: list[tuple[int, bytes]] = []
    for request, status, pieces, sized, later, trailing in plans:
        if len(talk.calls) <= len(expected):
            break
        call = talk.calls[len(expected)]
        body = b"".join(pieces)
        fields = [(b"content-length", str(len(body)).encode())] if sized else []
        call.stream.respond(status, fields, False)
        for piece in pieces:
            call.stream.write(piece, False)
            if later:
                talk.turn()
        if trailing:
            call.stream.finish([(b"x-sum", b"1")])
        else:
            call.stream.write(b"", True)
        talk.turn()
        expected.append((status, b"" if request is HEAD or status in (204, 205, 304) else body))
    assert talk.responses() == expected
    assert talk.transport.ended is (b"connection: close" in talk.heard)
