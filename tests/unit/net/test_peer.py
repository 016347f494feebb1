"""Who the client is: the walk from our side through the proxies that are trusted, to the first that is not."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.values import BadValue
from appserver.net.peer import TrustList

PROXIES = ("10.0.0.0/8", "2001:db8::/32")


def client(trust: tuple[str, ...], *lines: bytes) -> tuple[str, int] | None:
    return TrustList(trust).resolve(b",".join(lines))


# Which peers are believed


@pytest.mark.parametrize(
    ("trust", "host", "believed"),
    [
        ((), "127.0.0.1", False),
        ((), None, False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("127.0.0.1",), "127.0.0.2", False),
        (("127.0.0.1",), "::1", False),
        (("127.0.0.1",), "::ffff:127.0.0.1", True),
        (("::1",), "::1", True),
        (("10.0.0.0/8",), "10.255.255.255", True),
        (("10.0.0.0/8",), "11.0.0.0", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("2001:db8::/32",), "2001:db8:ffff::1", True),
        (("unix",), None, True),
        (("unix",), "127.0.0.1", False),
        (("127.0.0.1",), None, False),
        (("*",), "192.0.2.1", True),
        (("*",), "2001:db8::1", True),
        (("*",), None, True),
        (("127.0.0.1",), "not an address", False),
        (("127.0.0.1",), "", False),
    ],
)
def test_which_peer_may_speak_for_the_client(trust: tuple[str, ...], host: str | None, believed: bool) -> None:
    trusts = TrustList(trust)

    assert (trusts.for_peer(host) is trusts) is believed


Address = IPv4Address | IPv6Address


@given(st.ip_addresses(), st.integers(0, 128), st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_a_network_is_what_ipaddress_says(address: Address, prefix: int, bits: int, kept: int) -> None:
    size = address.max_prefixlen
    prefix, kept = min(prefix, size), min(kept, size)
    network = ip_network((address, prefix), strict=False)
    # Another address, equal to the network's in its first `kept` bits.
    near = type(address)(int(address) & ~(2 ** (size - kept) - 1) | bits % 2 ** (size - kept))
    plain = getattr(near, "ipv4_mapped", None) or near
    mapped = IPv6Address(0xFFFF << 32 | int(plain)) if plain.version == 4 else plain
    trusts = TrustList([str(network)])
    expected = plain in network or (mapped in network and network.prefixlen >= 96)

    assert (trusts.for_peer(str(near)) is trusts) is expected
    assert (trusts.for_peer(str(mapped)) is trusts) is expected
    # The same by the walk: whoever is trusted hands on to the next hop.
    assert trusts.resolve(b"192.0.2.77," + str(near).encode()) == (("192.0.2.77", 0) if expected else (str(plain), 0))


def test_a_mapped_network_is_the_ipv4_network_that_it_maps() -> None:
    trusts = TrustList(["::ffff:10.0.0.0/104"])

    assert trusts.for_peer("10.255.0.1") is trusts
    assert trusts.for_peer("::ffff:10.255.0.1") is trusts
    assert trusts.for_peer("11.0.0.1") is None


@pytest.mark.parametrize("entry", ["localhost", "", "10.0.0.1/8", "300.0.0.1", "**"])
def test_a_trust_list_is_checked_when_it_is_made(entry: str) -> None:
    with pytest.raises(BadValue):
        TrustList([entry])


# Whom they speak for


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        ([b"a", b"", b"203.0.113.9"], ("203.0.113.9", 0)),
        ([b"203.0.113.9", b""], None),
        ([b"203.0.113.9,10.0.0.1\t,  10.0.0.2"], ("203.0.113.9", 0)),
        ([b"203.0.113.9"], ("203.0.113.9", 0)),
        ([b"203.0.113.9:1234"], ("203.0.113.9", 1234)),
        ([b"[2001:db9::9]:443"], ("2001:db9::9", 443)),
        # The rightmost that is not trusted: what is left of it, the client may have written itself.
        ([b"198.51.100.1, 203.0.113.9"], ("203.0.113.9", 0)),
        ([b"203.0.113.9, 10.0.0.1"], ("203.0.113.9", 0)),
        ([b"203.0.113.9, 10.0.0.2, 10.0.0.1"], ("203.0.113.9", 0)),
        ([b"127.0.0.1, 203.0.113.9, 10.0.0.1"], ("203.0.113.9", 0)),
        ([b"10.6.6.6, 203.0.113.9"], ("203.0.113.9", 0)),
        # All of them ours: the farthest.
        ([b"10.0.0.2, 10.0.0.1"], ("10.0.0.2", 0)),
        # Two lines are one list.
        ([b"198.51.100.1", b"203.0.113.9"], ("203.0.113.9", 0)),
        ([b"203.0.113.9", b"10.0.0.1"], ("203.0.113.9", 0)),
        # A mapped address is the IPv4 address it maps.
        ([b"203.0.113.9, ::ffff:10.0.0.1"], ("203.0.113.9", 0)),
        ([b"::ffff:203.0.113.9"], ("203.0.113.9", 0)),
        # Something else ends the walk; what our own proxies said of it stays.
        ([b"203.0.113.9, unknown"], None),
        ([b"203.0.113.9, unknown, 10.0.0.1"], ("10.0.0.1", 0)),
        ([b"203.0.113.9, _obf, 10.0.0.2, 10.0.0.1"], ("10.0.0.2", 0)),
        ([b"203.0.113.9,"], None),
        ([b", ,"], None),
        ([b"203.0.113.9\0"], None),
        ([b"0177.0.0.1"], None),
        ([b"\xc3\xa9"], None),
    ],
)
def test_the_walk(lines: list[bytes], expected: tuple[str, int] | None) -> None:
    assert client(PROXIES, *lines) == expected


def test_a_hundred_hops_are_walked_and_no_more() -> None:
    assert client(PROXIES, b"203.0.113.9, " + b", ".join([b"10.0.0.1"] * 99)) == ("203.0.113.9", 0)
    assert client(PROXIES, b"203.0.113.9, " + b", ".join([b"10.0.0.1"] * 100)) == ("10.0.0.1", 0)
    assert client(PROXIES, b"203.0.113.9, " + b", ".join([b"10.0.0.1"] * 10_000)) == ("10.0.0.1", 0)


def test_everyone_trusted_is_the_farthest_hop() -> None:
    assert client(("*",), b"198.51.100.1, 203.0.113.9") == ("198.51.100.1", 0)


def test_a_unix_socket_speaks_for_whom_it_says() -> None:
    assert client(("unix",), b"198.51.100.1, 203.0.113.9") == ("203.0.113.9", 0)


ENTRIES = st.one_of(
    st.ip_addresses().map(lambda address: str(address).encode()),
    st.sampled_from([b"10.0.0.1", b"unknown", b"", b"::ffff:10.0.0.1", b"203.0.113.9:80", b"[2001:db8::1]:1"]),
    st.binary(max_size=12),
)


@given(st.lists(st.lists(ENTRIES, max_size=4).map(b", ".join), max_size=3), st.sampled_from([PROXIES, ("*",), ("unix",), ()]))
def test_no_fields_are_too_strange(lines: list[bytes], trust: tuple[str, ...]) -> None:
    found = client(trust, *lines)
    if found is not None:
        assert str(ip_address(found[0])) == found[0]
        assert 0 <= found[1] < 65_536


@given(st.lists(ENTRIES, max_size=4), st.ip_addresses(v=4).filter(lambda address: not str(address).startswith("10.")))
def test_a_client_cannot_choose_its_address(forged: list[bytes], real: object) -> None:
    sent = b", ".join([*forged, str(real).encode(), b"10.0.0.1"])

    assert client(PROXIES, sent) == (str(real), 0)
