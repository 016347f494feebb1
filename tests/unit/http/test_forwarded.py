"""One entry of X-Forwarded-For: the grammar by table, and against `ipaddress` by property."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appserver.http.forwarded import Hop

BLANKS = b" \t"


def parse(entry: bytes) -> tuple[str, int] | None:
    """The entry alone in its list."""
    hop = Hop()
    return hop.address() if hop.parse(entry, 0, len(entry)) else None


def oracle(entry: bytes) -> tuple[IPv4Address | IPv6Address, int] | None:
    """What `ipaddress` makes of the entry."""
    text = entry.strip(BLANKS).decode("latin-1")
    port = ""
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in text or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65_536):
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return address, int(port or 0)


def expected(entry: bytes) -> tuple[str, int] | None:
    known = oracle(entry)
    return None if known is None else (str(known[0]), known[1])


ENTRIES: list[tuple[bytes, tuple[str, int] | None]] = [
    (b"1.2.3.4", ("1.2.3.4", 0)),
    (b"1.2.3.4:80", ("1.2.3.4", 80)),
    (b"1.2.3.4:65535", ("1.2.3.4", 65535)),
    (b"127.0.0.1", ("127.0.0.1", 0)),
    (b"::1", ("::1", 0)),
    (b"[::1]", ("::1", 0)),
    (b"[::1]:443", ("::1", 443)),
    (b"2001:DB8::1", ("2001:db8::1", 0)),
    (b"::ffff:1.2.3.4", ("1.2.3.4", 0)),
    (b"::ffff:102:304", ("1.2.3.4", 0)),
    (b"::1.2.3.4", ("::102:304", 0)),
    (b"::fffe:1.2.3.4", ("::fffe:102:304", 0)),
    (b"1:2:3:4:5:6:1.2.3.4", ("1:2:3:4:5:6:102:304", 0)),
    (b"1:2:3:4:5:6:7:8", ("1:2:3:4:5:6:7:8", 0)),
    (b"1:2:3:4:5:6:7::", ("1:2:3:4:5:6:7:0", 0)),
    (b"::2:3:4:5:6:7:8", ("0:2:3:4:5:6:7:8", 0)),
    (b"1:0:0:4:0:0:7:8", ("1::4:0:0:7:8", 0)),
    (b"1:0:0:4:0:0:0:8", ("1:0:0:4::8", 0)),
    (b"::", ("::", 0)),
    (b"[::]", ("::", 0)),
    (b"1::", ("1::", 0)),
    (b"1.2.3.4:", ("1.2.3.4", 0)),
    (b"1.2.3.4:00080", ("1.2.3.4", 80)),
    (b" \t1.2.3.4\t ", ("1.2.3.4", 0)),
    (b"[::ffff:1.2.3.4]:80", ("1.2.3.4", 80)),
    (b"", None),
    (b"unknown", None),
    (b"_obf", None),
    (b"_hidden:80", None),
    (b"localhost", None),
    (b"1.2.3.4.5", None),
    (b"1.2.3", None),
    (b"1.2.3.", None),
    (b".1.2.3", None),
    (b"1..2.3", None),
    (b"1.2.3.4.", None),
    (b"1.2.3.0004", None),
    (b"1:2:3:4:5:6:7", None),
    (b"1:2:3:4:5:6:7:8:9", None),
    (b"1::2:3:4:5:6:7:8", None),
    (b"1::2::3", None),
    (b":::", None),
    (b":1::2", None),
    (b"1::2:", None),
    (b"12345::", None),
    (b"::g", None),
    (b"1.2.3.4::", None),
    (b"::1.2.3.4:5", None),
    (b"::ffff:1.2.3.256", None),
    (b"::ffff:01.2.3.4", None),
    (b"1:2:3:4:5:6:7:1.2.3.4", None),
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


@pytest.mark.parametrize(("entry", "address"), ENTRIES)
def test_an_entry(entry: bytes, address: tuple[str, int] | None) -> None:
    assert parse(entry) == address
    assert expected(entry) == address


# Near the grammar: what it is made of, its own words with something changed, and anything.
PIECES = st.sampled_from(
    [b"0", b"00", b"1", b"25", b"255", b"256", b"ffff", b"FFFE", b"abcde", b"g", b".", b":", b"::", b"[", b"]", b"%", b"%eth0",
     b"1.2.3.4", b"::1", b"2001:db8::1", b":80", b"]:443", b":65535", b":65536", b" ", b"\t", b",", b"/", b"\xb2", b"\0"]
)  # fmt: skip
WORDS = st.one_of(
    st.ip_addresses().map(lambda address: str(address).encode()),
    st.ip_addresses(v=6).map(lambda address: address.exploded.encode()),
    st.ip_addresses(v=4).map(lambda address: b"::ffff:" + str(address).encode()),
)
CHANGED = st.builds(
    lambda word, at, piece, cut: word[: at % (len(word) + 1)] + piece + word[at % (len(word) + 1) + cut :],
    WORDS,
    st.integers(0, 50),
    PIECES,
    st.integers(0, 3),
)
NEAR = st.one_of(st.lists(PIECES, max_size=9).map(b"".join), CHANGED, st.text("0123456789abcdef.:[]%, ", max_size=40).map(str.encode))


@given(NEAR | st.binary(max_size=50))
@example(b"[" * 50)
@example(b"1" * 5000)
@example(b":" * 5000)
def test_ipaddress_reads_the_same(entry: bytes) -> None:
    assert parse(entry) == expected(entry)


@given(st.ip_addresses(), st.integers(0, 65_535))
def test_every_address_is_read_in_all_its_spellings(address: IPv4Address | IPv6Address, port: int) -> None:
    canonical = str(getattr(address, "ipv4_mapped", None) or address)
    for text in (str(address), address.exploded, str(address).upper()):
        host = f"[{text}]" if ":" in text else text

        assert parse(text.encode()) == (canonical, 0)
        assert parse(f"{host}:{port}".encode()) == (canonical, port)


@given(st.integers(0, 2**128 - 1), st.integers(0, 255))
def test_every_run_of_zeros_is_spelled_as_ipaddress_spells_it(number: int, zeros: int) -> None:
    for group in range(8):
        if zeros >> group & 1:
            number &= ~(0xFFFF << 16 * group)
    address = IPv6Address(number)

    assert parse(address.exploded.encode()) == (str(address.ipv4_mapped or address), 0)


@given(NEAR, st.binary(max_size=5), st.binary(max_size=5))
def test_an_entry_ends_where_it_ends(entry: bytes, before: bytes, behind: bytes) -> None:
    hop = Hop()
    is_address = hop.parse(before + entry + behind, len(before), len(before) + len(entry))

    assert (hop.address() if is_address else None) == expected(entry)


@given(NEAR)
def test_nothing_is_left_of_the_entry_before(entry: bytes) -> None:
    hop = Hop()
    for before in (b"[2001:db8::1]:443", b"192.0.2.1:80", b"::ffff:102:304"):
        hop.parse(before, 0, len(before))

        assert (hop.address() if hop.parse(entry, 0, len(entry)) else None) == expected(entry)
