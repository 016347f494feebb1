"""A PROXY header on a real socket: who must send it, what the peer becomes, and what is left for HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from appserver.accepted import Peer
from appserver.events import Event
from appserver.net.accept import Acceptor
from appserver.net.listeners import ListenerSettings
from appserver.net.peer import TrustList
from appserver.net.proxy_facts import ProxyFacts
from appserver.net.proxy_header import VERSIONS, RequiredProxyHeader
from tests.support.events import EventLog
from tests.unit.net.test_accept import AcceptingServer, accepting, log, loop
from tests.unit.net.test_proxy_protocol import SSL, UNIX, V4, tlv, v2

__all__ = ["log", "loop"]  # fixtures

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 1000 443\r\n"
REQUEST = b"GET / HTTP/1.1\r\n"


def required(*senders: str, versions: str = "auto", trust: tuple[str, ...] = ("127.0.0.1", "unix")) -> dict[str, Any]:
    believed = TrustList(trust)
    header = RequiredProxyHeader(VERSIONS[versions], TrustList(senders or ("127.0.0.1", "unix")), believed, 4_096)
    return {"trust": believed, "proxy_protocol": header}


def peer_of(here: AcceptingServer, *pieces: bytes) -> Peer:
    """Send these bytes, each once the one before has been taken; return who is behind them."""
    with here.connect() as client:
        for piece in pieces:
            client.sendall(piece)
            # Until the server has taken it off the socket: the next piece does not come together with it.
            here.loop.run_until_complete(asyncio.sleep(0.005))
        here.until(lambda: bool(here.made and here.made[-1].heard == REQUEST))
        assert client.recv(5) == b"hello"
    return here.made[-1].peer


def until_closed(here: AcceptingServer, client: socket.socket) -> bytes:
    """Return all that the server sends until it closes the connection."""
    said = bytearray()

    def is_closed() -> bool:
        try:
            piece = client.recv(100)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        said.extend(piece)
        return not piece

    client.setblocking(False)
    here.until(is_closed)
    return bytes(said)


def end_of(here: AcceptingServer, sent: bytes) -> bytes:
    """Send these bytes; return all that comes back before the connection is closed."""
    with here.connect() as client:
        client.sendall(sent)
        return until_closed(here, client)


def facts(peer: Peer) -> ProxyFacts:
    assert isinstance(peer.proxy, ProxyFacts)
    return peer.proxy


@pytest.mark.parametrize("header", [LINE, v2()], ids=["v1", "v2"])
def test_the_client_is_whom_the_header_names(loop: asyncio.AbstractEventLoop, header: bytes) -> None:
    with accepting(loop, **required()) as here:
        for pieces in [(header + REQUEST,), (header, REQUEST), (header[:1], header[1:20], header[20:] + REQUEST)]:
            peer = peer_of(here, *pieces)
            assert (peer.client, peer.server) == (("192.0.2.7", 1000), ("198.51.100.1", 443))
            assert (peer.scheme, peer.trust) == ("http", None)
            assert facts(peer).command == "PROXY"


def test_forwarding_fields_are_believed_if_the_named_client_may_speak_for_others(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, **required(trust=("192.0.2.0/24",))) as here:
        assert peer_of(here, LINE + REQUEST).trust is not None
        assert peer_of(here, b"PROXY TCP4 203.0.113.1 198.51.100.1 1 2\r\n" + REQUEST).trust is None


def test_tls_that_ends_at_the_proxy_is_https(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, **required()) as here:
        assert peer_of(here, v2(V4 + tlv(0x20, SSL)) + REQUEST).scheme == "https"
        assert peer_of(here, v2(V4 + tlv(0x20, b"\0\0\0\0\0")) + REQUEST).scheme == "http"


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(b"", 0, 0x20), v2(bytes(300), 0x11, 0x20), v2(b"", 0)])
def test_a_header_without_a_client_leaves_the_peer(loop: asyncio.AbstractEventLoop, header: bytes) -> None:
    with accepting(loop, **required()) as here:
        peer = peer_of(here, header + REQUEST)
        assert peer.client is not None
        assert (peer.client[0], peer.server) == ("127.0.0.1", here.address)
        assert peer.trust is not None


def test_a_unix_socket_at_the_proxy_is_no_client_and_not_trusted(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, **required(trust=("unix", "127.0.0.1"))) as here:
        peer = peer_of(here, v2(UNIX, 0x31) + REQUEST)
        assert (peer.client, peer.trust) == (None, None)


def test_over_a_unix_socket(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    with accepting(loop, f"unix:{tmp_path}/app.sock", **required("unix")) as here:
        assert peer_of(here, LINE + REQUEST).client == ("192.0.2.7", 1000)
        assert peer_of(here, b"PROXY UNKNOWN\r\n" + REQUEST).client is None


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (REQUEST, "no PROXY header"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "no PROXY header"),
        (b"PROXY TCP4 1.2.3\r\n", "a PROXY header that is not PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT"),
        (v2(b""), "a PROXY header that is too short for tcp4 addresses"),
    ],
)
def test_what_is_no_header_gets_no_answer(
    loop: asyncio.AbstractEventLoop, log: EventLog, sent: bytes, reason: str
) -> None:
    with accepting(loop, **required()) as here:
        assert end_of(here, sent) == b""
        assert here.made == []
        assert log.only(Event.PEER_BROKE_PROTOCOL)["reason"] == reason


@pytest.mark.parametrize("sent", [LINE + REQUEST, v2() + REQUEST, REQUEST])
def test_nobody_else_is_served_with_or_without_a_header(
    loop: asyncio.AbstractEventLoop, log: EventLog, sent: bytes
) -> None:
    with accepting(loop, **required("10.0.0.0/8", "unix")) as here:
        assert end_of(here, sent) == b""
        assert here.made == []
        assert log.only(Event.PEER_BROKE_PROTOCOL)["reason"] == "not a peer of proxy_protocol_from"


def test_a_header_that_ends_too_early(loop: asyncio.AbstractEventLoop, log: EventLog) -> None:
    with accepting(loop, **required()) as here:
        with here.connect() as client:
            client.sendall(LINE[:20])
            client.shutdown(socket.SHUT_WR)
            here.until(lambda: bool(log.records))
            assert client.recv(1) == b""
        assert log.only(Event.PEER_BROKE_PROTOCOL)["reason"] == "it closed before its PROXY header was whole"


def test_a_late_header_is_not_waited_for(loop: asyncio.AbstractEventLoop, log: EventLog) -> None:
    """Absolute: bytes that trickle in do not extend it."""
    with accepting(loop, **required()) as here, here.connect() as client:
        here.acceptor._handshake = 0.05
        began = time.monotonic()
        for byte in LINE:
            if log.records:
                break
            client.send(bytes([byte]))
            loop.run_until_complete(asyncio.sleep(0.01))
        here.until(lambda: bool(log.records))
        assert time.monotonic() - began >= 0.05
        assert log.only(Event.PEER_BROKE_PROTOCOL)["reason"] == "nothing of HTTP within 0.05 s"
        assert here.made == []


def test_a_kind_of_refusal_is_logged_once_in_a_while(loop: asyncio.AbstractEventLoop, log: EventLog) -> None:
    with accepting(loop, **required()) as here:
        for _ in range(5):
            assert end_of(here, REQUEST) == b""
        assert len(log.records) == 1
        here.acceptor._refusals = {reason: (last - 10, hidden) for reason, (last, hidden) in here.acceptor._refusals.items()}
        assert end_of(here, REQUEST) == b""
        assert log.records[-1].getMessage().endswith("no PROXY header (4 more since the last line of this kind)")


def test_as_many_wait_with_their_header_as_may_be_served(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, **required()) as here:
        here.acceptor._max_handshakes = 2
        waiting = [here.connect() for _ in range(2)]
        here.until(lambda: len(here.acceptor._tasks) == 2)
        with here.connect() as third:
            assert until_closed(here, third) == b""
        for client in waiting:
            client.sendall(LINE + REQUEST)
        here.until(lambda: [made.heard for made in here.made] == [REQUEST] * 2)
        for client in waiting:
            client.close()


def test_at_a_stop_a_header_is_waited_for_a_last_while(loop: asyncio.AbstractEventLoop) -> None:
    with accepting(loop, **required()) as here, here.connect() as client, here.connect() as silent:
        here.until(lambda: len(here.acceptor._tasks) == 2)
        here.acceptor.close()
        client.sendall(LINE + REQUEST)
        loop.run_until_complete(here.acceptor.wait_begun(0.2))
        here.until(lambda: not here.acceptor._tasks)

        assert [made.peer.client for made in here.made] == [("192.0.2.7", 1000)]
        assert silent.recv(1) == b""


def test_without_waiting_nothing_is_waited_for(loop: asyncio.AbstractEventLoop) -> None:
    acceptor = Acceptor(loop, [], lambda peer, settings: asyncio.Protocol())
    loop.run_until_complete(acceptor.wait_begun(10))
    assert ListenerSettings(TrustList([])).proxy_protocol is None
