"""How requests and connections end: early answers, clients that go, stops, refusals."""

from __future__ import annotations

import logging

import pytest

from appserver.http.limits import Limits
from tests.unit.h1.talk import CHUNKED, GET, OK, OK_CLOSE, Talk, at_once, get, never, post

SHORT_DISCARD = Limits(8_190, 100, 16_384, 65_536, 0, 65_536)


class TestEarlyAnswers:
    def test_a_short_rest_is_read_and_dropped(self) -> None:
        talk = Talk(at_once).say(post(60_000) + b"x" * 10, b"GET /no HTTP/1.1\r\n\r\n" * 1_000, bytes(39_990))
        assert talk.heard == OK
        talk.say(get(b"/next"))
        assert [call.request.target for call in talk.calls] == [b"/", b"/next"]
        assert talk.calls[0].body == b"x" * 10

    def test_a_long_rest_is_not_waited_for(self) -> None:
        talk = Talk(at_once, limits=SHORT_DISCARD).say(post(70_000), b"GET /no HTTP/1.1\r\n\r\n" * 10)
        assert talk.heard == OK_CLOSE
        assert talk.transport.half_closed
        assert len(talk.calls) == 1

    def test_an_endless_rest_is_not_waited_for(self) -> None:
        talk = Talk(at_once, limits=SHORT_DISCARD).say(CHUNKED)
        for _ in range(8):
            assert not talk.transport.ended
            talk.say(b"2710\r\n" + bytes(10_000) + b"\r\n")
            if talk.transport.ended:
                break
        assert talk.transport.ended
        assert talk.heard == OK

    def test_a_declared_rest_that_is_too_long_is_told_in_the_head(self) -> None:
        """The client knows at once that it need not send all of it."""
        short = Talk(never, limits=SHORT_DISCARD).say(post(65_536))
        long = Talk(never, limits=SHORT_DISCARD).say(post(65_537))
        for talk in (short, long):
            talk.calls[0].stream.respond(200, [(b"content-length", b"2")], False)
            talk.turn()
        assert b"connection: close" not in short.heard
        assert b"connection: close" in long.heard

    @pytest.mark.parametrize("head", [CHUNKED, post(9)])
    @pytest.mark.parametrize(("limit", "seconds"), [(0, 5.0), (65_536, 0.0)])
    def test_nothing_is_read_on_where_nothing_is_to_be_discarded(self, head: bytes, limit: int, seconds: float) -> None:
        """And the head says that the connection closes, however the body is framed."""
        talk = Talk(at_once, limits=Limits(8_190, 100, 16_384, 65_536, 0, limit), discard=seconds).say(head)
        assert talk.heard == OK_CLOSE
        assert talk.transport.half_closed

    def test_a_rest_that_does_not_come_is_not_waited_for(self) -> None:
        talk = Talk(at_once, discard=5.0, keep_alive=75.0).say(post(100) + b"x")
        talk.connection.tick(0.0)
        talk.say(b"x")
        talk.connection.tick(4.9)
        assert not talk.transport.ended
        talk.connection.tick(5.0)
        assert talk.transport.closed
        assert talk.heard == OK

    def test_after_the_bound_it_lingers_no_longer_than_the_rest_of_the_time(self) -> None:
        talk = Talk(at_once, limits=SHORT_DISCARD, discard=5.0).say(CHUNKED)
        talk.connection.tick(0.0)
        talk.say(b"fffff\r\n" + bytes(70_000))
        assert talk.transport.half_closed
        assert not talk.transport.closed
        talk.connection.tick(3.0)
        talk.say(bytes(70_000))
        talk.connection.tick(5.0)
        assert talk.transport.aborted
        assert talk.heard == OK

    def test_a_rest_that_breaks_the_protocol_gets_no_second_answer(self) -> None:
        talk = Talk(at_once).say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"x\r\n" + GET)
        assert talk.heard == OK
        assert talk.transport.ended


