"""Bound sockets: from an address to something a loop can accept on, with the settings that are its own.

A socket file is removed only if it is ours or nobody listens.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from appserver.accepted import Forwarding, Peer, Trust
from appserver.config.grammar import Bind, FdBind, SystemdBind, TcpBind, UnixBind, parse_bind
from appserver.errors import ConfigError
from appserver.net.binding import BindError
from appserver.net.inherited import passed_socket, passed_sockets
from appserver.net.tls import Tls
from appserver.net.unixsocket import bound_unix, remove_if_same

if TYPE_CHECKING:
    import asyncio

__all__ = ["HTTP1", "HTTP2", "Listener", "ListenerSettings", "PeerTrust", "ProxyHeader", "open_all"]

# As ALPN spells them.
HTTP1, HTTP2 = "http/1.1", "h2"
DEFAULT_OPTION = "server.bind"

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
    tls: Tls | None = None
    proxy_protocol: ProxyHeader | None = None
    forwarding: Forwarding | None = None
    early_hints: bool = True
    h2c_upgrade: bool = False


class Listener:
    """One bound socket; the kernel queues for it once a server listens.

    `server` is its own address if that is also the address of each of its connections, else None; `path` is
    that of a unix socket. `option` is how errors name where its address was given.
    """

    def __init__(
        self, sock: socket.socket, address: Bind, settings: ListenerSettings, option: str = DEFAULT_OPTION
    ) -> None:
        self.sock = sock
        self.address = address
        self.settings = settings
        self.option = option
        self.path = ""
        self.server: tuple[str, int] | None = None
        if sock.family == socket.AF_UNIX:
            name = sock.getsockname()
            self.path = os.fsdecode(name)
        else:
            host, port = sock.getsockname()[:2]
            self.server = None if host in EVERY_INTERFACE else (host, port)
        # A path that somebody else has made stays when the socket is closed.
        self._inode = os.stat(self.path).st_ino if isinstance(address, UnixBind) else 0

    def __str__(self) -> str:
        """Return where clients connect to, with the port that was given; what was passed with its descriptor."""
        if self.path:
            url = f"unix:{self.path}"
        else:
            host, port = self.sock.getsockname()[:2]
            url = f"{'http' if self.settings.tls is None else 'https'}://{TcpBind(host, port)}"
        return f"{url} ({self.address})" if isinstance(self.address, FdBind | SystemdBind) else url

    def listen(self, backlog: int) -> None:
        """Have the kernel queue connections; raises ConfigError if another socket of this address does so by now."""
        self.sock.setblocking(False)
        try:
            self.sock.listen(backlog)
        except OSError as error:
            raise ConfigError(f"{self.option} {self.address}: {_why(error)}") from None

    def close(self) -> None:
        """Close the socket; a unix path goes with it if it is still ours."""
        self.sock.close()
        if self._inode:
            remove_if_same(self.path, self._inode)


def open_all(
    binds: Iterable[str], unix_mode: str, settings: ListenerSettings, unix_owner: str = "",
    option: str = DEFAULT_OPTION, beside: Sequence[Listener] = (),
) -> list[Listener]:  # fmt: skip
    """Bind all addresses or none; raises ConfigError naming the first that cannot be had.

    `beside` are the listeners that are open already: no address is bound twice.
    """
    opened: list[Listener] = []
    try:
        for text in binds:
            address = parse_bind(text)
            known = [*beside, *opened]
            found = _sockets(address, unix_mode, unix_owner)
            opened += [Listener(sock, address, settings, option) for sock in found]
            for listener in opened[-len(found) :]:
                _require_once(listener, known)
    except BaseException as error:
        for listener in opened:
            listener.close()
        if isinstance(error, BindError):
            raise ConfigError(f"{option} {error}") from None
        raise
    return opened


def _sockets(address: Bind, unix_mode: str, unix_owner: str) -> list[socket.socket]:
    if isinstance(address, UnixBind):
        return [bound_unix(address, unix_mode, unix_owner)]
    if isinstance(address, FdBind):
        return [passed_socket(address)]
    if isinstance(address, SystemdBind):
        return passed_sockets(address)
    return _tcp_sockets(address)


def _tcp_sockets(address: TcpBind) -> list[socket.socket]:
    # As bytes: from text, an address of digits too has the tables of internationalised names imported.
    host = address.host.encode("ascii") if address.host.isascii() else address.host
    try:
        found = socket.getaddrinfo(host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise BindError(address, f"the host is not known ({error.strerror})") from None
    own: list[socket.socket] = []
    for family, _, _, _, name in dict.fromkeys(found):
        # "every interface" with port 0 is one port for both families.
        port = own[0].getsockname()[1] if own and address.port == 0 else name[1]
        try:
            own.append(_bound(family, (name[0], port, *name[2:])))
        except OSError as error:
            if error.errno in NO_SUCH_FAMILY and not address.host and own:
                continue
            for sock in own:
                sock.close()
            raise BindError(address, _why(error)) from None
    return own


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


def _require_once(listener: Listener, others: Iterable[Listener]) -> None:
    """Refuse what only `listen` would refuse: SO_REUSEADDR lets one address be bound again and again."""
    for other in others:
        if other.sock.family == listener.sock.family and _overlap(listener.sock.getsockname(), other.sock.getsockname()):
            known = f"unix:{other.path}" if other.path else TcpBind(*other.sock.getsockname()[:2])
            raise BindError(listener.address, f"{known} is bound already; name each address once")


def _overlap(name: Any, other: Any) -> bool:
    if not isinstance(name, tuple):
        return bool(name == other)
    return other[1] == name[1] and (other[0] == name[0] or not EVERY_INTERFACE.isdisjoint((other[0], name[0])))


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use; stop what listens there or choose another port"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE, choose a higher one"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    return error.strerror or str(error)
