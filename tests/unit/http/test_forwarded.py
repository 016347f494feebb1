"""X-Forwarded-For and X-Forwarded-Proto: the grammar, by table and by property."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appserver.http.forwarded import MOST_HOPS, hops, parse_hop, scheme


def xff(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value) for value in values]


# The list


@pytest.mark.parametrize(
    ("lines", "nearest_first"),
    [
        ([], [b""]),
        ([b"a"], [b"a"]),
        ([b"a, b"], [b"b", b"a"]),
        ([b"a,b\t,  c"], [b"c", b"b", b"a"]),
        ([b"a, b", b"c"], [b"c", b"b", b"a"]),
        ([b", ,"], [b"", b"", b""]),
        ([b"a", b"", b"b"], [b"b", b"", b"a"]),
    ],
)
def test_lines_are_joined_in_order(lines: list[bytes], nearest_first: list[bytes]) -> None:
    assert hops(xff(*lines)) == nearest_first


def test_other_fields_are_not_looked_at() -> None:
    fields = [(b"x-forwarded-for-", b"x"), (b"x_forwarded_for", b"y"), *xff(b"a"), (b"forwarded", b"for=b")]

    assert hops(fields) == [b"a"]


def test_ten_thousand_hops_are_a_hundred() -> None:
    entries = [b"10.0.%d.%d" % divmod(number, 256) for number in range(10_000)]

    assert hops(xff(b",".join(entries))) == entries[: -MOST_HOPS - 1 : -1]
    assert len(hops(xff(*entries))) == MOST_HOPS


# One entry

HOPS: list[tuple[bytes, tuple[str, int] | None]] = [
    (b"1.2.3.4", ("1.2.3.4", 0)),
    (b"1.2.3.4:80", ("1.2.3.4", 80)),
    (b"1.2.3.4:65535", ("1.2.3.4", 65535)),
    (b"127.0.0.1", ("127.0.0.1", 0)),
    (b"::1", ("::1", 0)),
    (b"[::1]", ("::1", 0)),
    (b"[::1]:443", ("::1", 443)),
    (b"2001:DB8::1", ("2001:db8::1", 0)),
    (b"::ffff:1.2.3.4", ("1.2.3.4", 0)),
    (b"[::ffff:1.2.3.4]:80", ("1.2.3.4", 80)),
    (b"", None),
    (b"unknown", None),
    (b"_obf", None),
    (b"_hidden:80", None),
    (b"localhost", None),
    (b"1.2.3.4.5", None),
    (b"1.2.3", None),
    (b"0177.0.0.1", None),
    (b"0x7f.0.0.1", None),
    (b"2130706433", None),
    (b"256.1.1.1", None),
    (b"1.2.3.4/32", None),
    (b"1.2.3.4 5.6.7.8", None),
    (b"1.2.3.4:65536", None),
    (b"1.2.3.4:-1", None),
    (b"1.2.3.4:+1", None),
    (b"1.2.3.4:8 0", None),
    (b"1.2.3.4:\xb2", None),
    (b"1.2.3.4:080808", None),
    (b"1.2.3.4:80:80", None),
    (b"[1.2.3.4]:80", None),
    (b"[::1", None),
    (b"::1]", None),
    (b"[::1]443", None),
    (b"[::1]:443:1", None),
    (b"[]", None),
    (b"fe80::1%eth0", None),
    (b"[fe80::1%25eth0]:80", None),
    (b'"1.2.3.4"', None),
    (b"for=1.2.3.4", None),
    (b"1.2.3.4\0", None),
    (b"1.2.3.4\r\n", None),
    ("١.2.3.4".encode(), None),
    (b"\xff\xfe", None),
    (b":", None),
    (b":80", None),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "expected"), HOPS)
def test_one_hop(entry: bytes, expected: tuple[str, int] | None) -> None:
    hop = parse_hop(entry)

    assert (hop and (str(hop[0]), hop[1])) == expected


@given(st.binary(max_size=50) | st.text("0123456789abcdef.:[]%, ", max_size=30).map(str.encode))
@example(b"[" * 50)
@example(b"1" * 5000)
def test_no_entry_is_too_strange(entry: bytes) -> None:
    hop = parse_hop(entry)
    if hop is not None:
        assert ip_address(str(hop[0])) == hop[0]
        assert 0 <= hop[1] < 65_536


@given(st.ip_addresses(), st.integers(0, 65_535))
def test_every_address_is_read_in_all_its_spellings(address: object, port: int) -> None:
    text = str(address).encode()
    host = b"[%s]" % text if b":" in text else text
    bare, ported = parse_hop(text), parse_hop(b"%s:%d" % (host, port))

    assert bare is not None
    assert ported == (bare[0], port)
    assert bare[1] == 0
    assert bare[0] == (getattr(address, "ipv4_mapped", None) or address)


# The scheme


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([b"http"], "http"),
        ([b"https"], "https"),
        ([b"HTTPS"], "https"),
        ([b"HTTPS "], None),
        ([b"https,http"], None),
        ([b"https", b"https"], None),
        ([b"javascript"], None),
        ([b"wss"], None),
        ([b""], None),
        ([b"http\0"], None),
        ([b"\xff"], None),
    ],
)
def test_the_scheme(values: list[bytes], expected: str | None) -> None:
    assert scheme([(b"x-forwarded-proto", value) for value in values]) == expected


@given(st.lists(st.tuples(st.sampled_from([b"x-forwarded-proto", b"x-forwarded-for", b"host"]), st.binary()), max_size=4))
def test_no_fields_are_too_strange(fields: list[tuple[bytes, bytes]]) -> None:
    assert scheme(fields) in (None, "http", "https")
    assert 1 <= len(hops(fields)) <= MOST_HOPS
