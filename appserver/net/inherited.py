"""Sockets that were opened before the process began: fd://N, and what a service manager passes.

The latter are descriptors from 3 on (sd_listen_fds(3)): LISTEN_FDS says how many, LISTEN_PID for which process,
LISTEN_FDNAMES their names.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from appserver.config.grammar import Bind, FdBind, SystemdBind
from appserver.net.binding import BindError

__all__ = ["passed_socket", "passed_sockets"]

FIRST = 3
FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def passed_socket(address: FdBind) -> socket.socket:
    """Return the socket behind the descriptor; raises BindError if it cannot be listened on."""
    return _socket(address, address.number)


def passed_sockets(address: SystemdBind, environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the sockets of that name, or all; raises BindError if there are none."""
    count, pid = environ.get("LISTEN_FDS", ""), environ.get("LISTEN_PID", "")
    if not count:
        raise BindError(address, "no socket was passed (LISTEN_FDS is not set); start it by a .socket unit")
    if pid != str(os.getpid()):
        raise BindError(
            address,
            f"the sockets are for process {pid or '(LISTEN_PID is not set)'}, this one is {os.getpid()};"
            " a script in between has to exec the server",
        )
    if not count.isdecimal() or int(count) > 1_000_000:
        raise BindError(address, f"LISTEN_FDS is {count!r}, which is no number of sockets")
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    numbers = [
        FIRST + index
        for index in range(int(count))
        if not address.name or (index < len(names) and names[index] == address.name)
    ]
    if not numbers:
        known = ", ".join(sorted({name for name in names if name})) or "none"
        raise BindError(address, f"no passed socket has that name (FileDescriptorName=); there are: {known}")
    found: list[socket.socket] = []
    try:
        for number in numbers:
            found.append(_socket(address, number))
    except BindError:
        for sock in found:
            sock.close()
        raise
    return found


def _socket(address: Bind, number: int) -> socket.socket:
    which = f"descriptor {number}"
    try:
        copy = os.dup(number)
    except OSError as error:
        raise BindError(address, f"{which} is not open ({error.strerror}); it has to be passed by what starts us") from None
    try:
        sock = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise BindError(address, f"{which} is no socket") from None
    if sock.type != socket.SOCK_STREAM or sock.family not in FAMILIES:
        problem = "is no stream socket of TCP or unix"
    elif _is_connected(sock):
        problem = "is connected, and not to be listened on (Accept=yes of a .socket unit?)"
    elif not sock.getsockname() or (sock.family != socket.AF_UNIX and not sock.getsockname()[1]):
        problem = "is bound to no address"
    else:
        # The copy is ours alone; programs that the application starts get neither.
        os.set_inheritable(number, False)
        return sock
    sock.close()
    raise BindError(address, f"{which} {problem}")


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
