r"""The PROXY protocol: bytes in, who the client is out. No I/O; any split of the bytes gives the same verdict.

    FIRST --"P"--> TEXT (version 1) --CR LF--> DONE
      \----CR----> FIXED (version 2: 16 bytes) --> PAYLOAD (as many as they say) --> DONE

haproxy.org, doc/proxy-protocol.txt. What is not wholly valid is an error: whoever is to send a header has sent none.
"""

from __future__ import annotations

import ipaddress
from enum import Enum

from appserver.net.proxy_facts import ProxyError, ProxyFacts, read_tlvs

__all__ = ["MAX_TEXT", "ProxyError", "ProxyParser"]

# Both versions' beginnings; the second is no beginning of HTTP or TLS.
TEXT = b"PROXY "
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_TEXT = 107  # section 2.1, CR LF included
FIXED_SIZE = 16
MAX_PORT_DIGITS = 5

LOCAL, PROXY = 0x20, 0x21
UNSPEC, INET, INET6, UNIX = 0, 1, 2, 3
STREAM, DATAGRAM = 1, 2
# Bytes of both addresses and ports, by family.
ADDRESSES = {INET: 12, INET6: 36, UNIX: 216}
FAMILIES = {UNSPEC: "unspecified", INET: "tcp4", INET6: "tcp6", UNIX: "unix"}


class Phase(Enum):
    """What is read next."""

    FIRST = "the first byte"
    TEXT = "the line of version 1"
    FIXED = "the 16 bytes of version 2"
    PAYLOAD = "the addresses and TLVs of version 2"
    DONE = "nothing"


class ProxyParser:
    """One header. `versions` are those that are taken, `max_size` its greatest length in bytes."""

    __slots__ = ("_buffer", "_max_size", "_phase", "_size", "_versions", "facts")

    def __init__(self, versions: frozenset[int], max_size: int) -> None:
        self._versions = versions
        self._max_size = max_size
        self._phase = Phase.FIRST
        self._buffer = bytearray()
        self._size = FIXED_SIZE
        self.facts: ProxyFacts | None = None

    @property
    def done(self) -> bool:
        """Whether the header is whole; `facts` are what it says."""
        return self._phase is Phase.DONE

    def feed(self, data: bytes) -> int:
        """Return how many of the bytes belong to the header; the rest is the connection's. Raises ProxyError."""
        start = 0
        if self._phase is Phase.FIRST and data:
            self._begin(data[0])
        if self._phase is Phase.TEXT:
            return self._feed_text(data)
        while self._phase is not Phase.DONE and start < len(data):
            piece = data[start : start + self._size - len(self._buffer)]
            self._buffer += piece
            start += len(piece)
            if self._phase is Phase.FIXED:
                self._check_fixed()
            if len(self._buffer) == self._size:
                self._finish()
        return start

    def _begin(self, first: int) -> None:
        version = 1 if first == TEXT[0] else 2
        if first not in (TEXT[0], SIGNATURE[0]) or version not in self._versions:
            raise ProxyError("no PROXY header" + (f" (of version {version})" if first in (TEXT[0], SIGNATURE[0]) else ""))
        self._phase = Phase.TEXT if version == 1 else Phase.FIXED

    # Version 1

    def _feed_text(self, data: bytes) -> int:
        buffer = self._buffer
        for index, byte in enumerate(data):
            buffer.append(byte)
            size = len(buffer)
            if size <= len(TEXT) and byte != TEXT[size - 1]:
                raise ProxyError("no PROXY header")
            if byte == 10 and size > 1 and buffer[-2] == 13:
                self.facts = _read_line(bytes(buffer[:-2]))
                self._phase = Phase.DONE
                return index + 1
            if (byte < 32 and byte != 13) or byte > 126 or (size > 1 and buffer[-2] == 13):
                raise ProxyError("a PROXY header with a byte that may not be there")
            if size == MAX_TEXT:
                raise ProxyError(f"a PROXY header of more than {MAX_TEXT} bytes")
        return len(data)

    # Version 2

    def _check_fixed(self) -> None:
        """Judge as early as the bytes allow, and the same whatever came with them."""
        buffer = self._buffer
        if not SIGNATURE.startswith(buffer[:12]):
            raise ProxyError("no PROXY header")
        if len(buffer) > 12 and buffer[12] not in (LOCAL, PROXY):
            raise ProxyError(f"a PROXY header of unknown version or command {buffer[12]:#04x}")
        if len(buffer) > 13 and buffer[12] == PROXY:
            _check_family(buffer[13])
        if len(buffer) == FIXED_SIZE:
            self._size = FIXED_SIZE + int.from_bytes(buffer[14:16], "big")
            if self._size > self._max_size:
                raise ProxyError(f"a PROXY header of {self._size} bytes, and limit.proxy_header is {self._max_size}")
            self._phase = Phase.PAYLOAD

    def _finish(self) -> None:
        header = bytes(self._buffer)
        self.facts = _read_binary(header)
        self._phase = Phase.DONE


def _read_line(line: bytes) -> ProxyFacts:
    words = line.decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyFacts(1, "PROXY", FAMILIES[UNSPEC])
    if words[1] not in ("TCP4", "TCP6") or len(words) != 6:
        raise ProxyError("a PROXY header that is not PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT")
    source, destination = _address(words[1], words[2]), _address(words[1], words[3])
    return ProxyFacts(1, "PROXY", words[1].lower(), (source, _port(words[4])), (destination, _port(words[5])))


def _address(family: str, text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text) if family == "TCP4" else ipaddress.IPv6Address(text)
    except ValueError:
        raise ProxyError(f"a PROXY header with an address that is none of {family}") from None
    if "%" in text:
        raise ProxyError("a PROXY header with the zone of an address")
    return _plain(address)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _port(text: str) -> int:
    if not (text.isdecimal() and len(text) <= MAX_PORT_DIGITS and int(text) < 65_536 and str(int(text)) == text):
        raise ProxyError("a PROXY header with a port that is no number from 0 to 65535")
    return int(text)


def _check_family(byte: int) -> None:
    family, transport = byte >> 4, byte & 15
    if family not in FAMILIES or transport > DATAGRAM:
        raise ProxyError(f"a PROXY header of unknown family or transport {byte:#04x}")
    if family != UNSPEC and transport != STREAM:
        raise ProxyError("a PROXY header of datagrams, on a stream")


def _read_binary(header: bytes) -> ProxyFacts:
    if header[12] == LOCAL:
        # The proxy's own connection, a health check say; what follows is to be skipped (section 2.2).
        return ProxyFacts(2, "LOCAL", FAMILIES[UNSPEC])
    family = header[13] >> 4
    if family == UNSPEC:
        return ProxyFacts(2, "PROXY", FAMILIES[UNSPEC])
    end = FIXED_SIZE + ADDRESSES[family]
    if len(header) < end:
        raise ProxyError(f"a PROXY header that is too short for {FAMILIES[family]} addresses")
    tlvs = read_tlvs(header, end)
    if family == UNIX:
        return ProxyFacts(2, "PROXY", FAMILIES[family], tlvs=tlvs)
    width = 4 if family == INET else 16
    ends = (header[16 : 16 + width], header[16 + width : 16 + 2 * width])
    source, destination = (_plain(ipaddress.ip_address(packed)) for packed in ends)
    source_port, destination_port = (int.from_bytes(header[at : at + 2], "big") for at in (end - 4, end - 2))
    return ProxyFacts(2, "PROXY", FAMILIES[family], (source, source_port), (destination, destination_port), tlvs)
