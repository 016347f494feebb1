"""The character classes and small grammars, against their ABNF spelled another way."""

from __future__ import annotations

import ipaddress
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.http.grammar import TARGET_BAD, TOKEN_BAD, TOKEN_CHARS, VALUE_BAD, is_authority, is_token

TCHAR = set("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)


def test_every_table_has_a_flag_for_each_byte() -> None:
    for table in (TARGET_BAD, TOKEN_BAD, VALUE_BAD):
        assert len(table) == 256
        assert set(table) == {0, 1}


@pytest.mark.parametrize("byte", range(256))
def test_the_tables_are_the_abnf(byte: int) -> None:
    assert bool(TOKEN_BAD[byte]) == (chr(byte) not in TCHAR)
    # field-vchar, SP and HTAB; obs-text is kept.
    assert bool(VALUE_BAD[byte]) == (byte != 9 and (byte < 32 or byte == 127))
    assert bool(TARGET_BAD[byte]) == (byte <= 32 or byte in (127, ord("#")))


def test_a_token_is_made_of_tchar() -> None:
    assert is_token(TOKEN_CHARS)
    assert is_token(b"x")
    assert not is_token(b"")


@given(st.binary(max_size=20))
def test_a_token_is_nothing_else(name: bytes) -> None:
    assert is_token(name) == (bool(name) and all(chr(byte) in TCHAR for byte in name))


@pytest.mark.parametrize(
    "authority",
    [
        b"a", b"a.test", b"A.TEST", b"a:0", b"a:80", b"a:65535", b"a:", b"127.0.0.1", b"127.0.0.1:8000", b"[::1]", b"[::1]:80",
        b"[::ffff:192.0.2.1]:1", b"xn--bcher-kva.example", b"a_b", b"a%20b", b"a-b.c~d", b"*", b"a;b=c", b"localhost",
    ],
)
def test_a_host_and_a_port(authority: bytes) -> None:
    assert is_authority(authority)


@pytest.mark.parametrize(
    "authority",
    [
        b"", b":", b":80", b"a:b", b"a:-1", b"a:65536", b"a:999999", b"a:80:80", b"u@a", b"u:p@a", b"a/b", b"a?b", b"a#b", b"a b",
        b" a", b"a ", b"a\t", b"a\n", b"a\0", b"a,b", b"[::1", b"::1", b"[::1]x", b"[g::1]", b"[]", b"a\\b", b"a%2", b"a%zz", b"\xc3\xa4",
        b"<a>", b'"a"', b"a\r\nx: y", b"[::1]:", b"[v1.a]",
    ],
)
def test_what_is_no_host_and_port(authority: bytes) -> None:
    assert is_authority(authority) == (authority == b"[::1]:")


@given(st.ip_addresses(), st.one_of(st.none(), st.integers(0, 65_535)))
def test_every_address_is_an_authority(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int | None) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    # A zone (RFC 6874) names an interface of one machine; it is no host for others.
    assert is_authority((host if port is None else f"{host}:{port}").encode()) == ("%" not in host)


@given(st.binary(max_size=30))
def test_an_authority_never_ends_the_line_or_names_a_user(value: bytes) -> None:
    if is_authority(value):
        assert not set(value) & set(b"\r\n\0\t @/?#\\")
        assert len(value.split(b":")[-1]) <= 5 or value.startswith(b"[") or b":" not in value
