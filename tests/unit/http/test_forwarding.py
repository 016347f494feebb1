"""Forwarding fields: what is believed of whom, and what an application still sees of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Peer
from appserver.contract import Fields, Request
from appserver.http.field import judge
from appserver.http.forwarding import FORWARDING_FIELDS, SELECTED, ForwardingPolicy
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
    fields: Fields, selected: tuple[str, ...] = ALL, *, strip: bool = True, trusted: bool = True, scheme: bytes = b"http"
) -> Request:
    trust = TrustList(["127.0.0.1"]) if trusted else None
    peer = Peer(("127.0.0.1", 5), ("127.0.0.1", 80), "http", trust, forwarding=ForwardingPolicy(selected, strip))
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
