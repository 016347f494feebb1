"""One head, judged: by both protocols' rules, whatever engine or parser collected it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Peer
from appserver.contract import Address, Fields, Request
from appserver.http.message import DROP_CONNECTION, OK, RESET, Head, Limits, Meter, judge, parse_length
from tests.engines.messages import CASES, Case

PEER = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")
PSEUDO: Fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/")]


def limits(path: int = 8_190, count: int = 100, field: int = 16_384, size: int = 65_536, body: int = 100) -> Limits:
    return Limits(path, count, field, size, body)


def h2(fields: Fields, bounds: Limits | None = None) -> Head:
    """A head of HTTP/2 that has taken `fields`."""
    head = Head(bounds or limits(), True)
    for name, value in fields:
        head.take(judge(name, value))
    return head


def h1(fields: Fields, method: bytes = b"GET", target: bytes = b"/", authority: bytes | None = None) -> Head:
    """A head of HTTP/1.1 that has taken `fields`."""
    head = Head(limits(), False)
    named = None if authority is None else judge(b":authority", authority)
    head.line(judge(b":method", method), judge(b":scheme", b"http"), judge(b":path", target), named)
    for name, value in fields:
        head.take(judge(name, value))
    return head


def begun(head: Head, ends: bool = True, version: str = "2", peer: Peer = PEER) -> Request:
    """The request of a head that is sound."""
    request = head.request(peer, ends, version)
    assert request is not None, head.reason
    assert head.verdict == OK
    return request


def refused(head: Head, ends: bool = True, version: str = "2") -> int:
    """The verdict on a head that is not sound."""
    assert head.request(PEER, ends, version) is None
    assert head.reason
    return head.verdict


# One field


@pytest.mark.parametrize("name", [b"a", b"x-y", b"x_y", b"!#$%&'*+-.^_`|~09az"])
def test_a_sound_field_is_passed_on_as_it_is(name: bytes) -> None:
    field = judge(name, b"v")
    assert field.pair == (name, b"v")
    assert field.size == len(name) + 1 + 32
    assert begun(h2([*PSEUDO, (name, b"v")])).fields == [(b"host", b"a.test"), (name, b"v")]


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_no_field_smuggles_a_line(name: bytes, value: bytes) -> None:
    head = h2([*PSEUDO, (name, value)])
    request = head.request(PEER, True, "2")
    if request is not None:
        for passed, said in request.fields:
            assert passed == passed.lower()
            assert not set(passed) & set(b"\r\n\0: \t")
            assert not set(said) & set(b"\r\n\0")
            assert said == said.strip(b" \t")


@pytest.mark.parametrize(
    "name",
    [b"x_forwarded_for", b"content_length", b"transfer_encoding", b"x_real_ip", b"x-forwarded_proto", b"content_type", b"keep_alive"],
)
def test_an_alias_of_a_protected_name_is_dropped(name: bytes) -> None:
    assert begun(h2([*PSEUDO, (name, b"1")])).fields == [(b"host", b"a.test")]


# Lengths


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"5", 5), (b"007", 7), (b"9" * 18, 10**18 - 1)])
def test_a_length_is_a_number(value: bytes, length: int) -> None:
    assert parse_length(value) == length


@given(st.binary(max_size=25))
def test_a_length_is_digits_and_nothing_else(value: bytes) -> None:
    sound = 0 < len(value) <= 18 and all(48 <= byte <= 57 for byte in value)
    assert parse_length(value) == (int(value) if sound else -1)


def test_a_meter_counts_to_the_declared_length() -> None:
    meter = Meter(5, 0)
    assert [meter.take(3), meter.take(2), meter.end()] == [OK, OK, OK]
    assert meter.take(1) == RESET


def test_a_meter_wants_all_of_it() -> None:
    meter = Meter(5, 0)
    assert [meter.take(4), meter.end()] == [OK, RESET]


def test_a_meter_without_a_length_has_a_limit() -> None:
    meter = Meter(-1, 5)
    assert [meter.take(5), meter.end(), meter.take(1)] == [OK, OK, 413]


def test_nothing_declared_and_no_limit_is_never_too_much() -> None:
    assert Meter(-1, 0).take(2**40) == OK


def test_a_head_knows_the_limit_of_its_bodies() -> None:
    meter = Head(limits(body=7), True).meter(-1)
    assert (meter.length, meter.limit) == (-1, 7)


@given(st.integers(-1, 50), st.integers(0, 50), st.lists(st.integers(0, 20), max_size=6))
def test_a_meter_is_arithmetic(length: int, limit: int, sizes: list[int]) -> None:
    meter, total = Meter(length, limit), 0
    for size in sizes:
        total += size
        expected = RESET if 0 <= length < total else 413 if limit and total > limit else OK
        assert meter.take(size) == expected
    assert meter.received == total
    assert meter.end() == (RESET if length >= 0 and total != length else OK)


# HTTP/2 heads: the same table that the engines are given


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.encode("unicode_escape").decode())
def test_a_head_has_its_verdict(case: Case) -> None:
    fields = [tuple(part if isinstance(part, bytes) else part.encode() for part in pair) for pair in case.fields]
    head = h2(fields)  # type: ignore[arg-type] # pairs stay pairs
    assert (head.request(PEER, True, "2") is not None) == (case.verdict == OK)
    assert head.verdict == case.verdict
    assert bool(head.reason) == (case.verdict != OK)


def test_a_head_is_used_again() -> None:
    head = Head(limits(), True)
    for path in (b"/a", b"relative", b"/b"):
        head.begin()
        for name, value in [*PSEUDO[:3], (b":path", path), (b"cookie", b"a"), (b"content-length", b"0")]:
            head.take(judge(name, value))
        request = head.request(PEER, True, "2")
        assert (request.target if request else head.verdict) == (path if path != b"relative" else RESET)


def test_the_fields_of_a_request_are_its_own() -> None:
    head = h2([*PSEUDO, (b"x", b"1")])
    first = begun(head)
    head.begin()
    assert first.fields == [(b"host", b"a.test"), (b"x", b"1")]


def test_a_request_says_what_it_is() -> None:
    more = [(b"content-length", b"9"), (b"te", b"trailers"), (b"expect", b"100-Continue")]
    request = begun(h2([(b":method", b"PUT"), *PSEUDO[1:3], (b":path", b"/%C3%A4/%2f?q=%C3"), *more]), ends=False)
    assert (request.method, request.target) == ("PUT", b"/%C3%A4/%2f?q=%C3")
    assert (request.path, request.raw_path, request.query) == ("/ä//", b"/%C3%A4/%2f", b"q=%C3")
    assert (request.length, request.expects, request.trailers_accepted, request.ends) == (9, True, True, False)
    assert (request.authority, request.scheme, request.version) == (b"a.test", "http", "2")
    assert (request.peer, request.client, request.protocol, request.forwarded) == (PEER, PEER.client, None, False)


def test_nobody_expects_a_body_that_does_not_come() -> None:
    assert not begun(h2([*PSEUDO, (b"expect", b"100-continue")])).expects


def test_a_path_that_is_no_utf8_is_replaced() -> None:
    request = begun(h2([*PSEUDO[:3], (b":path", b"/%ff\xfe")]))
    assert (request.path, request.raw_path) == ("/��", b"/%ff\xfe")


@given(st.binary(min_size=1, max_size=30))
def test_a_target_is_passed_on_or_refused(target: bytes) -> None:
    head = h2([*PSEUDO[:3], (b":path", b"/" + target)])
    request = head.request(PEER, True, "2")
    if request is None:
        assert head.verdict in (RESET, 400)
    else:
        assert request.raw_path + (b"?" + request.query if b"?" in target else b"") == b"/" + target
        assert not set(target) & set(b"\r\n\0 #")


# Limits


def test_a_soft_limit_is_answered_and_four_times_it_is_not() -> None:
    assert refused(h2([*PSEUDO, *[(b"x", b"1")] * 11], limits(count=10))) == 431
    assert h2([*PSEUDO, *[(b"x", b"1")] * 41], limits(count=10)).verdict == DROP_CONNECTION
    assert refused(h2([*PSEUDO, (b"x", b"v" * 300)], limits(size=400))) == 431
    assert h2([*PSEUDO, (b"x", b"v" * 2_000)], limits(size=400)).verdict == DROP_CONNECTION
    assert refused(h2([*PSEUDO, (b"x", b"v" * 20)], limits(field=20))) == 431
    assert refused(h2([*PSEUDO[:3], (b":path", b"/" * 21)], limits(path=20))) == 414
    assert refused(h2([*PSEUDO, (b"content-length", b"101")], limits(body=100)), ends=False) == 413


def test_what_is_refused_is_counted_on() -> None:
    # A head that is wrong at first may still be an attack.
    head = h2([*PSEUDO, (b"connection", b"close")], limits(count=10))
    assert head.verdict == RESET
    for _ in range(41):
        head.take(judge(b"x", b"1"))
    assert head.verdict == DROP_CONNECTION


def test_crumbs_have_their_own_count() -> None:
    assert begun(h2([*PSEUDO, *[(b"cookie", b"a")] * 256], limits(count=1))).fields[1] == (b"cookie", b"; ".join([b"a"] * 256))
    assert refused(h2([*PSEUDO, *[(b"cookie", b"")] * 257])) == 431
    assert h2([*PSEUDO, *[(b"cookie", b"")] * 1_025]).verdict == DROP_CONNECTION
    # Also when the head was refused before.
    assert h2([(b":bad", b""), *PSEUDO, *[(b"cookie", b"")] * 1_025]).verdict == DROP_CONNECTION


def test_the_first_fault_is_told() -> None:
    head = h2([*PSEUDO, (b"connection", b"close"), (b"x", b"\n"), *[(b"y", b"1")] * 120])
    assert (head.verdict, head.reason) == (RESET, "a connection-specific field")


# HTTP/1.1


def test_http1_names_its_host() -> None:
    request = begun(h1([(b"host", b"a.test"), (b"connection", b"close"), (b"x", b"1")]), version="1.1")
    assert request.fields == [(b"host", b"a.test"), (b"connection", b"close"), (b"x", b"1")]
    assert (request.authority, request.version) == (b"a.test", "1.1")


@pytest.mark.parametrize("host", [b"", b"a b", b"a,b", b"u@a", b"a/b"])
def test_http1_refuses_what_is_no_host(host: bytes) -> None:
    assert refused(h1([(b"host", host)]), version="1.1") in (RESET, 400)


def test_http1_needs_a_host_and_http10_does_not() -> None:
    assert refused(h1([]), version="1.1") == 400
    assert refused(h1([], authority=b"a.test"), version="1.1") == 400
    request = begun(h1([]), version="1.0")
    assert (request.authority, request.fields) == (b"", [])


def test_http1_host_twice_is_refused() -> None:
    assert refused(h1([(b"host", b"a"), (b"host", b"a")]), version="1.1") == RESET


def test_http1_keeps_what_its_framing_needs() -> None:
    coded = [(b"transfer-encoding", b"gzip"), (b"transfer-encoding", b"chunked")]
    head = h1([(b"host", b"a"), (b"connection", b"close"), (b"connection", b"x"), (b"expect", b"X"), *coded])
    assert (head.connection, head.codings, head.expect) == ([b"close", b"x"], [b"gzip", b"chunked"], b"x")
    head.begin()
    assert (head.connection, head.codings, head.expect) == (None, None, None)


def test_http1_takes_any_te() -> None:
    assert begun(h1([(b"host", b"a"), (b"te", b"gzip, trailers")]), version="1.1").trailers_accepted


@pytest.mark.parametrize(("target", "verdict"), [(b"*", RESET), (b"a", RESET), (b"/a#b", 400), (b"/a b", RESET), (b"/" * 9_000, 414)])
def test_http1_judges_the_target(target: bytes, verdict: int) -> None:
    assert refused(h1([(b"host", b"a")], target=target), version="1.1") == verdict


# Who the client is


class Believer:
    """Trusts what it is told to."""

    def __init__(self, client: Address | None, scheme: str | None) -> None:
        self.said = (client, scheme)
        self.asked: list[Fields] = []

    def resolve(self, fields: Fields) -> tuple[Address | None, str | None]:
        self.asked.append(fields)
        return self.said


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"])
def test_a_trusted_peer_speaks_for_the_client(name: bytes) -> None:
    trust = Believer(("203.0.113.9", 0), "https")
    request = begun(h2([*PSEUDO, (name, b"x")]), peer=Peer(("192.0.2.1", 1), None, "http", trust))
    assert (request.client, request.scheme, request.forwarded) == (("203.0.113.9", 0), "https", True)
    assert trust.asked == [request.fields]


def test_what_a_trusted_peer_does_not_say_stays() -> None:
    trust = Believer(None, None)
    request = begun(h2([*PSEUDO, (b"forwarded", b"by=x")]), peer=Peer(("192.0.2.1", 1), None, "http", trust))
    assert (request.client, request.scheme) == (("192.0.2.1", 1), "http")


def test_nobody_is_asked_about_a_request_that_says_nothing() -> None:
    trust = Believer(("203.0.113.9", 0), None)
    assert begun(h2(PSEUDO), peer=Peer(("192.0.2.1", 1), None, "http", trust)).client == ("192.0.2.1", 1)
    assert trust.asked == []


def test_a_peer_that_is_not_trusted_is_not_believed() -> None:
    request = begun(h2([*PSEUDO, (b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-proto", b"https")]))
    assert (request.client, request.scheme, request.forwarded) == (PEER.client, "http", True)


# Trailers


def test_trailers_lose_what_routes_or_identifies() -> None:
    head = h2([(b"x-sum", b"1"), (b"host", b"b"), (b"authorization", b"x"), (b"x-forwarded-for", b"6.6.6.6"), (b"cookie", b"a=1")])
    assert head.trailers() == [(b"x-sum", b"1")]


@pytest.mark.parametrize(
    "field",
    [(b":path", b"/"), (b":status", b"200"), (b"content-length", b"0"), (b"transfer-encoding", b"chunked"), (b"X", b"1"), (b"x", b"\n")],
)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_trailers_that_frame_a_message_are_refused(field: tuple[bytes, bytes], version: str) -> None:
    head = Head(limits(), version == "2")
    head.take(judge(*field))
    assert head.trailers() is None
    assert head.verdict == RESET


def test_http1_refuses_a_host_in_trailers() -> None:
    head = Head(limits(), False)
    head.take(judge(b"host", b"a"))
    assert head.trailers() is None


def test_no_trailers_are_no_trailers() -> None:
    assert h2([]).trailers() == []
