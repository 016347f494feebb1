"""Addresses and networks as a site file may write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address, ip_network

from proxyconf.spec.names import absolute_path, hostname

__all__ = ["ListenAddress", "ServerAddress", "control", "network", "peer"]

_LONGEST_SOCKET_PATH = 107  # sun_path holds 108 with its NUL


def network(value: object) -> str:
    """Read an address or a network in CIDR notation."""
    text = _text(value, "a network")
    try:
        found = ip_network(text) if "/" in text else _unscoped(text)
    except ValueError:
        raise ValueError("not an address or network, such as 10.0.0.0/8 (host bits zero) or 192.0.2.7") from None
    return _unmapped(str(found))


def _unmapped(text: str) -> str:
    """Return an IPv4 network that was written as IPv6 (::ffff:10.0.0.0/104) as what it is."""
    whole = ip_network(text)
    mapped = ip_network("::ffff:0:0/96")
    if not isinstance(whole, IPv6Network) or not whole.subnet_of(mapped):  # type: ignore[arg-type]  # both are version 6
        return text
    inner = ip_network((int(whole.network_address) & 0xFFFFFFFF, whole.prefixlen - 96))
    return str(inner) if "/" in text else str(inner.network_address)


def control(value: object) -> str:
    """Read where a control interface listens: `off`, or a unix socket."""
    if value == "off":
        return "off"
    text = _text(value, "a control interface")
    if not text.startswith("unix:"):
        raise ValueError(
            "a control interface is 'off' or unix:/PATH; over TCP everybody on the machine may reconfigure"
        )
    return str(ServerAddress.parse(text))


def peer(value: object) -> str:
    """Read an address, a network, or `unix` for whoever connects over a unix socket."""
    return "unix" if value == "unix" else network(value)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where the proxy listens; no host means every address of the machine, IPv4 and IPv6."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> ListenAddress:
        """Read `:443`, `[::]:443`, `192.0.2.7:443`."""
        if isinstance(value, cls):
            return value
        host, port = _host_port(_text(value, "an address"))
        if host in ("", "::"):
            return cls("", port)
        try:
            return cls(str(_unscoped(host)), port)
        except ValueError:
            raise ValueError("a listener needs an IP address and a port, such as [::]:443 or 127.0.0.1:8443") from None

    def __str__(self) -> str:
        """Print it the way it is written."""
        return _joined(self.host or "::", self.port)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where an upstream's server listens: a host and port, or a unix socket."""

    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, value: object) -> ServerAddress:
        """Read `127.0.0.1:8000`, `app:8000`, `[::1]:8000` or `unix:/run/app.sock`."""
        if isinstance(value, cls):
            return value
        text = _text(value, "an address")
        if text.startswith("unix:"):
            path = absolute_path(text.removeprefix("unix:"))
            if len(path.encode()) > _LONGEST_SOCKET_PATH:
                raise ValueError(f"the path of a unix socket has at most {_LONGEST_SOCKET_PATH} bytes")
            return cls("", 0, path)
        host, port = _host_port(text)
        if not host:
            raise ValueError("an address needs a host, such as 127.0.0.1:8000, or unix:/path")
        return cls(str(_unscoped(host)) if _is_ip(host) else hostname(host, server=True), port)

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return bool(self.path)

    @property
    def is_ip(self) -> bool:
        """Whether the host is an address and not a name."""
        return _is_ip(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it over TCP."""
        return self.host == "localhost" or (self.is_ip and ip_address(self.host).is_loopback)

    def __str__(self) -> str:
        """Print it the way it is written."""
        return f"unix:{self.path}" if self.path else _joined(self.host, self.port)


def _text(value: object, what: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 65535:
        raise ValueError(f'{what} is text; if {value} is meant as a port write ":{value}" or "127.0.0.1:{value}"')
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is text")
    return value


def _host_port(text: str) -> tuple[str, int]:
    if "://" in text:
        raise ValueError("an address has no scheme; write HOST:PORT, such as 127.0.0.1:8000")
    if "/" in text:
        raise ValueError("an address has no path; write HOST:PORT, such as 127.0.0.1:8000, or unix:/PATH for a socket")
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise ValueError("an address ends in a port from 1 to 65535, such as 127.0.0.1:8000")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        return host[1:-1], int(port)
    if ":" in host:
        raise ValueError("an IPv6 address stands in brackets, such as [::1]:8000")
    return host, int(port)


def _is_ip(text: str) -> bool:
    try:
        _unscoped(text)
    except ValueError:
        return False
    return True


def _unscoped(text: str) -> object:
    if "%" in text:
        raise ValueError("an address here has no scope")
    return ip_address(text)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