class TestClientGone:
    @pytest.mark.parametrize("request_", [GET, post(5) + b"he"])
    def test_the_application_is_told_once_and_may_go_on_in_vain(self, request_: bytes) -> None:
        talk = Talk(never).say(request_)
        call = talk.calls[0]
        talk.vanish()
        assert call.lost
        call.answer()
        call.stream.inform(103, [])
        call.stream.grant(3)
        call.stream.reset(0)
        call.stream.finish([])
        talk.turn()
        assert talk.transport.writes == []
        assert talk.registry.forgotten == [talk.connection]

    def test_nothing_is_lost_after_the_last_write(self) -> None:
        talk = Talk().say(GET)
        talk.vanish()
        assert not talk.calls[0].lost

    def test_output_of_the_last_turn_is_dropped(self) -> None:
        talk = Talk(never).say(GET)
        talk.calls[0].stream.respond(200, [], False)
        talk.vanish()
        talk.turn()
        assert talk.transport.writes == []

    def test_half_closed_it_is_told_and_still_answered(self) -> None:
        talk = Talk(never).say(GET)
        assert talk.hang_up()
        assert talk.calls[0].half_closed
        assert not talk.calls[0].lost
        talk.calls[0].answer()
        assert talk.heard == OK
        assert talk.transport.closed

    def test_half_closed_while_it_is_answered(self) -> None:
        talk = Talk(never).say(GET)
        stream = talk.calls[0].stream
        stream.respond(200, [(b"content-length", b"4")], False)
        stream.write(b"so", False)
        talk.turn()
        assert talk.hang_up()
        assert talk.calls[0].half_closed
        stream.write(b"on", True)
        assert talk.heard.endswith(b"\r\n\r\nsoon")
        assert talk.transport.closed

    def test_half_closed_after_a_whole_body(self) -> None:
        talk = Talk(never).say(post(5) + b"hello")
        assert talk.hang_up()
        assert talk.calls[0].half_closed
        talk.calls[0].answer()
        assert talk.heard == OK

    def test_half_closed_while_the_rest_is_discarded(self) -> None:
        talk = Talk(at_once).say(post(5) + b"he")
        assert not talk.hang_up()
        assert talk.heard == OK

    def test_half_closed_with_requests_waiting(self) -> None:
        talk = Talk(never).say(get(b"/1") + get(b"/2") + b"GET /cut")
        assert talk.hang_up()
        talk.calls[0].answer()
        talk.turn()
        assert [call.half_closed for call in talk.calls] == [True, True]
        talk.calls[1].answer()
        talk.turn()
        assert talk.heard == OK + OK
        assert talk.transport.closed

    def test_half_closed_with_a_body_that_waits_and_is_cut(self) -> None:
        talk = Talk(never).say(get(b"/1") + post(5) + b"he")
        assert talk.hang_up()
        talk.calls[0].answer()
        talk.turn()
        assert [call.lost for call in talk.calls] == [False, True]
        assert talk.heard == OK
        assert talk.transport.closed

    def test_half_closed_between_an_answer_and_the_turn(self) -> None:
        talk = Talk(never).say(get(b"/1") + get(b"/2"))
        talk.calls[0].answer()
        assert talk.hang_up()
        talk.calls[1].answer()
        talk.turn()
        assert talk.heard == OK + OK
        assert talk.transport.closed

    def test_half_closed_idle(self) -> None:
        talk = Talk().say(GET)
        assert not talk.hang_up()
        assert talk.heard == OK

    @pytest.mark.parametrize(
        "request_",
        [
            post(5) + b"hell",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ],
    )
    def test_a_body_cut_short_is_never_whole(self, request_: bytes) -> None:
        talk = Talk(never).say(request_)
        assert not talk.hang_up()
        assert talk.calls[0].lost
        assert not talk.calls[0].complete
        assert talk.heard == b""

    def test_a_head_cut_short_is_nothing(self) -> None:
        talk = Talk().say(GET[:-1])
        assert not talk.hang_up()
        assert talk.heard == b""


