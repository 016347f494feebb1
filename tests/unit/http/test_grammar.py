"""The character classes and small grammars, against their ABNF spelled another way."""

from __future__ import annotations

import ipaddress
import re
import string
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.http.grammar import (
    NAME_BAD,
    TARGET_BAD,
    TOKEN_BAD,
    TOKEN_CHARS,
    VALUE_BAD,
    is_authority,
    is_field_name,
    is_field_value,
    is_token,
    parse_length,
    parse_port,
    parse_scheme,
    percent_decode,
)

TCHAR = set("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)
AUTHORITY = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?"
)


def test_every_table_has_a_flag_for_each_byte() -> None:
    for table in (NAME_BAD, TARGET_BAD, TOKEN_BAD, VALUE_BAD):
        assert len(table) == 256
        assert set(table) == {0, 1}


@pytest.mark.parametrize("byte", range(256))
def test_the_tables_are_the_abnf(byte: int) -> None:
    assert bool(TOKEN_BAD[byte]) == (chr(byte) not in TCHAR)
    assert bool(NAME_BAD[byte]) == (chr(byte) not in TCHAR or chr(byte).isupper())
    # field-vchar, SP and HTAB; obs-text is kept.
    assert bool(VALUE_BAD[byte]) == (byte != 9 and (byte < 32 or byte == 127))
    assert bool(TARGET_BAD[byte]) == (byte <= 32 or byte in (127, ord("#")))


def test_a_token_is_made_of_tchar() -> None:
    assert is_token(TOKEN_CHARS)
    assert is_token(b"x")
    assert not is_token(b"")


@given(st.binary(max_size=20) | st.text("aZ-_0: ", max_size=6).map(str.encode))
def test_a_token_is_nothing_else(name: bytes) -> None:
    assert is_token(name) == (bool(name) and all(chr(byte) in TCHAR for byte in name))
    assert is_field_name(name) == (is_token(name) and name == name.lower())


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 31, 33, 64, 100])
@pytest.mark.parametrize("bad", [b"\0", b"\n", b"\r", b"\x1f", b"\x7f"])
def test_a_control_is_found_anywhere_in_a_value(size: int, bad: bytes) -> None:
    assert is_field_value(b"v" * size)
    for at in range(size):
        assert not is_field_value(b"v" * at + bad + b"v" * (size - at - 1))


@given(st.binary(max_size=40) | st.text("a \t\x80\xff\x7f", max_size=6).map(lambda text: text.encode("latin-1")))
def test_a_value_is_the_abnf(value: bytes) -> None:
    assert is_field_value(value) == (value == value.strip(b" \t") and not any(VALUE_BAD[byte] for byte in value))


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


NEAR_AUTHORITIES = st.lists(
    st.sampled_from([b"a", b"A0", b".", b"-", b":", b":80", b":65535", b":65536", b"%41", b"%4", b"%zz", b"[", b"]", b"[::1]", b"f" * 45,
                     b"@", b",", b"*", b"\xe4", b" "]),
    max_size=5,
).map(b"".join)  # fmt: skip


@given(NEAR_AUTHORITIES | st.binary(max_size=12))
def test_an_authority_is_the_abnf(value: bytes) -> None:
    match = AUTHORITY.fullmatch(value)
    assert is_authority(value) == (match is not None and int(match[1] or 0) <= 65_535)


# Numbers


@given(st.binary(max_size=7) | st.integers(0, 10**7).map(lambda number: b"%d" % number), st.binary(max_size=2))
def test_a_port_is_digits_and_small(value: bytes, before: bytes) -> None:
    sound = len(value) <= 5 and all(48 <= byte <= 57 for byte in value) and int(value or b"0") <= 65_535
    assert parse_port(before + value + b":", len(before), len(before) + len(value)) == (int(value or b"0") if sound else -1)


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"5", 5), (b"007", 7), (b"9" * 18, 10**18 - 1)])
def test_a_length_is_a_number(value: bytes, length: int) -> None:
    assert parse_length(value) == length


@given(st.binary(max_size=25))
def test_a_length_is_digits_and_nothing_else(value: bytes) -> None:
    sound = 0 < len(value) <= 18 and all(48 <= byte <= 57 for byte in value)
    assert parse_length(value) == (int(value) if sound else -1)


# Words


@pytest.mark.parametrize(
    ("value", "scheme"),
    [(b"http", "http"), (b"https", "https"), (b"HTTPS", "https"), (b"hTTp", "http"), (b"wss", None), (b"", None), (b"http ", None)],
)
def test_a_scheme(value: bytes, scheme: str | None) -> None:
    assert parse_scheme(value) == scheme


@given(st.binary(max_size=30) | st.text("%a4Fzé", max_size=12).map(str.encode))
def test_escapes_are_decoded_as_urllib_does(value: bytes) -> None:
    assert percent_decode(value) == unquote_to_bytes(value)
