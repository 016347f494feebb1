"""The small languages inside of option values."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.grammar import (
    FdBind,
    SystemdBind,
    TcpBind,
    UnixBind,
    parse_app,
    parse_bind,
    parse_mode,
    parse_owner,
    parse_trust,
)
from appserver.config.values import BadValue


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", TcpBind("127.0.0.1", 8000)),
        (":0", TcpBind("", 0)),
        ("localhost:80", TcpBind("localhost", 80)),
        ("my_host.example.:65535", TcpBind("my_host.example.", 65535)),
        ("[::1]:8000", TcpBind("::1", 8000)),
        ("[0:0::1]:8000", TcpBind("::1", 8000)),
        ("[fe80::1%eth0]:8000", TcpBind("fe80::1%eth0", 8000)),
        ("unix:/run/app.sock", UnixBind("/run/app.sock")),
        ("unix:app.sock", UnixBind("app.sock")),
        ("fd://3", FdBind(3)),
        ("fd:80", TcpBind("fd", 80)),
        ("systemd", SystemdBind("")),
        ("systemd:web.socket", SystemdBind("web.socket")),
    ],
)
def test_bind(text: str, address: object) -> None:
    assert parse_bind(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1", "has no port; write 127.0.0.1:8000"),
        ("8000", "has no port; write :8000"),
        ("", "has no port"),
        ("127.0.0.1:http", "'http' is not a port from 0 to 65535"),
        ("127.0.0.1:65536", "not a port"),
        ("127.0.0.1:-1", "not a port"),
        ("127.0.0.1:", "'' is not a port"),
        ("127.0.0.1:٨٠", "not a port"),
        ("::1:8000", "goes in brackets"),
        ("[::g]:8000", "not an IPv6 address"),
        ("[127.0.0.1]:8000", "not an IPv6 address"),
        ("300.1.1.1:80", "not an IPv4 address"),
        ("127.1:80", "not an IPv4 address"),
        ("*:80", "write :80 for every interface"),
        ("a b:80", "not a host name"),
        ("-a:80", "not a host name"),
        ("a..b:80", "not a host name"),
        ("http://a:80", "in brackets|not a host name"),
        ("/run/app.sock", "is a path; write unix:/run/app.sock"),
        ("unix:", "has no path"),
        ("unix:@app", "abstract sockets"),
        ("fd://2", "such as fd://3"),
        ("fd://", "such as fd://3"),
        ("fd://x", "such as fd://3"),
        ("systemd:", "has no name"),
        ("systemd:80", "could be a host and its port"),
        ("unix:/" + "é" * 60, "longer than the 107 bytes"),
    ],
)
def test_bad_bind(text: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        parse_bind(text)


@given(st.text(alphabet="[]:.%unix/0123456789abcdef*-", max_size=30))
def test_a_bind_address_reads_back_as_it_is_written(text: str) -> None:
    try:
        address = parse_bind(text)
    except BadValue:
        return

    assert parse_bind(str(address)) == address


@pytest.mark.parametrize(
    ("text", "parts"), [("main:app", ("main", "app")), ("a.b:c.d", ("a.b", "c.d")), ("main", ("main", ""))]
)
def test_app(text: str, parts: tuple[str, str]) -> None:
    assert parse_app(text) == parts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("main:", "no attribute name after the colon; write main:app"),
        (":app", "is not MODULE:APP"),
        ("a..b:c", "is not MODULE:APP"),
        ("a-b:c", "is not MODULE:APP"),
        ("main:app()", "no attribute"),
        ("main.py", "write the module: main:app"),
        ("./src/main.py:api", "write the module: src.main:api"),
        ("", "is not MODULE:APP"),
    ],
)
def test_bad_app(text: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason.replace("()", r"\(\)")):
        parse_app(text)


def test_trust() -> None:
    assert parse_trust("unix") == "unix"
    assert parse_trust("*") == "*"
    assert parse_trust("127.0.0.1") == ipaddress.ip_network("127.0.0.1/32")
    assert parse_trust("fd00::/8") == ipaddress.ip_network("fd00::/8")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.1/8", "has bits beyond its mask; the network is 10.0.0.0/8"),
        ("proxy", "is no address"),
        ("", "is no address"),
        ("10.0.0.0/33", "is no address"),
        ("10.0.0.0/8,unix", "is no address"),
        ("fe80::1%eth0", "has a zone, which peers are compared without; write fe80::1"),
    ],
)
def test_bad_trust(text: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        parse_trust(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("www-data", ("www-data", "")), ("a:b", ("a", "b")), (":b", ("", "b")), ("0:1000", ("0", "1000"))],
)
def test_owner(text: str, parts: tuple[str, str]) -> None:
    assert parse_owner(text) == parts


@pytest.mark.parametrize("text", ["", ":", "a:", "a:b:c", "a b", "-a", "a:/"])
def test_bad_owner(text: str) -> None:
    with pytest.raises(BadValue, match="is not USER, USER:GROUP or :GROUP"):
        parse_owner(text)


def test_mode() -> None:
    assert parse_mode("0660") == 0o660
    assert parse_mode("777") == 0o777


@pytest.mark.parametrize("text", ["", "0888", "66", "rw-", "0o660", "07777", "1660"])
def test_bad_mode(text: str) -> None:
    with pytest.raises(BadValue, match="not an octal mode"):
        parse_mode(text)
