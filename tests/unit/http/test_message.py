"""One head, judged: by both protocols' rules, whatever engine or parser collected it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Peer, Trust
from appserver.contract import Address, Fields, Request
from appserver.http.field import judge
from appserver.http.limits import Limits
from appserver.http.message import Head
from appserver.http.names import KINDS
from appserver.http.verdicts import DROP_CONNECTION, OK, RESET
from tests.engines.messages import CASES, Case

PEER = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")
PSEUDO: Fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/")]
NAMES = st.sampled_from([*KINDS, b"x", b"accept", b"x_real_ip", b"X", b"a b", b""])
VALUES = st.sampled_from([b"", b"1", b"GET", b"/", b"a.test", b"trailers", b"http", b"100-continue", b"203.0.113.9", b" a", b"a\n", b"v" * 40])


def limits(path: int = 8_190, count: int = 100, field: int = 16_384, size: int = 65_536, body: int = 100) -> Limits:
    return Limits(path, count, field, size, body)


def h2(fields: Fields, bounds: Limits | None = None, fresh: bool = True) -> Head:
    """A head of HTTP/2 that has taken `fields`: all of them fresh, or judged before."""
    head = Head(bounds or limits(), True)
    for name, value in fields:
        if fresh:
            head.add(name, value)
        else:
            head.take(judge(name, value))
    return head


def h1(fields: Fields, method: bytes = b"GET", target: bytes = b"/", authority: bytes | None = None) -> Head:
    """A head of HTTP/1.1 that has taken `fields`."""
    head = Head(limits(), False)
    named = None if authority is None else judge(b":authority", authority)
    head.line(judge(b":method", method), None if named is None else judge(b":scheme", b"http"), judge(b":path", target), named)
    for name, value in fields:
        head.add(name, value)
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


def vars_of(request: Request | None) -> dict[str, object]:
    return {} if request is None else {name: getattr(request, name) for name in Request.__slots__}


# One field


@pytest.mark.parametrize("name", [b"a", b"x-y", b"x_y", b"!#$%&'*+-.^_`|~09az"])
def test_a_sound_field_is_passed_on_as_it_is(name: bytes) -> None:
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


def test_a_head_knows_the_limit_of_its_bodies() -> None:
    meter = Head(limits(body=7), True).meter(-1)
    assert (meter.length, meter.limit) == (-1, 7)


# HTTP/2 heads: the same table that the engines are given


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "repeated"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.encode("unicode_escape").decode())
def test_a_head_has_its_verdict(case: Case, fresh: bool) -> None:
    fields = [tuple(part if isinstance(part, bytes) else part.encode() for part in pair) for pair in case.fields]
    head = h2(fields, fresh=fresh)  # type: ignore[arg-type] # pairs stay pairs
    assert (head.request(PEER, True, "2") is not None) == (case.verdict == OK)
    assert head.verdict == case.verdict
    assert bool(head.reason) == (case.verdict != OK)


def test_a_head_is_used_again() -> None:
    head = Head(limits(), True)
    for path in (b"/a", b"relative", b"/b"):
        head.begin()
        for name, value in [*PSEUDO[:3], (b":path", path), (b"cookie", b"a"), (b"content-length", b"0")]:
            head.add(name, value)
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


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.booleans())
def test_a_field_that_repeats_is_judged_as_a_fresh_one(fields: Fields, version2: bool) -> None:
    heads = [Head(limits(count=5, field=30, size=300), version2) for _ in range(2)]
    for name, value in [*PSEUDO, *fields]:
        heads[0].add(name, value)
        heads[1].take(judge(name, value))
    peer = trusted(("203.0.113.9", 0))
    requests = [head.request(peer, True, "2") for head in heads]
    assert [vars_of(request) for request in requests[:1]] == [vars_of(request) for request in requests[1:]]
    assert (heads[0].verdict, heads[0].reason) == (heads[1].verdict, heads[1].reason)
    assert heads[0].trailers() == heads[1].trailers()


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
        head.add(b"x", b"1")
    assert head.verdict == DROP_CONNECTION


def test_crumbs_have_their_own_count() -> None:
    assert begun(h2([*PSEUDO, *[(b"cookie", b"a")] * 256], limits(count=1))).fields[1] == (b"cookie", b"; ".join([b"a"] * 256))
    assert refused(h2([*PSEUDO, *[(b"cookie", b"")] * 257])) == 431
    assert h2([*PSEUDO, *[(b"cookie", b"")] * 1_025]).verdict == DROP_CONNECTION
    # Also when the head was refused before.
    assert h2([(b":bad", b""), *PSEUDO, *[(b"cookie", b"")] * 1_025]).verdict == DROP_CONNECTION


def test_the_first_fault_stays() -> None:
    head = h2([*PSEUDO, (b"connection", b"close"), (b"x", b"\n"), *[(b"y", b"1")] * 120])
    assert (head.verdict, head.reason) == (RESET, "a connection-specific field")


# Extended CONNECT (RFC 8441)

CONNECT: Fields = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *PSEUDO[1:]]


def connect(fields: Fields, connect_protocol: bool = True) -> Head:
    head = Head(limits(), True, connect_protocol)
    for name, value in fields:
        head.add(name, value)
    return head


def test_an_extended_connect_is_a_request_without_content() -> None:
    request = begun(connect([*CONNECT, (b"content-length", b"5"), (b"expect", b"100-continue")]), ends=False)
    assert (request.method, request.protocol, request.target) == ("CONNECT", b"websocket", b"/")
    assert (request.length, request.expects, request.ends) == (-1, False, False)


@pytest.mark.parametrize("without", [b":scheme", b":path"])
def test_an_extended_connect_has_all_pseudo_fields(without: bytes) -> None:
    assert refused(connect([field for field in CONNECT if field[0] != without])) == RESET


def test_an_extended_connect_has_an_authority() -> None:
    fields = [field for field in CONNECT if field[0] != b":authority"]
    assert refused(connect(fields)) == 400
    assert begun(connect([*fields, (b"host", b"a.test")])).authority == b"a.test"


@pytest.mark.parametrize("protocol", [b"", b"a b", b"web/socket", b"\xff"])
def test_a_protocol_is_a_token(protocol: bytes) -> None:
    assert refused(connect([CONNECT[0], (b":protocol", protocol), *CONNECT[2:]])) == RESET


@pytest.mark.parametrize("connect_protocol", [True, False])
def test_a_connect_without_a_protocol_is_not_supported(connect_protocol: bool) -> None:
    assert refused(connect([CONNECT[0], *CONNECT[2:]], connect_protocol)) == 501
    assert refused(connect([CONNECT[0], CONNECT[3]], connect_protocol)) == 501


def test_an_extended_connect_is_refused_where_it_was_not_offered() -> None:
    assert refused(connect(CONNECT, connect_protocol=False)) == 501


@pytest.mark.parametrize("connect_protocol", [True, False])
def test_a_protocol_belongs_to_connect(connect_protocol: bool) -> None:
    assert refused(connect([*PSEUDO, (b":protocol", b"websocket")], connect_protocol)) == RESET
    assert refused(connect([*CONNECT, (b":protocol", b"websocket")], connect_protocol)) == RESET
    assert begun(connect(PSEUDO, connect_protocol)).protocol is None


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


# Who the client is, and how it came


class Forwarder(Trust):
    """A trusted peer that always forwards for the same client."""

    def __init__(self, client: Address | None) -> None:
        self.client = client
        self.asked: list[bytes] = []

    def resolve(self, forwarded_for: bytes) -> Address | None:
        self.asked.append(forwarded_for)
        return self.client


def trusted(client: Address | None = None, scheme: str = "http") -> Peer:
    return Peer(("192.0.2.1", 1), None, scheme, Forwarder(client))


def fields_of(scheme: bytes, *more: tuple[bytes, bytes]) -> Fields:
    return [(b":method", b"GET"), (b":scheme", scheme), (b":authority", b"a.test"), (b":path", b"/"), *more]


def proto(*values: bytes) -> Fields:
    return [(b"x-forwarded-proto", value) for value in values]


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "repeated"])
@pytest.mark.parametrize(
    ("lines", "joined"),
    [([b"203.0.113.9"], b"203.0.113.9"), ([b"a, b", b"c"], b"a, b,c"), ([b"", b"a", b""], b",a,")],
)
def test_a_trusted_peer_names_the_client(lines: list[bytes], joined: bytes, fresh: bool) -> None:
    peer = trusted(("203.0.113.9", 0))
    request = begun(h2([*PSEUDO, *[(b"x-forwarded-for", line) for line in lines]], fresh=fresh), peer=peer)
    assert (request.client, request.forwarded) == (("203.0.113.9", 0), True)
    assert isinstance(peer.trust, Forwarder)
    assert peer.trust.asked == [joined]


def test_what_a_trusted_peer_does_not_say_stays() -> None:
    request = begun(h2([*PSEUDO, (b"x-forwarded-for", b"unknown")]), peer=trusted(None))
    assert (request.client, request.scheme, request.forwarded) == (("192.0.2.1", 1), "http", True)


@pytest.mark.parametrize("fields", [[], [(b"forwarded", b"for=203.0.113.9;proto=https")], [(b"x_forwarded_for", b"6.6.6.6")]])
def test_nobody_is_asked_about_what_is_not_said(fields: Fields) -> None:
    peer = trusted(("203.0.113.9", 0))
    assert begun(h2([*PSEUDO, *fields]), peer=peer).client == ("192.0.2.1", 1)
    assert isinstance(peer.trust, Forwarder)
    assert peer.trust.asked == []


def test_a_peer_that_is_not_trusted_is_not_believed() -> None:
    request = begun(h2(fields_of(b"https", (b"x-forwarded-for", b"6.6.6.6"), *proto(b"https"))))
    assert (request.client, request.scheme, request.forwarded) == (PEER.client, "http", True)


@pytest.mark.parametrize("named", [b"http", b"https"])
@pytest.mark.parametrize("own", ["http", "https"])
def test_the_scheme_is_the_connections_own_or_a_trusted_peers_word(own: str, named: bytes) -> None:
    assert begun(h2(fields_of(named)), peer=Peer(None, None, own)).scheme == own
    assert begun(h2(fields_of(named)), peer=trusted(scheme=own)).scheme == named.decode()


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        ([b"http"], "http"), ([b"https"], "https"), ([b"HTTPS"], "https"), ([b"https,http"], None), ([b"https", b"https"], None),
        ([b"https", b"http"], None), ([b"javascript"], None), ([b"wss"], None), ([b""], None), ([b"\xff"], None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [b"http", b"https"])
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "repeated"])
def test_one_x_forwarded_proto_says_more_than_the_scheme(values: list[bytes], scheme: str | None, named: bytes, fresh: bool) -> None:
    request = begun(h2(fields_of(named, *proto(*values)), fresh=fresh), peer=trusted())
    assert request.scheme == (scheme or named.decode())


def test_the_scheme_of_an_absolute_target_is_the_peers_word_too() -> None:
    for peer, scheme in ((PEER, "http"), (trusted(), "https")):
        head = Head(limits(), False)
        head.line(judge(b":method", b"GET"), judge(b":scheme", b"HTTPS"), judge(b":path", b"/"), judge(b":authority", b"a"))
        head.add(b"host", b"a")
        assert begun(head, version="1.1", peer=peer).scheme == scheme
    assert begun(h1([(b"host", b"a")]), version="1.1", peer=trusted(scheme="https")).scheme == "https"


def test_a_refused_request_knows_its_client() -> None:
    head = h2([*PSEUDO, (b"x-forwarded-for", b"203.0.113.9"), (b"connection", b"close")])
    request = head.refused(trusted(("203.0.113.9", 0)), "2")
    assert (request.client, request.method, request.target, request.path) == (("203.0.113.9", 0), "GET", b"/", "/")
    assert head.refused(PEER, "2").client == PEER.client


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
    head.add(*field)
    assert head.trailers() is None
    assert head.verdict == RESET


def test_http1_refuses_a_host_in_trailers() -> None:
    head = Head(limits(), False)
    head.add(b"host", b"a")
    assert head.trailers() is None


def test_no_trailers_are_no_trailers() -> None:
    assert h2([]).trailers() == []


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_priority_is_a_fact_of_its_request_in_both_protocols(version: str) -> None:
    fields: Fields = [(b"priority", b"u=1"), (b"priority", b"i")]
    head = h2([*PSEUDO, *fields]) if version == "2" else h1([(b"host", b"a.test"), *fields])
    request = begun(head, version=version)
    assert request.priority == (1, True)
    assert request.fields[1:] == fields


@pytest.mark.parametrize("value", [None, b"u=1,", b"U=1"])
def test_without_a_sound_priority_nothing_was_said(value: bytes | None) -> None:
    request = begun(h2(PSEUDO if value is None else [*PSEUDO, (b"priority", value)]))
    assert (request.priority, request.dependency) == (None, None)
