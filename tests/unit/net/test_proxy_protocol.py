"""PROXY headers: each valid one in every split, each invalid one refused, and nothing of what follows is taken."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.net.crc32c import crc32c
from appserver.net.proxy_facts import ProxyFacts
from appserver.net.proxy_protocol import SIGNATURE, ProxyError, ProxyParser

BOTH = frozenset({1, 2})
MAX_SIZE = 4_096
REST = b"GET / HTTP/1.1\r\n"
V4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack("!HH", 1000, 443)
V6 = ipaddress.ip_address("2001:db8::1").packed + ipaddress.ip_address("::ffff:198.51.100.1").packed + V4[8:]
UNIX = b"/client".ljust(108, b"\0") + b"/server".ljust(108, b"\0")


def v2(payload: bytes = V4, family: int = 0x11, command: int = 0x21, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(payload) if length is None else length) + payload


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def with_crc(before: bytes, after: bytes = b"") -> bytes:
    header = v2(V4 + before + tlv(3, bytes(4)) + after)
    at = len(header) - len(after) - 4
    return header[:at] + struct.pack("!I", crc32c(header)) + header[at + 4 :]


def read(data: bytes, *cuts: int, versions: frozenset[int] = BOTH, max_size: int = MAX_SIZE) -> tuple[ProxyFacts | None, int]:
    """Return what the header says (None: it is not whole yet) and its length, with the bytes cut at these places."""
    parser = ProxyParser(versions, max_size)
    taken = 0
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        if parser.done:
            break
        taken += parser.feed(data[start:end])
        assert parser.done or taken == end, "bytes of the header were left"
    return parser.facts, taken


def verdict(data: bytes, *cuts: int) -> object:
    try:
        return read(data, *cuts)
    except ProxyError as error:
        return str(error)


SSL = bytes([7]) + struct.pack("!I", 0) + tlv(0x21, b"TLSv1.3") + tlv(0x22, "m\u00fcller".encode())
VALID = {
    b"PROXY TCP4 192.0.2.7 198.51.100.1 1000 443\r\n": (("192.0.2.7", 1000), ("198.51.100.1", 443)),
    b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n": (("0.0.0.0", 0), ("255.255.255.255", 65535)),
    b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n": (("2001:db8::1", 1), ("::1", 2)),
    b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n": (("192.0.2.7", 1), ("::1", 2)),
    b"PROXY TCP6 " + b" ".join([b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] * 2) + b" 65535 65535\r\n": (
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
    ),
    b"PROXY UNKNOWN\r\n": (None, None),
    b"PROXY UNKNOWN ffff::1 what ever 1 2\r\n": (None, None),
    b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n": (None, None),
    v2(): (("192.0.2.7", 1000), ("198.51.100.1", 443)),
    v2(V6, 0x21): (("2001:db8::1", 1000), ("198.51.100.1", 443)),
    v2(UNIX, 0x31): (None, None),
    v2(b"", 0x00): (None, None),
    v2(b"x" * 7, 0x00): (None, None),
    v2(b"", 0x11, 0x20): (None, None),
    v2(b"\xff" * 300, 0xFF, 0x20): (None, None),
    v2(V4 + tlv(0x20, SSL) + tlv(4, b"pad") + tlv(0xEA, b"\x01vpce-1")): (("192.0.2.7", 1000), ("198.51.100.1", 443)),
    v2(V4 + tlv(5, b"u" * 128) * 30): (("192.0.2.7", 1000), ("198.51.100.1", 443)),
    with_crc(tlv(1, b"h2"), tlv(2, b"a.example")): (("192.0.2.7", 1000), ("198.51.100.1", 443)),
}  # fmt: skip


@pytest.mark.parametrize("header", VALID, ids=range(len(VALID)))
def test_a_valid_header_in_every_split(header: bytes) -> None:
    facts, size = read(header + REST)

    assert size == len(header)
    assert facts is not None
    assert (facts.client, facts.server) == VALID[header]
    for cut in range(1, len(header) + 1):
        assert read(header + REST, cut) == (facts, size)
    assert read(header, *range(1, len(header))) == (facts, size)


INVALID = {
    # Version 1
    b"GET / HTTP/1.1\r\n\r\n": "no PROXY header",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": "no PROXY header",
    b"\x16\x03\x01\x02\x00": "no PROXY header",
    b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n": "no PROXY header",
    b"PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n": "no PROXY header",
    b"PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n": "byte that may not be there",
    b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n": "SOURCE DESTINATION PORT PORT",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n": "SOURCE DESTINATION PORT PORT",
    b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n": "SOURCE DESTINATION PORT PORT",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n": "SOURCE DESTINATION PORT PORT",
    b"PROXY \r\n": "SOURCE DESTINATION PORT PORT",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n": "byte that may not be there",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX": "byte that may not be there",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n": "a port",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 080 2\r\n": "a port",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 +80 2\r\n": "a port",
    b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n": "none of TCP4",
    b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n": "none of TCP4",
    b"PROXY TCP4 ::1 ::1 1 2\r\n": "none of TCP4",
    b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n": "none of TCP6",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n": "zone",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n": "more than 107 bytes",
    b"PROXY " + b"x" * 200: "more than 107 bytes",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 \xb2\r\n": "byte that may not be there",
    # Version 2
    SIGNATURE[:11] + b"X": "no PROXY header",
    v2(command=0x31): "unknown version or command",
    v2(command=0x22): "unknown version or command",
    v2(command=0x11): "unknown version or command",
    v2(family=0x13): "unknown family or transport",
    v2(family=0x41): "unknown family or transport",
    v2(family=0x12): "datagrams",
    v2(V6, family=0x22): "datagrams",
    v2(UNIX, family=0x32): "datagrams",
    v2(family=0x10): "datagrams",
    v2(b""): "too short for tcp4 addresses",
    v2(V4[:11]): "too short for tcp4 addresses",
    v2(V6[:35], 0x21): "too short for tcp6 addresses",
    v2(UNIX[:215], 0x31): "too short for unix addresses",
    v2(length=65_535): "and limit.proxy_header is 4096",
    v2(V4 + bytes(4_069)): "and limit.proxy_header is 4096",
    v2(V4 + b"\0"): "goes beyond its end",
    v2(V4 + b"\0\0"): "goes beyond its end",
    v2(V4 + tlv(2, b"a") + b"\x01"): "goes beyond its end",
    v2(V4 + b"\x02\0\x05abcd"): "goes beyond its end",
    v2(V4 + tlv(0x20, b"\x01\0\0\0")): "SSL TLV that is too short",
    v2(V4 + tlv(0x20, SSL + b"\x21\0\x09x")): "goes beyond its end",
    v2(V4 + tlv(0x20, SSL[:5] + tlv(0x22, b"\xff"))): "not UTF-8",
    v2(V4 + tlv(2, b"\xff")): "not UTF-8",
    v2(V4 + tlv(5, b"u" * 129)): "unique id of 129 bytes",
    v2(V4 + tlv(3, b"\0\0\0")): "CRC32C that is not of four bytes",
    v2(V4 + tlv(3, b"abcd")): "CRC32C is wrong",
    with_crc(b"", tlv(2, b"a"))[:-1] + b"b": "CRC32C is wrong",
    with_crc(b"", tlv(3, bytes(4))): "two of them",
}  # fmt: skip


@pytest.mark.parametrize("header", INVALID, ids=range(len(INVALID)))
def test_an_invalid_header_is_refused_in_every_split(header: bytes) -> None:
    with pytest.raises(ProxyError) as caught:
        read(header + REST)

    assert INVALID[header] in str(caught.value)
    for cut in range(1, len(header)):
        assert verdict(header + REST, cut) == str(caught.value)
    assert verdict(header + REST, *range(1, len(header))) == str(caught.value)


@pytest.mark.parametrize("header", VALID, ids=range(len(VALID)))
def test_a_truncated_header_is_not_whole(header: bytes) -> None:
    assert [read(header[:size]) for size in range(len(header))] == [(None, size) for size in range(len(header))]


def test_a_version_that_is_not_taken() -> None:
    line = next(iter(VALID))
    for header, version in ((line, 2), (v2(), 1)):
        with pytest.raises(ProxyError, match=r"no PROXY header \(of version"):
            read(header, versions=frozenset({version}))
        assert read(header, versions=frozenset({3 - version}))[1] == len(header)


def test_every_tlv() -> None:
    ssl = SSL + tlv(0x23, b"TLS_AES_128_GCM_SHA256") + tlv(0x24, b"SHA256") + tlv(0x25, b"RSA2048")
    ssl += tlv(0x26, b"x25519") + tlv(0x27, b"rsa_pss_rsae_sha256") + tlv(0x28, b"DER") + tlv(0x22, b"second")
    given = [(1, b"h2"), (2, b"a.example"), (5, b"\0id"), (0x20, ssl), (0x30, b"blue"), (0xE4, b"own"), (2, b"b.example")]
    facts, _ = read(v2(V4 + b"".join(tlv(kind, value) for kind, value in given)))

    assert facts is not None
    assert facts.is_tls
    assert facts.extension() == {
        "version": 2, "command": "PROXY", "family": "tcp4", "client": ("192.0.2.7", 1000), "server": ("198.51.100.1", 443),
        "alpn": b"h2", "authority": "a.example", "unique_id": b"\0id", "netns": "blue", "tlvs": given,
        "ssl": {
            "tls": True, "client_cert": True, "client_cert_verified": True, "verify": 0, "version": "TLSv1.3",
            "cipher": "TLS_AES_128_GCM_SHA256", "common_name": "m\u00fcller", "signature_algorithm": "SHA256",
            "key_algorithm": "RSA2048", "group": "x25519", "signature_scheme": "rsa_pss_rsae_sha256", "certificate": b"DER",
        },
    }  # fmt: skip


def test_each_request_has_an_extension_of_its_own() -> None:
    facts, _ = read(v2(V4 + tlv(1, b"h2") + tlv(0x20, SSL)))
    assert facts is not None
    whole = facts.extension()
    spoilt = facts.extension()
    spoilt["ssl"].clear()
    spoilt["tlvs"].clear()
    spoilt.clear()

    assert facts.extension() == whole
    assert whole["ssl"]["version"] == "TLSv1.3"


def test_a_certificate_that_was_not_presented_or_not_in_order_is_not_verified() -> None:
    for flags, verify, verified in [(1, 0, False), (3, 0, True), (5, 0, True), (3, 10, False), (0, 0, False)]:
        facts, _ = read(v2(V4 + tlv(0x20, bytes([flags]) + struct.pack("!I", verify))))

        assert facts is not None
        assert facts.tlvs.tls is not None
        assert (facts.tlvs.tls.verified, facts.is_tls) == (verified, bool(flags & 1))


def test_a_thousand_tlvs() -> None:
    facts, _ = read(v2(V4 + tlv(0xE0, b"") * 1_000))

    assert facts is not None
    assert len(facts.tlvs.raw) == 1_000


def test_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 B.4


# Properties

ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


@given(st.data(), st.sampled_from([4, 6]), st.integers(0, 65_535), st.integers(0, 65_535), st.binary(max_size=20))
def test_what_a_proxy_writes_is_read(data: st.DataObject, family: int, source: int, target: int, rest: bytes) -> None:
    ends = [data.draw(st.ip_addresses(v=4 if family == 4 else 6)) for _ in range(2)]
    line = f"PROXY TCP{family} {ends[0]} {ends[1]} {source} {target}\r\n".encode()
    packed = ends[0].packed + ends[1].packed + struct.pack("!HH", source, target)
    binary = v2(packed, 0x11 if family == 4 else 0x21)

    first, second = read(line + rest), read(binary + rest)

    assert (first[1], second[1]) == (len(line), len(binary))
    assert first[0] is not None
    assert second[0] is not None
    assert (first[0].client, first[0].server) == (second[0].client, second[0].server)
    assert first[0].client == (str(getattr(ends[0], "ipv4_mapped", None) or ends[0]), source)


@st.composite
def nearly_headers(draw: st.DrawFn) -> bytes:
    """Valid headers with a few bytes changed, and noise."""
    header = bytearray(draw(st.sampled_from([*VALID, *INVALID])))
    for _ in range(draw(st.integers(0, 3))):
        header[draw(st.integers(0, len(header) - 1))] = draw(st.integers(0, 255))
    return bytes(header) + draw(st.binary(max_size=30))


@given(nearly_headers() | st.binary(max_size=60), st.data())
def test_any_bytes_have_one_verdict_however_they_come(data: bytes, drawn: st.DataObject) -> None:
    cuts = sorted(drawn.draw(st.sets(st.integers(1, len(data) - 1), max_size=6))) if len(data) > 1 else []

    assert verdict(data, *cuts) == verdict(data)
