"""The small languages inside of option values: applications, addresses, trusted peers, modes.

Owns the parsers that `checks` uses to judge a value and `net`, `apps` and `worker` use to read it.
Each raises `BadValue` with a reason that ends a sentence.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from dataclasses import dataclass

from appserver.config.values import BadValue, quoted

__all__ = [
    "Bind",
    "FdBind",
    "Network",
    "SystemdBind",
    "TcpBind",
    "UnixBind",
    "parse_app",
    "parse_bind",
    "parse_mode",
    "parse_owner",
    "parse_trust",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX_PATH_BYTES = 107  # sun_path of Linux without the closing NUL

_PORT = re.compile(r"[0-9]{1,5}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")
_MODE = re.compile(r"0?[0-7]{3}")
_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?")
_DESCRIPTOR = re.compile(r"[0-9]{1,6}")
# systemd.socket(5), FileDescriptorName=
_SYSTEMD_NAME = re.compile(r"[!-9;-~]{1,255}")


@dataclass(frozen=True, slots=True)
class TcpBind:
    """A TCP address to listen on; host "" is every interface, port 0 a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the spelling that `parse_bind` reads."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixBind:
    """A unix socket to listen on."""

    path: str

    def __str__(self) -> str:
        """Return the spelling that `parse_bind` reads."""
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class FdBind:
    """A socket that was opened before the process began, by its descriptor."""

    number: int

    def __str__(self) -> str:
        """Return the spelling that `parse_bind` reads."""
        return f"fd://{self.number}"


@dataclass(frozen=True, slots=True)
class SystemdBind:
    """The sockets that a service manager passes (sd_listen_fds(3)): those of one name, or "" for all."""

    name: str

    def __str__(self) -> str:
        """Return the spelling that `parse_bind` reads."""
        return f"systemd:{self.name}" if self.name else "systemd"


Bind = TcpBind | UnixBind | FdBind | SystemdBind


def parse_app(text: str) -> tuple[str, str]:
    """Split `module:attribute` into dotted names; the attribute may be missing ("")."""
    module, colon, attribute = text.partition(":")
    if "/" in module or module.endswith(".py"):
        guess = module.removeprefix("./").removesuffix(".py").strip("/").replace("/", ".")
        raise BadValue(f"{quoted(text)} names a file; write the module: {guess}:{attribute or 'app'}")
    if not _is_dotted(module):
        raise BadValue(f"{quoted(text)} is not MODULE:APP, such as main:app")
    if colon and not _is_dotted(attribute):
        raise BadValue(f"{quoted(text)} has no attribute name after the colon; write {module}:app")
    return module, attribute


def parse_bind(text: str) -> Bind:
    """Read HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH, fd://N, systemd or systemd:NAME."""
    if text.startswith("unix:"):
        return _unix(text.removeprefix("unix:"))
    if text.startswith("fd://"):
        return _descriptor(text)
    if text == "systemd" or text.startswith("systemd:"):
        return _systemd(text)
    if text.startswith("/"):
        raise BadValue(f"{quoted(text)} is a path; write unix:{text}")
    host, colon, port = text.rpartition(":")
    if not colon:
        raise BadValue(f"{quoted(text)} has no port; write {':' + text if _PORT.fullmatch(text) else text + ':8000'}")
    return TcpBind(_host(text, host), _port(text, port))


def parse_trust(text: str) -> Network | str:
    """Read an address or network, or return "unix" or "*" as they are."""
    if text in {"unix", "*"}:
        return text
    if "%" in text:
        raise BadValue(f"{quoted(text)} has a zone, which peers are compared without; write {text.partition('%')[0]}")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_network(text)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"{quoted(text)} is no address, no network, not 'unix' and not '*'") from None
    raise BadValue(f"{quoted(text)} has bits beyond its mask; the network is {network}")


def parse_mode(text: str) -> int:
    """Read octal permissions such as 0660."""
    if not _MODE.fullmatch(text):
        raise BadValue(f"{quoted(text)} is not an octal mode such as 0660")
    return int(text, 8)


def parse_owner(text: str) -> tuple[str, str]:
    """Split USER, USER:GROUP or :GROUP; "" is what is not given."""
    user, colon, group = text.partition(":")
    if any(part and not _OWNER.fullmatch(part) for part in (user, group)) or not (user or group) or (colon and not group):
        raise BadValue(f"{quoted(text)} is not USER, USER:GROUP or :GROUP")
    return user, group


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _unix(path: str) -> UnixBind:
    if not path:
        raise BadValue("'unix:' has no path; write unix:/run/app.sock")
    if path.startswith("@"):
        raise BadValue(f"{quoted('unix:' + path)}: abstract sockets are not offered; give a path")
    if len(path.encode()) > UNIX_PATH_BYTES:
        raise BadValue(f"{quoted('unix:' + path)} is longer than the {UNIX_PATH_BYTES} bytes a socket path may have")
    return UnixBind(path)


def _descriptor(text: str) -> FdBind:
    number = text.removeprefix("fd://")
    if not _DESCRIPTOR.fullmatch(number) or int(number) < 3:
        raise BadValue(f"{quoted(text)} is not a descriptor that was passed, such as fd://3")
    return FdBind(int(number))


def _systemd(text: str) -> SystemdBind:
    name = text.removeprefix("systemd").removeprefix(":")
    if _PORT.fullmatch(name):
        raise BadValue(f"{quoted(text)} could be a host and its port, or sockets of a service manager; name neither so")
    if text != "systemd" and not _SYSTEMD_NAME.fullmatch(name):
        raise BadValue(f"{quoted(text)} has no name; write systemd:NAME as FileDescriptorName= has it, or systemd for all")
    return SystemdBind(name)


def _host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return _ipv6(text, host[1:-1])
    if ":" in host:
        raise BadValue(f"{quoted(text)}: an IPv6 address goes in brackets, [::1]:8000")
    if host == "*":
        raise BadValue(f"{quoted(text)}: write :{text.rpartition(':')[2]} for every interface")
    if _DIGITS_AND_DOTS.fullmatch(host):
        return _ipv4(text, host)
    if host and not _HOST.fullmatch(host):
        raise BadValue(f"{quoted(text)}: {quoted(host)} is not a host name or address")
    return host


def _ipv4(text: str, host: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise BadValue(f"{quoted(text)}: {quoted(host)} is not an IPv4 address") from None


def _ipv6(text: str, host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise BadValue(f"{quoted(text)}: {quoted(host)} is not an IPv6 address") from None


def _port(text: str, port: str) -> int:
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise BadValue(f"{quoted(text)}: {quoted(port)} is not a port from 0 to 65535")
    return int(port)
