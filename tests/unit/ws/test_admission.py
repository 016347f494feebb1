"""Who may open a WebSocket: origins as browsers write them, and so many on one HTTP/2 connection."""

from __future__ import annotations

import pytest

from appserver.accepted import Peer
from appserver.contract import Request
from appserver.errors import Forbidden, Unavailable
from appserver.ws.admission import Admission


def handshake(*origins: bytes, scheme: str = "https", authority: bytes = b"shop.test", peer: Peer | None = None) -> Request:
    request = Request()
    request.scheme, request.authority, request.version, request.peer = scheme, authority, "2", peer
    request.fields = [(b"host", authority), *[(b"origin", origin) for origin in origins]]
    return request


def lets_in(origins: tuple[str, ...], request: Request) -> bool:
    try:
        Admission(origins).enter(request)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("allowed", "origin", "is_let_in"),
    [
        (("*",), b"https://evil.test", True),
        (("https://shop.test",), b"https://shop.test", True),
        (("https://SHOP.test",), b"HTTPS://shop.TEST", True),
        (("https://shop.test:443",), b"https://shop.test", True),
        (("http://shop.test:80",), b"http://shop.test", True),
        (("https://shop.test:8443",), b"https://shop.test:8443", True),
        (("app://local",), b"app://local", True),
        (("null",), b"null", True),
        (("https://shop.test",), b"http://shop.test", False),
        (("https://shop.test",), b"https://shop.test:8443", False),
        (("https://shop.test",), b"https://shop.test.evil.test", False),
        (("https://shop.test",), b"https://evil.test/https://shop.test", False),
        (("https://shop.test",), b"null", False),
        (("https://shop.test",), b"", False),
        ((), b"https://shop.test", False),
        (("same-origin",), b"same-origin", False),
    ],
)
def test_an_origin(allowed: tuple[str, ...], origin: bytes, is_let_in: bool) -> None:
    assert lets_in(allowed, handshake(origin)) == is_let_in


@pytest.mark.parametrize(
    ("scheme", "authority", "origin", "is_let_in"),
    [
        ("https", b"shop.test", b"https://shop.test", True),
        ("https", b"Shop.Test:443", b"https://shop.test", True),
        ("http", b"localhost:8000", b"http://localhost:8000", True),
        ("http", b"[::1]:8000", b"http://[::1]:8000", True),
        ("http", b"shop.test", b"https://shop.test", False),
        ("https", b"shop.test", b"https://evil.test", False),
        ("https", b"shop.test:8443", b"https://shop.test", False),
    ],
)
def test_the_same_origin(scheme: str, authority: bytes, origin: bytes, is_let_in: bool) -> None:
    assert lets_in(("same-origin",), handshake(origin, scheme=scheme, authority=authority)) == is_let_in


def test_who_sends_no_origin_is_no_browser() -> None:
    assert lets_in(("https://shop.test",), handshake())
    assert lets_in((), handshake())


def test_two_origins_are_none() -> None:
    assert not lets_in(("https://shop.test",), handshake(b"https://shop.test", b"https://shop.test"))


def test_one_connection_has_so_many_and_another_has_its_own() -> None:
    admission = Admission(max_per_connection=2)
    one, other = Peer(None, None, "http"), Peer(None, None, "http")
    first, second = handshake(peer=one), handshake(peer=one)
    admission.enter(first)
    admission.enter(second)

    with pytest.raises(Unavailable, match=r"max_per_connection \(2\)"):
        admission.enter(handshake(peer=one))
    admission.enter(handshake(peer=other))

    admission.leave(first)
    admission.enter(handshake(peer=one))


def test_over_http_1_1_a_connection_has_one_anyway() -> None:
    admission = Admission(max_per_connection=1)
    peer = Peer(None, None, "http")
    for _ in range(3):
        request = handshake(peer=peer)
        request.version = "1.1"
        admission.enter(request)


def test_nothing_is_kept_of_a_connection_without_websockets() -> None:
    admission = Admission(max_per_connection=5)
    requests = [handshake(peer=Peer(None, None, "http")) for _ in range(3)]
    for request in requests:
        admission.enter(request)
        admission.leave(request)

    assert admission._counts == {}
