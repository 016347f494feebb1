"""Addresses, host names and paths."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.spec import addresses, names
from proxyconf.spec.addresses import ListenAddress, ServerAddress

READERS: list[Callable[[object], object]] = [
    ListenAddress.parse, ServerAddress.parse, names.hostname, names.absolute_path, names.application,
    addresses.network, addresses.peer, addresses.control, names.proxy_version,
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "printed"),
    [(":443", "[::]:443"), ("[::]:443", "[::]:443"), ("0.0.0.0:80", "0.0.0.0:80"), ("[::1]:8443", "[::1]:8443"),
     ("[0:0::1]:1", "[::1]:1")],
)  # fmt: skip
def test_where_to_listen(text: str, printed: str) -> None:
    assert str(ListenAddress.parse(text)) == printed


@pytest.mark.parametrize(
    ("text", "printed", "loopback", "unix"),
    [
        ("127.0.0.1:8000", "127.0.0.1:8000", True, False), ("[::1]:8000", "[::1]:8000", True, False),
        ("localhost:1", "localhost:1", True, False), ("App-2:8000", "app-2:8000", False, False),
        ("10.0.0.1:65535", "10.0.0.1:65535", False, False), ("unix:/run/a b", "unix:/run/a b", False, True),
    ],
)  # fmt: skip
def test_where_a_server_is(text: str, printed: str, loopback: bool, unix: bool) -> None:
    address = ServerAddress.parse(text)
    assert (str(address), address.is_loopback, address.is_unix) == (printed, loopback, unix)


@pytest.mark.parametrize(
    ("reader", "value", "words"),
    [
        (ListenAddress.parse, "localhost:80", "needs an IP address"), (ListenAddress.parse, "443", "ends in a port"),
        (ListenAddress.parse, ":0", "from 1 to 65535"), (ListenAddress.parse, "::1:80", "in brackets"),
        (ListenAddress.parse, "[fe80::1%eth0]:80", "needs an IP"), (ListenAddress.parse, ":٨٠", "ends in a port"),
        (ServerAddress.parse, ":8000", "needs a host"), (ServerAddress.parse, "unix:app.sock", "begins with '/'"),
        (ServerAddress.parse, f"unix:/{'x' * 107}", "at most 107 bytes"), (ServerAddress.parse, "a b:1", "not a host name"),
        (names.hostname, "shop.example:443", "no scheme, port or path"), (names.hostname, "a..b", "not a host name"),
        (names.hostname, "*", "not a host name"), (names.hostname, "a.*.b", "not a host name"),
        (names.hostname, "-a.b", "not a host name"), (names.hostname, f"{'a' * 64}.b", "not a host name"),
        (names.hostname, "bücher.example", "xn--"), (names.hostname, 5, "is text"),
        (names.absolute_path, "~/cert", "begins with '/'"), (names.absolute_path, "/etc/", "does not end"),
        (names.application, "shop.asgi", "module:attribute"), (names.application, "shop asgi:app", "module:attribute"),
        (addresses.network, "10.0.0.1/8", "host bits zero"), (addresses.network, "private", "not an address"),
        (addresses.control, "127.0.0.1:2019", "'off' or unix:/PATH"), (names.proxy_version, "2.x", "up to three numbers"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(reader: Callable[[object], object], value: object, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        reader(value)
    assert words in str(caught.value)


@pytest.mark.parametrize("reader", READERS)
@given(
    st.text(max_size=20) | st.sampled_from(["[::1]:", "unix:", "[]:1", "::", "1:2:3", "%:1", "/", "a:b", "1.2.3.4/99"])
)
def test_no_text_is_a_traceback(reader: Callable[[object], object], text: str) -> None:
    try:
        once = str(reader(text))
    except ValueError:
        return
    assert str(reader(once)) == once