class TestStop:
    def test_idle_it_closes_once_no_request_is_on_its_way(self) -> None:
        talk = Talk(drain_idle=1.5).say(GET)
        talk.connection.drain()
        assert not talk.transport.closed
        assert talk.connection.inflight == 0
        assert talk.registry.loop.elapse() == [1.5]
        assert talk.transport.closed
        assert talk.heard == OK

    def test_a_request_on_its_way_is_answered_and_told(self) -> None:
        talk = Talk().say(GET)
        talk.connection.drain()
        talk.connection.drain()
        assert talk.say(GET).heard == OK + OK_CLOSE
        assert talk.transport.closed
        assert len(talk.registry.loop.elapse()) == 1

    def test_and_given_its_time(self) -> None:
        """A head that has begun is no longer idle."""
        talk = Talk(never).say(GET[:9])
        talk.connection.drain()
        talk.say(GET[9:12])
        talk.registry.loop.elapse()
        talk.say(GET[12:])
        talk.registry.loop.elapse()
        assert not talk.transport.ended
        talk.calls[0].answer()
        assert talk.heard == OK_CLOSE

    def test_the_request_in_progress_hears_of_it_once(self) -> None:
        talk = Talk(never).say(GET)
        talk.connection.drain()
        talk.connection.drain()
        assert talk.calls[0].drained == 1

    def test_so_does_a_request_that_comes_after_it(self) -> None:
        talk = Talk(never).say(GET)
        talk.calls[0].answer()
        talk.turn()
        talk.connection.drain()
        talk.say(GET)
        assert [call.drained for call in talk.calls] == [0, 1]

    def test_before_its_first_request_it_waits_for_it(self) -> None:
        """The front hands over together with the first bytes."""
        talk = Talk()
        talk.connection.drain()
        assert talk.say(GET + GET).heard == OK_CLOSE
        assert talk.transport.ended

    def test_what_is_in_progress_is_finished(self) -> None:
        talk = Talk(never).say(get(b"/1") + get(b"/2"))
        assert talk.connection.inflight == 1
        talk.connection.drain()
        assert not talk.transport.ended
        talk.calls[0].answer()
        talk.turn()
        assert talk.heard == OK_CLOSE
        assert talk.transport.ended
        assert len(talk.calls) == 1

    def test_what_had_its_head_out_is_finished_too(self) -> None:
        talk = Talk(never).say(GET)
        stream = talk.calls[0].stream
        stream.respond(200, [(b"content-length", b"2")], False)
        talk.connection.drain()
        stream.write(b"ok", True)
        assert talk.heard == OK
        assert not talk.transport.closed, "the client was not told, and may have sent another"
        talk.registry.loop.elapse()
        assert talk.transport.closed

    def test_half_a_head_may_become_a_last_request(self) -> None:
        talk = Talk().say(GET, GET[:10])
        talk.connection.drain()
        assert not talk.transport.ended
        assert talk.say(GET[10:]).heard == OK + OK_CLOSE

    @pytest.mark.parametrize("begun", [True, False])
    def test_terminated(self, begun: bool) -> None:
        talk = Talk(never).say(GET)
        if begun:
            talk.calls[0].stream.respond(200, [], False)
        talk.connection.terminate()
        assert talk.calls[0].lost
        assert talk.transport.ended
        assert talk.heard.startswith(b"HTTP/1.1 200 " if begun else b"HTTP/1.1 503 ")
        idle = Talk().say(GET)
        idle.connection.terminate()
        assert idle.transport.closed

    def test_aborted(self) -> None:
        talk = Talk(never).say(GET)
        talk.connection.abort()
        assert talk.transport.aborted


def test_a_refusal_is_logged_with_the_client_and_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "appserver"):
        Talk().say(b"GET / HTTP/1.1\r\n\r\n")
    assert caplog.messages == ["192.0.2.7:4711: no host"]


def test_a_refusal_is_a_whole_response() -> None:
    talk = Talk().say(b"GET / HTTP/1.1\r\n\r\n")
    assert talk.responses() == [(400, b"400 Bad Request\n")]
    assert b"connection: close\r\n" in talk.heard
    assert b"\r\ndate: " in talk.transport.writes[0]


def test_a_refusal_is_observed() -> None:
    talk = Talk().say(b"PUT /x?y HTTP/1.1\r\nX: y\r\n\r\n")
    assert talk.log.done == [("PUT", "/x", 400, 16)]
    assert Talk().say(b"nonsense\r\n\r\n").log.done == [("", "", 400, 16)]
    slow = Talk().say(GET[:20])
    for second in (0.0, 10.0):
        slow.connection.tick(second)
    assert slow.log.done == [("GET", "/", 408, 20)]


def test_one_of_a_request_that_was_begun_is_told_to_its_application_alone() -> None:
    """It has the request's clock, and tells the observer."""
    talk = Talk(never).say(CHUNKED, b"x\r\n")
    assert talk.calls[0].refused == (400, 16)
    assert talk.log.done == []
    cut = Talk(never).say(GET)
    cut.connection.terminate()
    assert cut.calls[0].refused == (503, 24)
    begun = Talk(never).say(GET)
    begun.calls[0].stream.respond(200, [], False)
    begun.connection.terminate()
    assert begun.calls[0].refused is None
    assert begun.calls[0].lost


def test_a_cut_answer_that_only_the_end_delimits_is_torn_off() -> None:
    talk = Talk(never).say(b"POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\n")
    talk.calls[0].stream.respond(200, [], False)
    talk.calls[0].stream.write(b"half", False)
    talk.connection.tick(0.0)
    talk.connection.tick(30.0)
    assert talk.calls[0].lost
    assert talk.transport.resets, "a FIN would be the end of a whole body"


def test_a_refused_head_request_gets_no_body() -> None:
    talk = Talk(never).say(b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"x\r\n")
    assert talk.heard.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_scheme_is_the_sockets_whatever_the_target_says(scheme: str) -> None:
    talk = Talk(scheme=scheme).say(b"GET https://a/x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert talk.calls[0].request.scheme == scheme
