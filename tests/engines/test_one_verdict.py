"""One verdict for one head, whichever protocol brought it: each judged part over HTTP/1.1 and over both h2 engines."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Trust
from appserver.contract import Fields, Request
from appserver.http.limits import Limits
from appserver.net.peer import TrustList
from tests.engines.talk import MAKE
from tests.engines.talk import Talk as Http2Talk
from tests.support.frames import PROTOCOL_ERROR, Head, Reset
from tests.unit.h1.talk import Talk as Http1Talk
from tests.unit.h1.talk import never

LIMITS = {"path": 8_190, "count": 100, "field": 16_384, "size": 65_536, "body": 100_000}


class Sent(NamedTuple):
    """One request head, as both protocols can carry it."""

    method: bytes = b"GET"
    target: bytes = b"/"
    host: bytes | None = b"a.test"
    fields: tuple[tuple[bytes, bytes], ...] = ()


class Verdict(NamedTuple):
    """What became of it: the status that it is refused with, or 0 and what the application is given."""

    status: int
    known: dict[str, object]


def begun(request: Request) -> Verdict:
    names = ("method", "path", "raw_path", "query", "target", "scheme", "authority", "fields", "length", "forwarded")
    return Verdict(0, {name: getattr(request, name) for name in (*names, "trailers_accepted", "protocol")})


def over_http1(sent: Sent, trust: Trust | None = None, scheme: str = "http", absolute: bytes = b"") -> Verdict:
    talk = Http1Talk(never, Limits(**LIMITS), scheme)
    talk.peer.trust = trust
    lines = [b"%s %s%s HTTP/1.1" % (sent.method, absolute, sent.target)]
    lines += [] if sent.host is None else [b"host: " + sent.host]
    lines += [name + b": " + value for name, value in sent.fields]
    talk.say(b"\r\n".join(lines) + b"\r\n\r\n")
    if talk.calls:
        assert talk.heard == b""
        return begun(talk.calls[0].request)
    return Verdict(int(talk.heard.split(b" ")[1]), {})


def over_http2(
    make: MAKE, sent: Sent, trust: Trust | None = None, scheme: str = "http", named: bytes = b"http", by_host: bool = False
) -> Verdict:
    talk = Http2Talk(make, LIMITS)
    talk.peer.trust = trust
    talk.peer.scheme = scheme
    fields: Fields = [(b":method", sent.method), (b":scheme", named), (b":path", sent.target)]
    if sent.host is not None:
        fields.append((b"host" if by_host else b":authority", sent.host))
    ends = not any(name == b"content-length" for name, _ in sent.fields)
    said = talk.ask(talk.client.headers(1, [*fields, *sent.fields], end=ends))
    if talk.requests:
        assert said == []
        return begun(talk.request().request)
    first = said[0]
    if isinstance(first, Reset):
        # RFC 9113 8.1.1: malformed; what HTTP/1.1 says with 400.
        assert first.code == PROTOCOL_ERROR
        return Verdict(400, {})
    assert isinstance(first, Head)
    return Verdict(int(dict(first.fields)[b":status"]), {})


METHODS = [
    b"GET", b"FOO", b"get", b"M-SEARCH", b"PRI", b"A" * 32, b"A" * 33, b"A" * 200, b"G,T", b"G(", b"G/", b"G:", b"G\x7f", b"\xc3\xa4", b"G\0", b"G\t",
    b"CONNECT", b"!#$%&'*+-.^_`|~",
]  # fmt: skip
TARGETS = [
    b"/", b"/?", b"/a?b?c", b"/\xc3\xa4", b"/\xff\xfe?\x80\xff", b"/%c3%a4", b"/%zz%4", b"/%2f%00", b"//a", b"/../a", b"/a\\b", b"/a|b^c`{}",
    b"/\"<>", b"/a#b", b"/a?b#c", b"/a\0", b"/a\x01", b"/a\tb", b"/a\x7f", b"/?\x7f", b"*", b"a", b"?a", b"ftp://a.test/", b"/" + b"a" * 9_000,
]  # fmt: skip
HOSTS = [
    None, b"a.test", b"A.Test", b"a.test:80", b"a.test:", b"a:65535", b"a:65536", b"a:99999999", b"a:b", b"127.0.0.1", b"[::1]:80", b"[::1", b"a_b", b"u:p@a",
    b"a/b", b"a b", b"a,b", b"a\\b", b"a%20b", b"a%2", b"\xc3\xa4.test", b"a\0", b"a\x7f", b"",
]  # fmt: skip
FIELDS: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "empty value": ((b"x", b""),),
    "tab inside": ((b"x", b"a\tb"),),
    "from 0x80": ((b"x", b"\x80\xff"),),
    "NUL": ((b"x", b"a\0b"),),
    "0x01": ((b"x", b"\x01"),),
    "DEL": ((b"x", b"a\x7fb"),),
    "DEL in a cookie": ((b"cookie", b"a\x7f"),),
    "NUL in X-Forwarded-For": ((b"x-forwarded-for", b"\0"),),
    "a name with a space": ((b"x y", b"1"),),
    "a name with a NUL": ((b"x\0", b"1"),),
    "a name from 0x80": ((b"\xc3\xa4", b"1"),),
    "an empty name": ((b"", b"1"),),
    "the same twice": ((b"x", b"1"), (b"x", b"1")),
    "aliases": ((b"x_forwarded_for", b"1"), (b"content_length", b"1"), (b"x_own", b"1")),
    "HTTP2-Settings": ((b"http2-settings", b"x"),),
    "cookies": ((b"cookie", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2")),
    "content-type": ((b"content-type", b"a/b"),),
    "content-type twice": ((b"content-type", b"a/b"), (b"content-type", b"a/b")),
    "te": ((b"te", b"trailers"),),
    "100 fields but host": ((b"x", b"1"),) * 99,
    "120 fields": ((b"x", b"1"),) * 120,
    "256 cookies": ((b"cookie", b"a"),) * 256,
    "257 cookies": ((b"cookie", b"a"),) * 257,
    "a long value": ((b"x", b"v" * 16_383),),
    "too long a value": ((b"x", b"v" * 16_384),),
    "too much": ((b"x", b"v" * 16_000),) * 5,
    **{
        f"content-length {value!r}": ((b"content-length", value),)
        for value in (b"0", b"5", b"007", b"+5", b"-1", b"5,5", b"0x5", b"5_0", b"5.0", b"1e3", b"", b"1" * 18, b"1" * 19, b"100001", b"\xb2")
    },
    "content-length twice": ((b"content-length", b"5"), (b"content-length", b"5")),
}


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_method(make: MAKE, method: bytes) -> None:
    sent = Sent(method=method)
    assert over_http2(make, sent) == over_http1(sent)


def test_a_method_is_any_token_of_at_most_32_bytes(make: MAKE) -> None:
    for method, status in ((b"FOO", 0), (b"A" * 32, 0), (b"A" * 33, 501), (b"CONNECT", 501), (b"F(", 400)):
        assert over_http2(make, Sent(method=method)).status == over_http1(Sent(method=method)).status == status


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: repr(target[:20]))
def test_a_target(make: MAKE, method: bytes, target: bytes) -> None:
    sent = Sent(method=method, target=target)
    assert over_http2(make, sent) == over_http1(sent)


def test_bytes_from_0x80_pass_as_they_are(make: MAKE) -> None:
    sent = Sent(target=b"/\xc3\xa4\xff?\xe4=%ff")
    for verdict in (over_http1(sent), over_http2(make, sent)):
        assert verdict.status == 0
        assert (verdict.known["raw_path"], verdict.known["query"]) == (b"/\xc3\xa4\xff", b"\xe4=%ff")
        assert verdict.known["path"] == "/\xe4\ufffd"


@pytest.mark.parametrize("by_host", [False, True], ids=["authority", "host"])
@pytest.mark.parametrize("host", HOSTS, ids=repr)
def test_a_host(make: MAKE, host: bytes | None, by_host: bool) -> None:
    assert over_http2(make, Sent(host=host), by_host=by_host) == over_http1(Sent(host=host))


@pytest.mark.parametrize("name", FIELDS)
def test_fields(make: MAKE, name: str) -> None:
    # With `host`, so that both heads have as many fields.
    sent = Sent(method=b"POST", fields=FIELDS[name])
    assert over_http2(make, sent, by_host=True) == over_http1(sent)


TRUST = TrustList(["*"])
FORWARDED: list[tuple[tuple[bytes, bytes], ...]] = [
    (),
    ((b"x-forwarded-proto", b"https"),),
    ((b"x-forwarded-proto", b"HTTP"),),
    ((b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"https")),
    ((b"x-forwarded-proto", b"wss"),),
    ((b"x-forwarded-for", b"203.0.113.9, 10.0.0.1"), (b"x-forwarded-for", b"[2001:DB8::1]:80")),
    ((b"x_forwarded_proto", b"https"),),
]


@pytest.mark.parametrize("own", ["http", "https"])
@pytest.mark.parametrize("trust", [None, TRUST], ids=["a stranger", "a trusted peer"])
@pytest.mark.parametrize("fields", FORWARDED, ids=repr)
@pytest.mark.parametrize("named", [b"http", b"https", b"HTTPS"])
def test_a_scheme(make: MAKE, named: bytes, fields: tuple[tuple[bytes, bytes], ...], trust: Trust | None, own: str) -> None:
    sent = Sent(fields=fields)
    verdict = over_http2(make, sent, trust, own, named)
    assert verdict == over_http1(sent, trust, own, named + b"://a.test")
    if trust is None:
        assert verdict.known["scheme"] == own
    elif fields and fields[0][1] == b"https" and len(fields) == 1 and fields[0][0] == b"x-forwarded-proto":
        assert verdict.known["scheme"] == "https"
    elif not fields:
        assert verdict.known["scheme"] == named.decode().lower()


@pytest.mark.parametrize("named", [b"ftp", b"gopher", b"httpss"])
def test_another_scheme_is_refused(make: MAKE, named: bytes) -> None:
    assert over_http2(make, Sent(), named=named).status == over_http1(Sent(), absolute=named + b"://a.test").status == 400


# Bytes that HTTP/1.1 has another use for: the ends of its lines and words, blanks around a value.
VALUE = st.binary(max_size=8).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"").strip(b" \t"))
WORD = VALUE.map(lambda value: value.replace(b" ", b""))
# What belongs to the connection: HTTP/2 has none of it (RFC 9113 8.2.2), HTTP/1.1 frames by some of it.
OF_THE_HOP = (b"te", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"content-length", b"expect")
NAME = st.sampled_from([b"x", b"cookie", b"content-type", b"x-forwarded-for"]) | WORD.map(
    lambda value: value.replace(b":", b"").lower()
).filter(lambda name: name not in OF_THE_HOP)
SENT = st.builds(
    Sent,
    method=st.sampled_from([b"GET", b"FOO", b"OPTIONS"]) | WORD.filter(len),
    target=WORD.map(lambda value: b"/" + value) | WORD.filter(len),
    host=st.sampled_from([b"a.test", None]) | VALUE,
    fields=st.lists(st.tuples(NAME, VALUE), max_size=3).map(tuple),
)


def test_any_head(make: MAKE) -> None:
    @given(SENT)
    def check(sent: Sent) -> None:
        assert over_http2(make, sent, by_host=True) == over_http1(sent)

    check()
