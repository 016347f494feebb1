"""Accepting: who has connected, what comes before HTTP, and what happens when there is no room."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from appserver.accepted import Peer
from appserver.config.grammar import TcpBind
from appserver.events import Event
from appserver.net.accept import ACCEPTS_PER_TURN, REPORT_SECONDS, RETRY_SECONDS, Acceptor
from appserver.net.listeners import Listener, ListenerSettings, open_all
from appserver.net.peer import TrustList
from appserver.worker.loop import choose_loop
from tests.support.clock import ClockLoop
from tests.support.events import EventLog

T = TypeVar("T")


class Hello(asyncio.Protocol):
    """Says hello, and keeps what it hears."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.heard = b""
        self.transport: Any = None
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"hello")

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = choose_loop(request.param)[0]()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    with closing(loop):
        yield loop
    assert complaints == []


@pytest.fixture
def log() -> Iterator[EventLog]:
    log = EventLog()
    log.open()
    yield log
    log.shut()


class AcceptingServer:
    """Listeners, and what was made of who came."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bind: str, settings: ListenerSettings) -> None:
        self.loop = loop
        self.made: list[Hello] = []
        self.listeners = open_all([bind], "0600", settings)
        for listener in self.listeners:
            listener.listen(100)
        self.acceptor = Acceptor(loop, self.listeners, self._connect)
        self.acceptor.open()

    def _connect(self, peer: Peer, settings: ListenerSettings) -> Hello:
        assert settings is self.listeners[0].settings
        self.made.append(Hello(peer))
        return self.made[-1]

    @property
    def address(self) -> Any:
        return self.listeners[0].sock.getsockname()

    def connect(self) -> socket.socket:
        client = socket.socket(self.listeners[0].sock.family)
        client.settimeout(20)
        client.connect(self.address)
        return client

    def until(self, holds: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(20):
                while not holds():
                    await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())


@contextmanager
def accepting(loop: asyncio.AbstractEventLoop, bind: str = "127.0.0.1:0", **settings: Any) -> Iterator[AcceptingServer]:
    built = AcceptingServer(loop, bind, ListenerSettings(**{"trust": TrustList(["127.0.0.1", "unix"]), **settings}))
    try:
        yield built
    finally:
        built.acceptor.close()
        for protocol in built.made:
            if protocol.transport is not None:
                protocol.transport.abort()
        built.until(lambda: all(protocol.lost for protocol in built.made if protocol.transport is not None))
        for listener in built.listeners:
            listener.close()


# Who is there


def demand_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")


@pytest.mark.parametrize("bind", ["127.0.0.1:0", ":0", "[::1]:0"])
def test_the_peer_of_a_tcp_connection(loop: asyncio.AbstractEventLoop, bind: str) -> None:
    if "::1" in bind:
        demand_ipv6()
    with accepting(loop, bind) as here, here.connect() as client:
        here.until(lambda: bool(here.made and here.made[0].transport))
        peer = here.made[0].peer

        assert (peer.client, peer.server, peer.scheme) == (client.getsockname()[:2], client.getpeername()[:2], "http")
        assert (peer.trust is None) is ("::1" in bind)
        assert (peer.tls, peer.proxy) == (None, None)
        assert client.recv(5) == b"hello"


def test_nagles_algorithm_is_off(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop) as here, here.connect():
        here.until(lambda: bool(here.made and here.made[0].transport))
        sock = here.made[0].transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_peer_of_a_unix_socket(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    with accepting(loop, f"unix:{tmp_path / 'app.sock'}") as here, here.connect() as client:
        here.until(lambda: bool(here.made and here.made[0].transport))
        peer = here.made[0].peer

        assert (peer.client, peer.server) == (None, (str(tmp_path / "app.sock"), None))
        assert peer.trust is not None
        assert client.recv(5) == b"hello"


def test_many_at_once(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, "127.0.0.1:0") as here:
        clients = [here.connect() for _ in range(ACCEPTS_PER_TURN + 10)]
        here.until(lambda: len(here.made) == len(clients) and all(made.transport for made in here.made))

        assert {made.peer.client for made in here.made} == {client.getsockname() for client in clients}
        assert [client.recv(5) for client in clients] == [b"hello"] * len(clients)
        for client in clients:
            client.close()


def test_a_peer_that_resets_before_it_is_accepted_is_no_fault_of_ours(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop) as here:
        client = here.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with here.connect() as other:
            here.until(lambda: any(made.peer.client == other.getsockname() and made.transport for made in here.made))
            here.until(lambda: all(made.lost for made in here.made if made.peer.client != other.getsockname()))


# Before HTTP


class SaidHello:
    """What such a header says."""

    def extension(self) -> dict[str, Any]:
        return {}


class FakeProxyHeader:
    """As a PROXY header is: so many bytes that must be there, and say who the client is."""

    async def consume(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: Peer) -> None:
        header = await loop.sock_recv(sock, 6)
        if header != b"magic\n":
            raise ConnectionError("no PROXY header")
        peer.client = ("198.51.100.1", 9)
        peer.proxy = SaidHello()


def test_a_header_is_taken_off_before_the_protocol_sees_a_byte(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, proxy_protocol=FakeProxyHeader()) as here, here.connect() as client:
        client.sendall(b"magic\nGET /")
        here.until(lambda: bool(here.made and here.made[0].heard))

        assert here.made[0].heard == b"GET /"
        assert here.made[0].peer.client == ("198.51.100.1", 9)
        assert isinstance(here.made[0].peer.proxy, SaidHello)


def test_who_waits_with_its_header_holds_nobody_up(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, proxy_protocol=FakeProxyHeader()) as here, here.connect(), here.connect() as prompt:
        prompt.sendall(b"magic\nGET /")
        here.until(lambda: bool(here.made and here.made[0].heard))

        assert len(here.made) == 1
        for task in list(here.acceptor._tasks):
            task.cancel()
        here.until(lambda: not here.acceptor._tasks)


def test_without_the_header_it_is_closed(loop: asyncio.AbstractEventLoop, log: EventLog) -> None:
    with accepting(loop, proxy_protocol=FakeProxyHeader()) as here, here.connect() as client:
        client.sendall(b"GET / ")
        here.until(lambda: bool(log.records))
        name = "{}:{}".format(*client.getsockname())

        assert log.only(Event.PEER_BROKE_PROTOCOL) == {"client": name, "reason": "no PROXY header"}
        assert client.recv(5) == b""
        assert here.made == []


# The end


def test_who_has_asked_by_then_is_still_taken(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop) as here:
        clients = [here.connect() for _ in range(3)]
        address = here.address
        here.acceptor.close()
        here.until(lambda: len(here.made) == 3 and all(made.transport for made in here.made))

        assert [client.recv(5) for client in clients] == [b"hello"] * 3
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=20)
        for client in clients:
            client.close()


def test_closing_what_was_never_opened() -> None:
    loop = ClockLoop()
    (listener,) = open_all(["127.0.0.1:0"], "0600", ListenerSettings(TrustList([])))
    Acceptor(loop, [listener], lambda peer, settings: Hello(peer)).close()

    assert listener.sock.fileno() >= 0
    listener.close()
    loop.close()


# No room


class FailingSocket(socket.socket):
    """A listening socket that fails as the kernel does."""

    failure: int = 0
    asked: int = 0

    def accept(self) -> Any:
        self.asked += 1
        if self.failure:
            raise OSError(self.failure, "it failed")
        return super().accept()


class FullListener:
    """A client in the queue of a listener that cannot take it."""

    def __init__(self, loop: ClockLoop, failure: int) -> None:
        self.loop = loop
        self.sock = FailingSocket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.failure = failure
        self.listener = Listener(self.sock, TcpBind("127.0.0.1", 0), ListenerSettings(TrustList([])))
        self.listener.listen(10)
        self.made: list[Hello] = []
        self.acceptor = Acceptor(loop, [self.listener], self._connect)
        self.acceptor.open()
        self.client = socket.create_connection(self.sock.getsockname(), timeout=20)
        loop.turn()

    def _connect(self, peer: Peer, settings: ListenerSettings) -> Hello:
        self.made.append(Hello(peer))
        return self.made[-1]

    def leave(self) -> None:
        for made in self.made:
            made.transport.abort()
        self.acceptor.close()
        self.client.close()
        self.loop.turn()
        self.loop.wind_up()


@pytest.fixture
def full() -> Iterator[Callable[[int], FullListener]]:
    listeners: list[FullListener] = []

    def begin(failure: int) -> FullListener:
        listeners.append(FullListener(ClockLoop(), failure))
        return listeners[-1]

    yield begin
    for each in listeners:
        each.leave()
        assert each.loop.complaints == []


@pytest.mark.parametrize("failure", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EINVAL])
def test_without_room_it_is_asked_seldom_and_said_once_a_second(
    full: Callable[[int], FullListener], log: EventLog, failure: int
) -> None:
    here = full(failure)
    said = [here.loop.now] if log.names == ["ACCEPT_FAILED"] else []
    for _ in range(100):
        before = len(log.records)
        here.loop.advance(RETRY_SECONDS / 2)
        if len(log.records) > before:
            said.append(here.loop.now)

    assert here.made == []
    assert 45 <= here.sock.asked <= 52, "ten times a second, not once a turn"
    assert [later - earlier >= REPORT_SECONDS for earlier, later in zip(said, said[1:], strict=False)] == [True] * (len(said) - 1)
    assert 5 <= len(said) <= 6
    assert set(log.names) == {"ACCEPT_FAILED"}

    here.sock.failure = 0
    here.loop.advance(RETRY_SECONDS)
    assert len(here.made) == 1
    assert here.client.recv(5) == b"hello"


def test_the_limit_of_files_is_named(full: Callable[[int], FullListener], log: EventLog) -> None:
    full(errno.EMFILE)

    assert "ulimit -n" in log.texts[0]
    assert "--limit-connections" in log.texts[0]


@pytest.mark.parametrize("failure", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN])
def test_a_connection_that_is_gone_is_no_reason_to_wait(
    full: Callable[[int], FullListener], log: EventLog, failure: int
) -> None:
    here = full(failure)
    here.sock.failure = 0
    here.loop.turn()

    assert len(here.made) == 1
    assert log.names == []
    assert here.acceptor._retry is None


def test_a_stop_without_room_is_a_stop(full: Callable[[int], FullListener], log: EventLog) -> None:
    here = full(errno.EMFILE)
    here.acceptor.close()
    asked = here.sock.asked
    here.loop.advance(10 * RETRY_SECONDS)

    assert here.sock.asked == asked
    assert here.sock.fileno() == -1
