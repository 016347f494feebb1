"""The order of things on one connection: turns, pauses, deadlines, and its end."""

from __future__ import annotations

import pytest

from appserver.http.limits import Limits
from tests.unit.h1.talk import GET, OK, OK_CLOSE, Call, Talk, at_once, get, never, post, when_complete


class TestTurns:
    def test_all_answers_of_one_read_leave_in_one_write(self) -> None:
        talk = Talk().say(GET * 5)
        assert talk.transport.writes == [OK * 5]

    def test_a_later_answer_leaves_in_one_write_without_another_turn(self) -> None:
        talk = Talk(never).say(GET)
        talk.calls[0].answer()
        assert talk.transport.writes == [OK]

    def test_a_request_waits_unparsed_for_the_answer_before_it(self) -> None:
        talk = Talk(never).say(get(b"/1") + get(b"/2") + b"b@d")
        assert [call.request.target for call in talk.calls] == [b"/1"]
        talk.calls[0].answer()
        assert len(talk.calls) == 1, "an answer must not run the next application within its own stack"
        talk.turn()
        assert [call.request.target for call in talk.calls] == [b"/1", b"/2"]
        talk.calls[1].answer()
        talk.turn()
        assert talk.heard.startswith(OK + OK + b"HTTP/1.1 400 ")

    def test_what_comes_between_an_answer_and_the_turn_keeps_its_order(self) -> None:
        talk = Talk(never).say(get(b"/1") + get(b"/2"))
        talk.calls[0].answer()
        talk.connection.data_received(get(b"/3"))
        talk.turn()
        talk.calls[1].answer()
        talk.turn()
        assert [call.request.target for call in talk.calls] == [b"/1", b"/2", b"/3"]

    def test_a_body_of_the_same_read_is_there_at_the_start(self) -> None:
        found = []
        Talk(lambda call: found.append((call.body, call.complete))).say(post(5) + b"hello")
        assert found[0] == (b"hello", True)

    def test_a_flood_behind_a_slow_answer_stops_the_reading(self) -> None:
        talk = Talk(never).say(GET)
        for _ in range(20):
            if not talk.transport.reading_paused:
                talk.say(GET * 200)
        assert talk.transport.reading_paused
        assert len(talk.calls) == 1
        served = 0
        while served < len(talk.calls):
            talk.calls[served].answer()
            served += 1
            talk.turn()
        assert not talk.transport.reading_paused
        assert talk.heard == OK * served
        assert (served - 1) % 200 == 0

    @pytest.mark.parametrize("end", [b"\r\n\r\n", b" HTTP/1.1\r\nHost: a\r\n\r\n"])
    def test_a_line_longer_than_that_is_read_to_its_end(self, end: bytes) -> None:
        """The socket must not wait for the request that this line is a part of."""
        begin = b"GET /" if b"HTTP" in end else GET[:-2] + b"x: "
        talk = Talk(limits=Limits(1_000_000, 100, 1_000_000, 2_000_000, 0)).say(begin + b"a" * 70_000)
        assert not talk.transport.reading_paused
        assert talk.say(end).heard == OK

    def test_the_last_of_max_requests_closes(self) -> None:
        talk = Talk(max_requests=2).say(GET * 3)
        assert talk.heard == OK + OK_CLOSE
        assert talk.transport.ended

    def test_fields_that_change_are_never_mixed_up(self) -> None:
        talk = Talk()
        heads = [
            [(b"x-a", b"1"), (b"x-b", b"2")],
            [(b"x-a", b"1"), (b"x-b", b"3")],
            [(b"x-b", b"3")],
            [(b"x-a", b"1"), (b"x-long", b"y" * 500), (b"x-b", b"3")],
            [(b"x-a", b"1"), (b"x-b", b"2")],
            [],
        ]
        for fields in heads:
            talk.say(get(b"/")[:-2] + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n")
        assert [call.request.fields for call in talk.calls] == [[(b"host", b"a"), *fields] for fields in heads]

    def test_heads_that_repeat_are_judged_alike(self) -> None:
        """What a connection keeps of its last head never changes what the next one means."""
        plain = [b"Host: a", b"X: y"]
        blocks = [
            plain, plain, [*plain, b"Z: " + b"z" * 300], [*plain, b"Z: " + b"z" * 300], plain, plain,
            [*plain, b"Content-Length: 3"], plain, [*plain, b"Transfer-Encoding: chunked"], plain,
            [*plain, b"Proxy-Connection: close"], [*plain, b"Proxy-Connection: close"], plain,
            [*plain, b"Connection: Upgrade", b"Upgrade: h2c"], [*plain, b"Connection: Upgrade", b"Upgrade: h2c"], plain,
            [b"X: y", b"Host: a"], [*plain, *[b"N: %d" % n for n in range(40)]], plain, plain,
        ]  # fmt: skip
        bodies = {b"Content-Length: 3": b"abc", b"Transfer-Encoding: chunked": b"3\r\nabc\r\n0\r\nX: q\r\n\r\n"}
        together = Talk()
        for number, block in enumerate(blocks):
            for target in (b"/same", b"/same", b"/%d" % number):
                said = b"GET %s HTTP/1.1\r\n" % target + b"".join(line + b"\r\n" for line in block) + b"\r\n"
                said += bodies.get(block[-1], b"")
                alone = Talk().say(said).calls[0]
                call = together.say(said).calls[-1]
                assert call.body == alone.body
                assert call.trailers == alone.trailers
                for name in ("method", "target", "fields", "length", "ends", "authority", "version"):
                    assert getattr(call.request, name) == getattr(alone.request, name), (number, name)
        assert together.heard == OK * 3 * len(blocks)

    @pytest.mark.parametrize(
        "bad",
        [b"GET /\x01 HTTP/1.1", b"GET  / HTTP/1.1", b"GET / HTTP/1.2", b"CONNECT a:1 HTTP/1.1", b"GET /\nX HTTP/1.1",
         b"GET / HTTP/1.1\rX", b"GET /a b HTTP/1.1", b"g@t / HTTP/1.1", b"GET http://b/ HTTP/1.1", b"GET / HTTP/2.0"],
    )  # fmt: skip
    def test_a_kept_block_does_not_shield_a_bad_line(self, bad: bytes) -> None:
        block = b"\r\nHost: a\r\nX: y\r\n\r\n"
        alone = Talk().say(bad + block)
        behind = Talk().say(b"GET / HTTP/1.1" + block, bad + block)
        assert behind.heard == OK + alone.heard
        assert behind.transport.ended
        assert len(behind.calls) == 1


class TestBodies:
    def test_credit_bounds_what_an_application_is_owed(self) -> None:
        talk = Talk(never, limits=Limits(8_190, 100, 16_384, 65_536, 0))
        talk.app.grants = False
        talk.say(post(1_000_000))
        while not talk.transport.reading_paused:
            talk.say(bytes(65_536))
        call = talk.calls[0]
        assert 262_144 <= len(call.body) <= 262_144 + 65_536
        call.stream.grant(65_536)
        assert talk.transport.reading_paused
        call.stream.grant(len(call.body) - 65_536)
        assert not talk.transport.reading_paused

    def test_an_answer_forgives_what_is_owed(self) -> None:
        talk = Talk(never, limits=Limits(8_190, 100, 16_384, 65_536, 0))
        talk.app.grants = False
        talk.say(post(300_000), bytes(300_000))
        assert talk.transport.reading_paused
        talk.calls[0].answer()
        assert not talk.transport.reading_paused
        talk.say(GET)
        assert len(talk.calls) == 2

    def test_one_read_is_one_piece_however_it_is_chunked(self) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        talk = Talk().say(head, b"1\r\na\r\n" * 5_000 + b"0\r\n\r\n")
        assert talk.calls[0].body == b"a" * 5_000
        assert talk.calls[0].pieces == 1

    def test_a_body_over_the_limit_is_refused_while_it_streams(self) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        talk = Talk(never).say(head)
        for _ in range(11):
            talk.say(b"2710\r\n" + bytes(10_000) + b"\r\n")
        assert [status for status, _ in talk.responses()] == [413]
        assert talk.calls[0].lost
        assert len(talk.calls[0].body) == 100_000

    def test_and_cut_if_the_answer_has_begun(self) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        talk = Talk(never).say(head)
        talk.calls[0].stream.respond(200, [], False)
        talk.calls[0].stream.write(b"so far", False)
        talk.say(b"20000\r\n" + bytes(131_072))
        assert talk.calls[0].lost
        assert talk.transport.ended
        assert talk.heard == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nso far\r\n"

    @pytest.mark.parametrize("begun", [True, False])
    def test_a_broken_chunk_is_refused_once(self, begun: bool) -> None:
        talk = Talk(never).say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        call = talk.calls[0]
        if begun:
            call.stream.respond(200, [], False)
        talk.say(b"x\r\n" + GET)
        assert call.lost
        assert not call.complete
        assert talk.heard.count(b"HTTP/1.1") == 1
        assert talk.heard.startswith(b"HTTP/1.1 200" if begun else b"HTTP/1.1 400")
        call.answer()
        call.stream.grant(5)
        assert talk.heard.count(b"HTTP/1.1") == 1


class TestContinue:
    HEAD = post(5, b"Expect: 100-continue")

    def test_it_is_sent_when_the_application_asks(self) -> None:
        talk = Talk(when_complete).say(self.HEAD)
        assert talk.heard == b""
        assert talk.calls[0].request.expects
        talk.calls[0].stream.inform(100, [])
        talk.calls[0].stream.inform(100, [])
        talk.turn()
        assert talk.heard == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert talk.say(b"hello").heard.endswith(OK)
        assert not talk.transport.ended

    def test_it_is_not_sent_to_a_client_that_went_on(self) -> None:
        talk = Talk(never).say(self.HEAD + b"he")
        talk.calls[0].stream.inform(100, [])
        talk.turn()
        assert talk.heard == b""

    def test_an_answer_in_its_place_closes(self) -> None:
        """The client may send its body or may not; nobody can tell what comes next."""
        talk = Talk(at_once).say(self.HEAD, b"hello" + GET)
        assert talk.heard == OK_CLOSE
        assert talk.transport.ended
        assert len(talk.calls) == 1

    def test_http_1_0_expects_nothing(self) -> None:
        talk = Talk(never).say(self.HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert not talk.calls[0].request.expects


class TestWriting:
    def test_a_full_transport_makes_the_stream_wait(self) -> None:
        talk = Talk(never).say(GET)
        talk.transport.stuck = True
        call = talk.calls[0]
        call.stream.respond(200, [], False)
        while call.stream.writable:
            call.stream.write(bytes(50_000), False)
        assert 262_144 < talk.transport.buffered < 262_144 + 2 * 65_536
        talk.transport.take(talk.transport.buffered)
        assert call.stream.writable
        assert call.writable_again == 1

    def test_even_within_one_read(self) -> None:
        sent = []

        def handler(call: Call) -> None:
            call.stream.respond(200, [], False)
            while call.stream.writable:
                call.stream.write(bytes(20_000), False)
                sent.append(20_000)

        talk = Talk(handler)
        talk.transport.stuck = True
        talk.say(GET)
        assert sum(sent) < 500_000

    def test_the_next_stream_begins_as_full_as_the_transport_is(self) -> None:
        def handler(call: Call) -> None:
            call.answer(body=bytes(400_000))

        talk = Talk(handler)
        talk.transport.stuck = True
        talk.say(GET + GET)
        assert not talk.calls[1].stream.writable

    def test_large_pieces_are_not_copied(self) -> None:
        large = bytes(1_000_000)
        talk = Talk(lambda call: call.answer(body=large)).say(GET)
        assert len(talk.transport.writes) == 2
        assert talk.transport.writes[1] is large

    def test_small_pieces_of_one_turn_leave_together(self) -> None:
        talk = Talk(never).say(GET)
        stream = talk.calls[0].stream
        stream.respond(200, [], False)
        for _ in range(3):
            stream.write(b"x", False)
        assert talk.transport.writes == []
        talk.turn()
        assert len(talk.transport.writes) == 1


    def test_a_stream_without_end_gives_others_a_turn(self) -> None:
        """The client is as fast as the application: the transport is never full."""
        talk = Talk(never).say(GET)
        call = talk.calls[0]
        call.stream.respond(200, [], False)
        written = 0
        while call.stream.writable:
            call.stream.write(bytes(16_384), False)
            written += 16_384
        assert 1_000_000 < written < 1_200_000
        assert call.writable_again == 0
        talk.turn()
        assert call.stream.writable
        assert call.writable_again == 1

    def test_small_writes_count_for_what_they_cost(self) -> None:
        talk = Talk(never).say(GET)
        stream = talk.calls[0].stream
        stream.respond(200, [], False)
        for _ in range(2_000):
            stream.write(b"x", False)
        assert len(talk.transport.writes) == 1
        talk.turn()
        assert talk.heard.endswith(b"1\r\nx\r\n" * 2_000)

    def test_small_pieces_of_a_body_count_for_what_they_cost(self) -> None:
        talk = Talk(never, limits=Limits(8_190, 100, 16_384, 65_536, 0))
        talk.app.grants = False
        talk.say(post(1_000_000))
        pieces = 0
        while not talk.transport.reading_paused:
            talk.say(b"xy")
            pieces += 1
        assert pieces < 262_144 / 64
        talk.calls[0].stream.grant(2 * pieces)
        assert not talk.transport.reading_paused


class TestDeadlines:
    def test_a_head_has_one_deadline_however_it_drips(self) -> None:
        talk = Talk(request_head=10.0)
        for second in range(20):
            talk.say(GET[second : second + 1])
            talk.connection.tick(float(second))
            if talk.transport.ended:
                break
        assert second == 10
        assert talk.heard.startswith(b"HTTP/1.1 408 ")

    def test_an_idle_connection_closes_without_a_word(self) -> None:
        talk = Talk(keep_alive=75.0).say(GET)
        talk.connection.tick(0.0)
        talk.connection.tick(74.0)
        assert not talk.transport.ended
        talk.say(b"\r\n")
        talk.connection.tick(75.0)
        assert talk.transport.closed
        assert talk.heard == OK

    def test_requests_renew_the_deadline(self) -> None:
        talk = Talk(keep_alive=75.0)
        for second in range(0, 300, 50):
            talk.say(GET)
            talk.connection.tick(float(second))
        assert not talk.transport.ended

    @pytest.mark.parametrize(("begun", "heard"), [(False, b"HTTP/1.1 408 "), (True, b"HTTP/1.1 200 OK\r\n")])
    def test_a_body_that_stops(self, begun: bool, heard: bytes) -> None:
        talk = Talk(never, request_body_idle=30.0).say(post(100))
        if begun:
            talk.calls[0].stream.respond(200, [], False)
            talk.turn()
        talk.connection.tick(0.0)
        talk.say(b"x")
        talk.connection.tick(29.0)
        talk.connection.tick(58.0)
        assert not talk.transport.ended
        talk.connection.tick(59.0)
        assert talk.transport.ended
        assert talk.calls[0].lost
        assert talk.heard.startswith(heard)
        assert talk.heard.count(b"HTTP/1.1 ") == 1

    def test_a_slow_application_is_not_the_clients_fault(self) -> None:
        talk = Talk(never).say(GET)
        waiting = Talk(never).say(post(5, b"Expect: 100-continue"))
        owed = Talk(never)
        owed.app.grants = False
        owed.say(post(5) + b"he")
        for second in range(0, 1_000, 100):
            for each in (talk, waiting, owed):
                each.connection.tick(float(second))
        assert not any(each.transport.ended for each in (talk, waiting, owed))

    def test_a_client_that_takes_no_byte(self) -> None:
        talk = Talk(lambda call: call.answer(body=bytes(900_000)), response_stall=30.0)
        talk.transport.stuck = True
        talk.say(GET)
        talk.connection.tick(0.0)
        talk.transport.take(1)
        talk.connection.tick(29.0)
        talk.connection.tick(58.0)
        assert not talk.transport.closed
        talk.connection.tick(59.0)
        assert talk.transport.aborted

    def test_a_refused_client_that_does_not_go(self) -> None:
        talk = Talk().say(b"bad\r\n\r\n")
        assert talk.transport.half_closed
        talk.say(bytes(1_000_000))
        talk.connection.tick(0.0)
        talk.connection.tick(4.9)
        assert not talk.transport.closed
        talk.connection.tick(5.0)
        assert talk.transport.aborted
        assert talk.heard.count(b"HTTP/1.1") == 1
