"""Addresses, host names, paths and versions as a site file may write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

__all__ = [
    "ListenAddress",
    "ServerAddress",
    "absolute_path",
    "application",
    "control",
    "hostname",
    "network",
    "peer",
    "proxy_version",
]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LONGEST_SOCKET_PATH = 107  # sun_path holds 108 with its NUL


def hostname(value: object) -> str:
    """Read a host name; a leading `*.` stands for one label."""
    text = _text(value, "a host name").lower()
    if not text.isascii():
        raise ValueError("a host name is ASCII; write an international name in its xn-- form")
    if ":" in text or "/" in text:
        raise ValueError("a host name has no scheme, port or path; the port belongs to the listener")
    labels = text.removeprefix("*.").split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name: letters, digits and '-' in labels joined by '.', such as shop.example")
    return text


def absolute_path(value: object) -> str:
    """Read the path of a file; relative paths depend on who reads the file, so they are refused."""
    text = _text(value, "a path")
    if not text.startswith("/") or text.endswith("/"):
        raise ValueError("a file's path begins with '/' and does not end with it")
    return text


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


def proxy_version(value: object) -> str:
    """Read a proxy's version, or `auto`."""
    if not isinstance(value, str):
        raise ValueError('a version is text; write it in quotes, such as "2.11.7"')
    if value != "auto" and not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}", value, re.ASCII):
        raise ValueError('a version is up to three numbers, such as "2.11.7", or auto')
    return value


def application(value: object) -> str:
    """Read `module:attribute`."""
    text = _text(value, "an application")
    module, colon, attribute = text.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        raise ValueError("an application is module:attribute, such as shop.asgi:app")
    return text


def network(value: object) -> str:
    """Read an address or a network in CIDR notation."""
    text = _text(value, "a network")
    try:
        return str(ip_network(text) if "/" in text else _unscoped(text))
    except ValueError:
        raise ValueError("not an address or network, such as 10.0.0.0/8 (host bits zero) or 192.0.2.7") from None


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
        return cls(str(_unscoped(host)) if _is_ip(host) else hostname(host), port)

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
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is text")
    return value


def _host_port(text: str) -> tuple[str, int]:
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
