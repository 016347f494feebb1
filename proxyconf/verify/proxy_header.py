"""The PROXY protocol header, versions 1 and 2, read for what it says.

Source: the PROXY protocol specification of HAProxy, sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

__all__ = ["LINE", "SIGNATURE", "ProxyHeaderError", "may_begin", "read", "write"]

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY "
LONGEST_LINE = 107
FAMILIES = {0x11: ("TCP4", 4), 0x12: ("UDP4", 4), 0x21: ("TCP6", 16), 0x22: ("UDP6", 16)}


class ProxyHeaderError(ValueError):
    """The bytes begin as a PROXY header and are none."""


def may_begin(data: bytes) -> bool:
    """Whether `data` is, or may become, a PROXY header."""
    return any(mark.startswith(data[: len(mark)]) for mark in (SIGNATURE, LINE))


def read(data: bytes) -> tuple[dict[str, Any], int] | None:
    """Return what the header says and its length; None while more is needed."""
    if data.startswith(LINE):
        return _read_line(data)
    if len(data) < 16:
        return None
    command, family, length = struct.unpack("!BBH", data[12:16])
    if len(data) < 16 + length:
        return None
    if command >> 4 != 2 or command & 15 > 1:
        raise ProxyHeaderError(f"version and command {command:#04x}")
    said: dict[str, Any] = {"version": 2, "command": ("LOCAL", "PROXY")[command & 15]}
    name, size = FAMILIES.get(family, ("UNSPEC", 0))
    body = data[16 : 16 + length]
    at = 2 * size + 4 if size else 0
    if size:
        if length < at:
            raise ProxyHeaderError(f"{length} bytes are too few for {name}")
        source, destination = (str(ipaddress.ip_address(body[i * size : i * size + size])) for i in (0, 1))
        ports = struct.unpack("!HH", body[2 * size : at])
        said |= {"family": name, "source": source, "source_port": ports[0]}
        said |= {"destination": destination, "destination_port": ports[1]}
    said["tlvs"] = _tlvs(body[at:]) if size else {}
    return said, 16 + length


def write(version: int, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """Return the header of a connection over IPv4."""
    if version == 1:
        return f"PROXY TCP4 {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode()
    addresses = b"".join(ipaddress.IPv4Address(host).packed for host, _ in (source, destination))
    body = addresses + struct.pack("!HH", source[1], destination[1])
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11, len(body)) + body


def _tlvs(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    while len(data) >= 3:
        kind, length = struct.unpack("!BH", data[:3])
        found[f"{kind:#04x}"] = data[3 : 3 + length].hex()
        data = data[3 + length :]
    return found


def _read_line(data: bytes) -> tuple[dict[str, Any], int] | None:
    line, end, _ = data.partition(b"\r\n")
    if not end:
        if len(data) > LONGEST_LINE:
            raise ProxyHeaderError("a line without end")
        return None
    words = line.decode("latin-1").split(" ")
    said: dict[str, Any] = {"version": 1, "command": "PROXY", "family": words[1], "tlvs": {}}
    if words[1] in ("TCP4", "TCP6"):
        if len(words) != 6:
            raise ProxyHeaderError(line.decode("latin-1"))
        said |= {"source": words[2], "destination": words[3]}
        said |= {"source_port": int(words[4]), "destination_port": int(words[5])}
    return said, len(line) + 2
