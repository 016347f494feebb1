r"""Accepting: from a listening socket to a peer, and a protocol on the transport of its connection.

    listener readable --accept, some per turn--> PROXY header, where the listener expects one --> transport, over TLS
       |                                                                  where it has a context --> protocol(peer)
       '-- no descriptor or memory left: nobody accepts for 0.1 s, and the kernel keeps who asks

A loop's own server closes its listener, or spins, when descriptors run out; and it accepts before anybody
could read what precedes the TLS handshake.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from appserver.accepted import Peer
from appserver.events import Event
from appserver.net.handshake import TlsHandshake
from appserver.net.listeners import Listener, ListenerSettings

__all__ = ["Acceptor"]

ACCEPTS_PER_TURN = 64
# What a listener may still have queued at the stop; above, the others' turn would never come.
LAST_ACCEPTS = 4_096
RETRY_SECONDS = 0.1
REPORT_SECONDS = 1.0
# One line for each reason to refuse a connection: scanners and misconfigured proxies come by the thousand.
REFUSALS_SECONDS = 10.0
MAX_REASONS = 100

# The process or the machine has no room: connections wait in the kernel's queue.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
HINTS = {
    errno.EMFILE: "; raise the limit of open files (ulimit -n) or lower --limit-connections",
    errno.ENFILE: "; raise fs.file-max",
}
# accept(2): errors of the connection that was next, not of the listener.
CONNECTION_GONE = frozenset(
    {
        errno.ECONNABORTED, errno.EPROTO, errno.ENOPROTOOPT, errno.EPERM, errno.EOPNOTSUPP,
        errno.ENETDOWN, errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH, errno.ENETUNREACH,
    }
)  # fmt: skip
INET = (socket.AF_INET, socket.AF_INET6)
MAPPED = "::ffff:"

Connect = Callable[[Peer, ListenerSettings], asyncio.Protocol]


class Acceptor:
    """Accepts on the listeners of a worker; `connect` returns the protocol that a new connection begins with."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, listeners: Iterable[Listener], connect: Connect, handshake: float = 5.0,
        max_handshakes: int = 0,
    ) -> None:  # fmt: skip
        """`handshake` bounds what precedes HTTP, in seconds; `max_handshakes` how many are at it at once, 0: any."""
        self._loop = loop
        self._handshake = handshake
        self._max_handshakes = max_handshakes
        self._refusals: dict[str, tuple[float, int]] = {}
        self._listeners = list(listeners)
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = False
        self._retry: asyncio.TimerHandle | None = None
        self._reported = float("-inf")

    def open(self) -> None:
        """Accept from now on; the listeners listen already."""
        self._is_open = True
        self._retry = None
        for listener in self._listeners:
            self._loop.add_reader(listener.sock, self._accept, listener, ACCEPTS_PER_TURN)

    def close(self) -> None:
        """Take who is in the kernel's queue by now, then close the sockets: later ones are refused."""
        if not self._is_open:
            return
        self._is_open = False
        self._pause()
        for listener in self._listeners:
            self._accept(listener, LAST_ACCEPTS)
            listener.sock.close()

    def _pause(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener.sock)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _accept(self, listener: Listener, limit: int) -> None:
        for _ in range(limit):
            try:
                sock, address = listener.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in CONNECTION_GONE:
                    continue
                self._wait_for_room(listener, error)
                return
            if self._max_handshakes and len(self._tasks) >= self._max_handshakes:
                sock.close()
            else:
                self._start(self._begin(listener, sock, address))

    def _wait_for_room(self, listener: Listener, error: OSError) -> None:
        # Who frees a descriptor is not always a connection of ours: ask again, seldom enough to cost nothing.
        if self._is_open:
            self._pause()
            self._retry = self._loop.call_later(RETRY_SECONDS, self.open)
        now = self._loop.time()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            hint = HINTS.get(error.errno or 0, "")
            Event.ACCEPT_FAILED.log(address=listener, reason=error.strerror, hint=hint)

    def _start(self, beginning: Coroutine[Any, Any, None]) -> None:
        if sys.version_info >= (3, 12):
            task = asyncio.Task(beginning, loop=self._loop, eager_start=True)
        else:
            task = self._loop.create_task(beginning)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _begin(self, listener: Listener, sock: socket.socket, address: Any) -> None:
        settings = listener.settings
        try:
            sock.setblocking(False)
            peer = _peer(listener, sock, address)
            if settings.proxy_protocol is not None:
                async with asyncio.timeout(self._handshake):
                    await settings.proxy_protocol.consume(self._loop, sock, peer)
            if settings.tls is None:
                await self._loop.connect_accepted_socket(lambda: self._connect(peer, settings), sock)
            else:
                loaded = settings.tls.loaded
                await self._loop.connect_accepted_socket(
                    lambda: TlsHandshake(self._connect, peer, settings, loaded), sock, ssl=loaded.context,
                    ssl_handshake_timeout=self._handshake, ssl_shutdown_timeout=self._handshake,
                )  # fmt: skip
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            # It went away, or broke what precedes HTTP.
            name = f"{address[0]}:{address[1]}" if address else "unix"
            self._report(name, error)

    async def wait_begun(self, seconds: float) -> None:
        """Give what precedes HTTP a last while, then end it: after a stop nobody is kept waiting for."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()

    def _report(self, name: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        if isinstance(error, ssl.SSLError):
            verdict = getattr(error, "verify_message", "")
            what = (error.reason or str(error)).lower().replace("_", " ")
            reason = f"TLS: {what}{f' ({verdict})' if verdict else ''}"
        elif isinstance(error, TimeoutError) or "handshake is taking longer" in str(error):
            reason = f"nothing of HTTP within {self._handshake:g} s"
        now = self._loop.time()
        last, hidden = self._refusals.get(reason, (float("-inf"), 0))
        if now - last < REFUSALS_SECONDS:
            self._refusals[reason] = (last, hidden + 1)
            return
        if len(self._refusals) > MAX_REASONS:
            self._refusals.clear()
        self._refusals[reason] = (now, 0)
        more = f" ({hidden} more since the last line of this kind)" if hidden else ""
        Event.PEER_BROKE_PROTOCOL.log(client=name, reason=reason + more)


def _peer(listener: Listener, sock: socket.socket, address: Any) -> Peer:
    """Return who has connected; the trust is that of the address, until a PROXY header says more."""
    settings = listener.settings
    if sock.family not in INET:
        trust = settings.trust.for_peer(None)
        own = (listener.path, None)
        return Peer(None, own, "http", trust, forwarding=settings.forwarding, early_hints=settings.early_hints)
    server = listener.server or sock.getsockname()
    host = address[0]
    if sock.family == socket.AF_INET6:
        # A socket that was passed may be for both families.
        host, server = _unmapped(host), (_unmapped(server[0]), server[1])
    trust = settings.trust.for_peer(host)
    return Peer(
        (host, address[1]), (server[0], server[1]), "http", trust, forwarding=settings.forwarding,
        early_hints=settings.early_hints,
    )  # fmt: skip


def _unmapped(host: str) -> str:
    return host[len(MAPPED) :] if host.startswith(MAPPED) and "." in host else host
