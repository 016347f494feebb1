"""Forwarding fields: what is believed of whom, and what an application still sees of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Peer
from appserver.contract import Fields, Request
from appserver.http.field import judge
from appserver.http.forwarding import FORWARDING_FIELDS, SELECTED, forwarding_policy
from appserver.http.limits import Limits
from appserver.http.message import Head
from appserver.net.peer import TrustList

ALL = tuple(SELECTED)
LIMITS = Limits(8190, 100, 16384, 65536, 0)
SENT: Fields = [
    (b"accept", b"*/*"),
    (b"x-forwarded-for", b"192.0.2.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"shop.test"),
    (b"x-forwarded-port", b"8443"),
    (b"x-forwarded-prefix", b"/shop"),
    (b"x-forwarded-server", b"proxy"),
    (b"forwarded", b"for=192.0.2.9"),
    (b"x-real-ip", b"192.0.2.8"),
    (b"user-agent", b"test"),
]


def ask(
    fields: Fields, selected: tuple[str, ...] = ALL, *, strip: bool = True, trusted: bool = True, scheme: bytes = b"http",
    dialect: str = "x-forwarded",
) -> Request:  # fmt: skip
    trust = TrustList(["127.0.0.1", "10.0.0.0/8"]) if trusted else None
    peer = Peer(("127.0.0.1", 5), ("127.0.0.1", 80), "http", trust, forwarding=forwarding_policy(dialect, selected, strip))
    head = Head(LIMITS, True)
    for name, value in [(b":method", b"GET"), (b":scheme", scheme), (b":path", b"/x"), (b":authority", b"app.test:81")]:
        head.take(judge(name, value))
    for name, value in fields:
        head.add(name, value)
    request = head.request(peer, True, "2")
    assert request is not None, head.reason
    return request


def seen(request: Request) -> set[bytes]:
    return {name for name, _ in request.fields} & FORWARDING_FIELDS


def believed(request: Request) -> set[str]:
    """Return the words whose fields have had an effect."""
    effects = {
        "for": request.client == ("192.0.2.7", 0),
        "proto": request.scheme == "https",
        "host": b"shop.test" in request.authority,
        "port": request.authority.endswith(b":8443"),
        "prefix": request.prefix == "/shop",
    }
    return {word for word, has_effect in effects.items() if has_effect}


def test_all_that_is_selected_is_believed_of_a_trusted_peer() -> None:
    request = ask(SENT)

    assert request.client == ("192.0.2.7", 0)
    assert (request.scheme, request.authority, request.prefix) == ("https", b"shop.test:8443", "/shop")
    assert request.fields[0] == (b"host", b"shop.test:8443")
    assert seen(request) == {*SELECTED.values(), b"x-real-ip"}
    assert [name for name, _ in request.fields if name not in FORWARDING_FIELDS] == [b"host", b"accept", b"user-agent"]


def test_nothing_is_believed_of_another_and_nothing_is_seen() -> None:
    request = ask(SENT, trusted=False)

    assert (request.client, request.scheme, request.authority, request.prefix) == (
        ("127.0.0.1", 5), "http", b"app.test:81", "",
    )  # fmt: skip
    assert seen(request) == set()
    assert request.fields == [(b"host", b"app.test:81"), (b"accept", b"*/*"), (b"user-agent", b"test")]


@pytest.mark.parametrize("word", ALL)
def test_what_is_not_selected_is_not_believed_and_not_seen(word: str) -> None:
    others = tuple(other for other in ALL if other != word)

    without, alone, none = ask(SENT, others), ask(SENT, (word,)), ask(SENT, ())

    assert [word in believed(request) for request in (without, alone, none)] == [False, True, False]
    assert SELECTED[word] not in seen(without)
    assert seen(alone) == {SELECTED[word], b"x-real-ip"}
    assert seen(none) == {b"x-real-ip"}


@pytest.mark.parametrize("trusted", [True, False])
def test_without_strip_everything_is_seen(trusted: bool) -> None:
    request = ask(SENT, ("for", "proto"), strip=False, trusted=trusted)

    assert seen(request) == FORWARDING_FIELDS
    assert request.authority == b"app.test:81"


def test_aliases_with_underscores_are_never_seen() -> None:
    fields = [(name.replace(b"-", b"_"), b"1") for name in FORWARDING_FIELDS if b"-" in name]

    for strip in (True, False):
        assert ask(fields, strip=strip).fields == [(b"host", b"app.test:81")]


@pytest.mark.parametrize(
    ("host", "port", "scheme", "authority"),
    [
        (b"shop.test", b"", b"http", b"shop.test"),
        (b"shop.test:8443", b"", b"http", b"shop.test:8443"),
        (b"[2001:db8::1]:1", b"8080", b"http", b"[2001:db8::1]:8080"),
        (b"shop.test:8443", b"443", b"https", b"shop.test"),
        (b"shop.test", b"443", b"http", b"shop.test:443"),
        (b"", b"80", b"http", b"app.test"),
        (b"", b"9000", b"http", b"app.test:9000"),
        (b"", b"0", b"http", b"app.test:81"),
        (b"", b"65536", b"http", b"app.test:81"),
        (b"", b"80, 81", b"http", b"app.test:81"),
        (b"evil,good", b"", b"http", b"app.test:81"),
        (b"a/b?c", b"", b"http", b"app.test:81"),
        (b"user@shop.test", b"", b"http", b"app.test:81"),
    ],
)
def test_the_host_and_its_port(host: bytes, port: bytes, scheme: bytes, authority: bytes) -> None:
    fields = [pair for pair in [(b"x-forwarded-host", host), (b"x-forwarded-port", port)] if pair[1]]

    request = ask(fields, scheme=scheme)

    assert (request.authority, request.fields[0]) == (authority, (b"host", authority))


def test_the_server_is_the_one_that_the_client_has_asked() -> None:
    def server(host: bytes, port: bytes = b"", scheme: bytes = b"http") -> tuple[str, int] | None:
        fields = [(b"x-forwarded-host", host), (b"x-forwarded-port", port)]
        return ask([pair for pair in fields if pair[1]], scheme=scheme).server

    assert server(b"shop.test") == ("shop.test", 80)
    assert server(b"shop.test", scheme=b"https") == ("shop.test", 443)
    assert server(b"shop.test", b"8443") == ("shop.test", 8443)
    assert server(b"[2001:db8::1]:81") == ("2001:db8::1", 81)
    assert server(b"app.test:81") == ("app.test", 81)
    assert server(b"", b"443", b"https") == ("app.test", 443)
    assert server(b"a/b") is None
    assert ask(SENT, ("for", "proto")).server is None
    assert ask(SENT, trusted=False).server is None


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        (b"/shop", "/shop"), (b"/shop/", "/shop"), (b"/a/b-c.d/~e", "/a/b-c.d/~e"), (b"/", ""), (b"", ""), (b"shop", ""),
        (b"//x", ""), (b"/x//y", ""), (b"/..%2f", ""), (b"/../x", ""), (b"/x/..", ""), (b"/./x", ""), (b"/...", "/..."),
        (b"/a?b", ""), (b"/a#b", ""), (b"/a, /b", ""), (b"/\xe4", ""), (b"/a\\b", ""),
    ],
)  # fmt: skip
def test_a_prefix_is_a_path_of_plain_segments(said: bytes, prefix: str) -> None:
    assert ask([(b"x-forwarded-prefix", said)]).prefix == prefix


def test_a_field_that_comes_twice_says_nothing() -> None:
    for word in ("host", "port", "prefix"):
        fields = [(SELECTED[word], value) for value in (b"1", b"/a")]
        request = ask(fields)
        assert (request.authority, request.prefix) == (b"app.test:81", "")


@given(st.lists(st.tuples(st.sampled_from(sorted(FORWARDING_FIELDS)), st.binary(max_size=20)), max_size=6))
def test_no_field_of_an_untrusted_peer_gets_through(fields: Fields) -> None:
    printable = [(name, bytes(byte for byte in value if 32 < byte < 127)) for name, value in fields]

    request = ask(printable, trusted=False)

    assert request.fields == [(b"host", b"app.test:81")]
    assert (request.client, request.scheme, request.prefix) == (("127.0.0.1", 5), "http", "")


THREE = ("for", "proto", "host")


def forwarded(*lines: bytes, selected: tuple[str, ...] = THREE, trusted: bool = True) -> Request:
    return ask([(b"forwarded", line) for line in lines], selected, trusted=trusted, dialect="rfc7239")


def heard(request: Request) -> tuple[object, str, bytes]:
    return request.client, request.scheme, request.authority


PEER = ("127.0.0.1", 5)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"for=192.0.2.7;proto=https;host=shop.test"], (("192.0.2.7", 0), "https", b"shop.test")),
        ([b'for="[2001:db8::1]:4711";host="shop.test:8443"'], (("2001:db8::1", 4711), "http", b"shop.test:8443")),
        # From our side to the left as long as a hop is trusted; who is farthest away knows how the client asked.
        ([b"for=6.6.6.6, for=192.0.2.7;proto=https, for=10.0.0.2;proto=http"], (("192.0.2.7", 0), "https", b"app.test:81")),
        ([b"for=192.0.2.7, for=10.0.0.2;proto=https"], (("192.0.2.7", 0), "https", b"app.test:81")),
        ([b"for=6.6.6.6;host=evil.test;proto=https, for=192.0.2.7"], (("192.0.2.7", 0), "http", b"app.test:81")),
        ([b"for=10.0.0.3, for=10.0.0.2"], (("10.0.0.3", 0), "http", b"app.test:81")),
        # Lines are one list, in their order.
        ([b"for=6.6.6.6", b"for=192.0.2.7;proto=https", b"for=10.0.0.2"], (("192.0.2.7", 0), "https", b"app.test:81")),
        ([b"for=192.0.2.7", b"", b", ,"], (("192.0.2.7", 0), "http", b"app.test:81")),
        # Who does not say for whom it speaks is not passed by, and is believed in all else.
        ([b"for=6.6.6.6, for=unknown;proto=https"], (PEER, "https", b"app.test:81")),
        ([b"for=6.6.6.6, for=_hidden;host=shop.test, for=10.0.0.2"], (("10.0.0.2", 0), "http", b"shop.test")),
        ([b"for=6.6.6.6, proto=https"], (PEER, "https", b"app.test:81")),
        ([b'for="192.0.2.7:_secret"'], (("192.0.2.7", 0), "http", b"app.test:81")),
        # What breaks the grammar says nothing, and nothing to the left of it does.
        ([b"for=192.0.2.7; proto=https"], (PEER, "http", b"app.test:81")),
        ([b"for=192.0.2.7:80;proto=https"], (PEER, "http", b"app.test:81")),
        ([b'for="192.0.2.7;proto=https'], (PEER, "http", b"app.test:81")),
        ([b"for=0177.0.0.1;proto=https"], (PEER, "http", b"app.test:81")),
        ([b"for=6.6.6.6, for=1.2.3.4.5, for=10.0.0.2"], (("10.0.0.2", 0), "http", b"app.test:81")),
        ([b'for="6.6.6.6, for=192.0.2.7'], (("192.0.2.7", 0), "http", b"app.test:81")),
        # A parameter by itself.
        ([b"for=192.0.2.7;proto=javascript;host=shop.test"], (("192.0.2.7", 0), "http", b"shop.test")),
        ([b"proto=HTTPS"], (PEER, "https", b"app.test:81")),
        ([b'host="a/b?c";proto=https'], (PEER, "https", b"app.test:81")),
        ([b'host="u@shop.test"'], (PEER, "http", b"app.test:81")),
        ([b'host="evil, good"'], (PEER, "http", b"app.test:81")),
    ],
)
def test_forwarded_of_a_trusted_peer(lines: list[bytes], expected: tuple[object, str, bytes]) -> None:
    assert heard(forwarded(*lines)) == expected


def test_forwarded_of_another_says_nothing_and_is_not_seen() -> None:
    request = forwarded(b"for=192.0.2.7;proto=https;host=shop.test", trusted=False)

    assert heard(request) == (PEER, "http", b"app.test:81")
    assert request.fields == [(b"host", b"app.test:81")]


@pytest.mark.parametrize("selected", [(), ("for",), ("proto",), ("host",), THREE])
def test_what_is_not_selected_of_forwarded_is_not_believed(selected: tuple[str, ...]) -> None:
    request = forwarded(b"for=192.0.2.7;proto=https;host=shop.test", selected=selected)

    assert request.client == (("192.0.2.7", 0) if "for" in selected else PEER)
    assert request.scheme == ("https" if "proto" in selected else "http")
    assert request.authority == (b"shop.test" if "host" in selected else b"app.test:81")
    port = 443 if "proto" in selected else 80
    assert request.server == (("shop.test", port) if "host" in selected else None)
    assert seen(request) == ({b"forwarded"} if selected else set())


def test_one_dialect_is_read_and_the_other_is_not_seen() -> None:
    rfc7239 = ask(SENT, THREE, dialect="rfc7239")
    assert heard(rfc7239) == (("192.0.2.9", 0), "http", b"app.test:81")
    assert (rfc7239.prefix, seen(rfc7239)) == ("", {b"forwarded", b"x-real-ip"})

    x_forwarded = ask(SENT)
    assert x_forwarded.client == ("192.0.2.7", 0)
    assert b"forwarded" not in seen(x_forwarded)

    assert seen(ask(SENT, THREE, dialect="rfc7239", strip=False)) == FORWARDING_FIELDS


def test_the_log_of_a_refused_request_has_its_client() -> None:
    trust = TrustList(["127.0.0.1"])
    peer = Peer(PEER, None, "http", trust, forwarding=forwarding_policy("rfc7239", THREE, True))
    head = Head(LIMITS, False)
    head.line(judge(b":method", b"GET"), None, judge(b":path", b"/"), None)
    head.add(b"forwarded", b"for=192.0.2.7;proto=https;host=shop.test")

    assert head.request(peer, True, "1.1") is None

    assert heard(head.refused(peer, "1.1")) == (("192.0.2.7", 0), "https", b"shop.test")


def test_a_thousand_hops_are_not_walked() -> None:
    hops = [b"for=192.0.2.7"] + [b"for=10.0.0.%d" % (number % 250) for number in range(1_000)]

    assert forwarded(b", ".join(hops)).client == ("10.0.0.150", 0)
    assert forwarded(b"for=192.0.2.7" + b"," * 1_000).client == PEER


@given(st.lists(st.binary(max_size=40), max_size=4), st.booleans())
def test_only_what_a_grammar_allows_comes_of_forwarded(lines: list[bytes], trusted: bool) -> None:
    printable = [bytes(byte for byte in line if 32 < byte < 127) for line in lines]

    request = forwarded(*printable, trusted=trusted)

    assert request.scheme in ("http", "https")
    if not trusted:
        assert heard(request) == (PEER, "http", b"app.test:81")
