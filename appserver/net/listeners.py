"""Bound sockets: from an address to something a loop can accept on, with the settings that are its own.

Owns the unix path and its permissions: a socket file is removed only if it is ours or nobody listens.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from appserver.accepted import Peer, Trust
from appserver.config.grammar import TcpBind, UnixBind, parse_bind, parse_mode
from appserver.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    import ssl

__all__ = ["HTTP1", "HTTP2", "Listener", "ListenerSettings", "PeerTrust", "ProxyHeader", "open_all"]

# As ALPN spells them.
HTTP1, HTTP2 = "http/1.1", "h2"

# The machine has no IPv6: switched off for its interfaces, or in its kernel.
EVERY_INTERFACE = frozenset({"0.0.0.0", "::"})
NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class PeerTrust(Protocol):
    """Which peers may speak for the client."""

    def for_peer(self, host: str | None) -> Trust | None:
        """Return what resolves the forwarding fields of this address (None: a unix socket), None if it is not believed."""


class ProxyHeader(Protocol):
    """The PROXY protocol, where a listener expects it before anything else."""

    async def consume(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: Peer) -> None:
        """Take exactly the header off the socket and write into `peer` what it says; raises OSError without one."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """What may differ from one listener to the next."""

    trust: PeerTrust
    protocols: tuple[str, ...] = (HTTP2, HTTP1)
    tls: ssl.SSLContext | None = None
    proxy_protocol: ProxyHeader | None = None


class Listener:
    """One bound socket; the kernel queues for it once a server listens.

    `server` is its own address if that is also the address of each of its connections, else None; `path` is
    that of a unix socket.
    """

    def __init__(self, sock: socket.socket, address: TcpBind | UnixBind, settings: ListenerSettings) -> None:
        self.sock = sock
        self.address = address
        self.settings = settings
        self.path = address.path if isinstance(address, UnixBind) else ""
        self._inode = os.stat(self.path).st_ino if self.path else 0
        self.server: tuple[str, int] | None = None
        if isinstance(address, TcpBind):
            host, port = sock.getsockname()[:2]
            self.server = None if host in EVERY_INTERFACE else (host, port)

    def __str__(self) -> str:
        """Return where clients connect to, as `--bind` would spell it, with the port that was given."""
        if isinstance(self.address, UnixBind):
            return str(self.address)
        host, port = self.sock.getsockname()[:2]
        return f"http://{TcpBind(host, port)}"

    def listen(self, backlog: int) -> None:
        """Have the kernel queue connections; raises ConfigError if another socket of this address does so by now."""
        self.sock.setblocking(False)
        try:
            self.sock.listen(backlog)
        except OSError as error:
            raise ConfigError(f"server.bind {self.address}: {_why(error)}") from None

    def close(self) -> None:
        """Close the socket; a unix path goes with it if it is still ours."""
        self.sock.close()
        if self.path:
            try:
                if os.stat(self.path).st_ino == self._inode:
                    os.unlink(self.path)
            except FileNotFoundError:
                return


def open_all(binds: Iterable[str], unix_mode: str, settings: ListenerSettings) -> list[Listener]:
    """Bind all addresses or none; raises ConfigError naming the first that cannot be had."""
    opened: list[Listener] = []
    try:
        for text in binds:
            address = parse_bind(text)
            if isinstance(address, UnixBind):
                opened.append(_open_unix(address, parse_mode(unix_mode), settings, opened))
            else:
                _open_tcp(address, settings, opened)
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


def _open_tcp(address: TcpBind, settings: ListenerSettings, opened: list[Listener]) -> None:
    # As bytes: from text, an address of digits too has the tables of internationalised names imported.
    host = address.host.encode("ascii") if address.host.isascii() else address.host
    try:
        found = socket.getaddrinfo(host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigError(f"server.bind {address}: the host is not known ({error.strerror})") from None
    own: list[Listener] = []
    for family, _, _, _, name in dict.fromkeys(found):
        # "every interface" with port 0 is one port for both families.
        port = own[0].sock.getsockname()[1] if own and address.port == 0 else name[1]
        try:
            sock = _bound(family, (name[0], port, *name[2:]))
        except OSError as error:
            if error.errno in NO_SUCH_FAMILY and not address.host and own:
                continue
            raise ConfigError(f"server.bind {address}: {_why(error)}") from None
        own.append(Listener(sock, address, settings))
        opened.append(own[-1])
        _require_once(own[-1], opened[:-1])


def _bound(family: int, name: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Each connection has it from its listener: Nagle's algorithm once cost uvicorn 40 ms a request.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(name)
    except BaseException:
        sock.close()
        raise
    return sock


def _require_once(listener: Listener, others: list[Listener]) -> None:
    """Refuse what only `listen` would refuse: SO_REUSEADDR lets one address be bound again and again."""
    host, port = listener.sock.getsockname()[:2]
    for other in others:
        if other.sock.family != listener.sock.family:
            continue
        name = other.sock.getsockname()
        if name[1] == port and (name[0] == host or {name[0], host} & EVERY_INTERFACE):
            raise ConfigError(
                f"server.bind {listener.address}: {TcpBind(name[0], port)} is bound already; name each address once"
            )


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use; stop what listens there or choose another port"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE, choose a higher one"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    return error.strerror or str(error)


def _open_unix(address: UnixBind, mode: int, settings: ListenerSettings, opened: list[Listener]) -> Listener:
    if any(other.address == address for other in opened):
        raise ConfigError(f"server.bind {address}: {address} is bound already; name each address once")
    _clear(address)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode is there from the first moment on: no window in which others may connect.
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(address.path)
    except OSError as error:
        sock.close()
        raise ConfigError(f"server.bind {address}: {error.strerror}; check the directory and its permissions") from None
    finally:
        os.umask(before)
    return Listener(sock, address, settings)


def _clear(address: UnixBind) -> None:
    """Remove a stale socket; refuse anything else that is in the way."""
    try:
        if not stat.S_ISSOCK(os.lstat(address.path).st_mode):
            raise ConfigError(f"server.bind {address}: a file that is no socket is there; remove it or choose another")
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"server.bind {address}: {error.strerror}") from None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            os.unlink(address.path)
            return
        except BlockingIOError:
            pass  # its queue is full: it listens
        except OSError as error:
            raise ConfigError(f"server.bind {address}: {error.strerror}") from None
    raise ConfigError(f"server.bind {address}: another server listens there; stop it or choose another path")
