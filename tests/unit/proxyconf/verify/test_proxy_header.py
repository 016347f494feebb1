"""PROXY headers, versions 1 and 2: what they say, byte by byte, and what is none."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.verify.proxy_header import SIGNATURE, ProxyHeaderError, may_begin, read, write

V1 = b"PROXY TCP4 127.0.0.2 127.0.0.1 40000 443\r\n"


def v2(source: str, destination: str, ports: tuple[int, int], tlvs: bytes = b"", command: int = 0x21) -> bytes:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination) + struct.pack("!HH", *ports) + tlvs
    return SIGNATURE + struct.pack("!BBH", command, 0x21 if ":" in source else 0x11, len(body)) + body


def test_version_1() -> None:
    said = {"version": 1, "command": "PROXY", "family": "TCP4", "tlvs": {}, "source": "127.0.0.2", "source_port": 40000,
            "destination": "127.0.0.1", "destination_port": 443}  # fmt: skip
    assert read(V1 + b"GET / HTTP/1.1") == (said, len(V1))


@pytest.mark.parametrize(("source", "destination"), [("127.0.0.2", "127.0.0.1"), ("2001:db8::2", "2001:db8::1")])
def test_version_2(source: str, destination: str) -> None:
    found = read(v2(source, destination, (40000, 443), struct.pack("!BH", 0x02, 4) + b"name") + b"PRI")
    assert found is not None
    said, length = found
    assert (said["source"], said["source_port"], said["destination"]) == (source, 40000, destination)
    assert said["tlvs"] == {"0x02": b"name".hex()}
    assert length == len(v2(source, destination, (1, 1))) + 7


def test_a_health_check_of_the_proxy_itself_names_nobody() -> None:
    found = read(SIGNATURE + struct.pack("!BBH", 0x20, 0, 0))
    assert found == ({"version": 2, "command": "LOCAL", "tlvs": {}}, 16)


@given(st.integers(0, 200))
def test_a_header_in_two_pieces_is_the_same(at: int) -> None:
    for whole in (V1, v2("127.0.0.2", "127.0.0.1", (1, 2), b"\x02\x00\x01x")):
        piece = whole[: min(at, len(whole) - 1)]
        assert may_begin(piece)
        assert len(piece) < 6 or read(piece) is None


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_written_is_read_back(version: int) -> None:
    header = write(version, ("127.0.0.2", 40000), ("127.0.0.1", 443))
    assert version == 2 or header == V1
    found = read(header + b"rest")
    assert found is not None
    said, length = found
    assert (said["version"], said["source"], said["source_port"], length) == (version, "127.0.0.2", 40000, len(header))


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"\x16\x03\x01", b"PROXYX", b"\r\n\r\nGET"])
def test_what_begins_otherwise_is_none(data: bytes) -> None:
    assert not may_begin(data)


@pytest.mark.parametrize(
    "data",
    [
        SIGNATURE + struct.pack("!BBH", 0x11, 0x11, 0),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 3) + b"abc",
        b"PROXY TCP4 127.0.0.2\r\n",
        b"PROXY " + b"x" * 200,
    ],
)
def test_a_broken_header_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read(data)
