"""WebSocket with real clients: the `websockets` library over HTTP/1.1, a tunnel of HTTP/2 (RFC 8441), both engines."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message

from tests.support.clients import Http1, Http2
from tests.support.process import ENGINES, Server, best, demand, until
from tests.support.websocket import CLOSE, TEXT, frame, handshake, heard

APP = "tests.support.websocket_app:app"
SECONDS = 20.0
CONNECT = [(":protocol", "websocket"), ("sec-websocket-version", "13")]


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(APP, "--h2-engine", demand(request.param), "--websocket-max-message", "4MiB", "--timeout-graceful", "0.5") as server:
        yield server
        assert server.stop() == 0
        assert "CRITICAL" not in server.said
        # Of `/raises`, once for each protocol.
        assert server.said.count("Traceback") == server.said.count("ValueError: as asked") == 2


def open_h1(server: Server, path: str = "/", **more: Any) -> ClientConnection:
    more.setdefault("max_size", None)
    uri = server.url.replace("http", "ws") + path
    client: ClientConnection = connect(uri, open_timeout=SECONDS, close_timeout=SECONDS, **more)
    return client


def told(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/told", timeout=SECONDS).json()
    return found


class Tunnel:
    """A WebSocket in a stream of an HTTP/2 connection; its frames are wsproto's."""

    def __init__(self, client: Http2, path: str = "/", fields: list[tuple[str, str]] = CONNECT) -> None:
        self.client, self.frames = client, Connection(ConnectionType.CLIENT)
        # Nothing is known of the tunnel before SETTINGS announce it (RFC 8441 3).
        self.stream = client.open("CONNECT", path, fields, end=False)
        self.taken = 0
        client.read_until(lambda: self.stream.answer.status > 0 or self.stream.over, SECONDS)

    def say(self, event: Event) -> None:
        self.client.upload(self.stream, self.frames.send(event), end=False)

    def hear(self) -> Event:
        """Return the next event; a message is whole."""
        pieces: list[Any] = []
        while True:
            for event in self.frames.events():
                if not isinstance(event, Message):
                    return event
                pieces.append(event.data)
                if event.message_finished:
                    whole: Any = b"".join(map(bytes, pieces)) if isinstance(event, BytesMessage) else "".join(pieces)
                    return Message(data=whole)
            size = self.stream.answer.size
            while self.stream.answer.size == size and not self.stream.over:
                self.client.read()
            data = self.stream.answer.body[self.taken :]
            self.taken += len(data)
            self.frames.receive_data(data or None)


MESSAGES: list[Any] = ["", "hello", "é" * 50_000, b"", bytes(range(256)) * 4, b"x" * 3_000_000]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_echo_over_http1(server: Server, compression: Any) -> None:
    with open_h1(server, compression=compression) as client:
        assert (client.protocol.extensions != []) == (compression is not None)
        for message in MESSAGES:
            client.send(message)
            assert client.recv(SECONDS) == message
        client.send(["in ", "pieces"])
        assert client.recv(SECONDS) == "in pieces"
        assert client.ping().wait(SECONDS)
    assert (client.protocol.close_code, client.protocol.close_reason) == (1000, "")


def test_echo_over_http2(server: Server) -> None:
    with Http2(server.connect()) as client:
        tunnel = Tunnel(client)
        assert tunnel.stream.answer.status == 200
        for message in MESSAGES:
            tunnel.say(Message(data=message))
            assert tunnel.hear() == Message(data=message)
        # Other streams of the connection go on.
        assert client.ask("GET", "/told").status == 200
        tunnel.say(CloseConnection(code=1001, reason="bye"))
        assert tunnel.hear() == CloseConnection(code=1001, reason="")
        client.read_until(lambda: tunnel.stream.over, SECONDS)
        assert tunnel.stream.answer.whole
    until(lambda: [1001, "bye"] in told(server)["disconnects"], "the application hears of it")


def test_a_tunnel_for_anything_else_is_501(server: Server) -> None:
    with Http2(server.connect()) as client:
        assert Tunnel(client, fields=[(":protocol", "connect-udp")]).stream.answer.status == 501


def test_refusals(server: Server) -> None:
    for path, status in (("/refuses", 403), ("/raises", 500)):
        with pytest.raises(InvalidStatus) as caught:
            open_h1(server, path)
        assert caught.value.response.status_code == status
        assert caught.value.response.headers["connection"] == "close"
        with Http2(server.connect()) as client:
            answer = Tunnel(client, path).stream.answer
            assert answer.status == status


def test_who_is_let_in() -> None:
    words = ("--websocket-allowed-origins", "same-origin", "--websocket-allowed-origins", "app://shop")
    with Server(APP, *words, "--websocket-max-per-connection", "2", "--h2-engine", best()) as server:
        for origin in (server.url, "app://shop", None):
            with open_h1(server, origin=origin) as client:
                client.send("in")
                assert client.recv(SECONDS) == "in"
        with pytest.raises(InvalidStatus) as caught:
            open_h1(server, origin="https://evil.test")
        assert caught.value.response.status_code == 403

        with Http2(server.connect()) as client:
            evil, same = (Tunnel(client, fields=[*CONNECT, ("origin", origin)]) for origin in ("http://evil.test", "http://a.test"))
            assert (evil.stream.answer.status, same.stream.answer.status) == (403, 200)
            second, third = Tunnel(client), Tunnel(client)
            assert (second.stream.answer.status, third.stream.answer.status) == (200, 503)
            assert client.ask("GET", "/told").status == 200
            client.send(client.client.reset(second.stream.id))
            assert Tunnel(client).stream.answer.status == 200
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("field", "status"),
    [(b"sec-websocket-version: 8", 426), (b"sec-websocket-key: short", 400), (b"connection: close", 400), (b"sec-websocket-protocol: \x80\xff", 400)],
)
def test_what_is_no_handshake(server: Server, field: bytes, status: int) -> None:
    with Http1(server.connect()) as client:
        # What a client that trusts in its luck sends behind it is no request.
        client.send(handshake(field), b"GET /told HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.answer().status == status
        assert client.is_closed()


def test_the_application_closes(server: Server) -> None:
    with open_h1(server, "/closes") as client, pytest.raises(ConnectionClosed) as caught:
        client.recv(SECONDS)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "done")


def test_a_message_that_is_too_long(server: Server) -> None:
    with open_h1(server, compression="deflate") as client:
        client.send(bytes(4 * 1024 * 1024))
        assert client.recv(SECONDS) == bytes(4 * 1024 * 1024)
        client.send(bytes(4 * 1024 * 1024 + 1))
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(SECONDS)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def test_a_client_that_vanishes(server: Server) -> None:
    before = told(server)["disconnects"].count([1006, ""])
    with Http1(server.connect()) as first, Http2(server.connect()) as second:
        first.send(handshake())
        first.take_until(b"\r\n\r\n")
        tunnel = Tunnel(second)
        first.tear()
        second.reset(tunnel.stream)
        until(lambda: told(server)["disconnects"].count([1006, ""]) == before + 2, "the application hears of both")


def test_a_client_that_reads_nothing_stops_the_application(server: Server) -> None:
    for over in (Http1, Http2):
        client = over(server.connect()) if over is Http1 else Http2(server.connect(), window=65_535)
        with client:
            if isinstance(client, Http1):
                client.send(handshake().replace(b"/chat", b"/flood"))
                client.take_until(b"\r\n\r\n")
            else:
                Tunnel(client, "/flood")
            seen: list[int] = []

            def is_still(seen: list[int] = seen) -> bool:
                seen.append(told(server)["sent"])
                return len(seen) > 20 and len(set(seen[-20:])) == 1

            until(is_still, "the application waits")
            # The queues of the server, the socket's buffers on loopback, and nothing more.
            assert 0 < seen[-1] < 16 * 1024 * 1024


def test_an_application_that_reads_nothing_stops_the_client(server: Server) -> None:
    with Http1(server.connect()) as client:
        client.send(handshake().replace(b"/chat", b"/deaf"))
        client.take_until(b"\r\n\r\n")
        client.sock.settimeout(1.0)
        sent, data = 0, frame(TEXT, b"x" * 60_000)
        with suppress(TimeoutError):
            while sent < 64 * 1024 * 1024:
                client.sock.sendall(data)
                sent += len(data)
        assert sent < 16 * 1024 * 1024


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stop_closes_with_1012(engine: str) -> None:
    with Server(APP, "--h2-engine", demand(engine)) as server:
        with open_h1(server) as first, Http2(server.connect()) as second:
            tunnel = Tunnel(second)
            server.signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as caught:
                first.recv(SECONDS)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1012
            assert tunnel.hear() == CloseConnection(code=1012, reason="the server restarts")
            tunnel.say(CloseConnection(code=1012))
            second.read_until(lambda: tunnel.stream.over, SECONDS)
        assert server.wait() == 0
        assert "were cut" not in server.said


def test_it_can_be_switched_off() -> None:
    with Server(APP, "--no-websocket-enabled") as server:
        with Http1(server.connect()) as client:
            client.send(handshake())
            answer = client.answer()
            assert (answer.status, json.loads(answer.body)["sent"]) == (200, 0)
        with Http2(server.connect()) as client:
            assert Tunnel(client).stream.answer.status in (0, 501)


def test_a_client_that_never_closes_is_cut() -> None:
    with Server(APP, "--websocket-close-timeout", "0.5") as server, Http1(server.connect()) as client:
        client.send(handshake().replace(b"/chat", b"/closes"))
        client.take_until(b"\r\n\r\n")
        assert heard(client.take_all()) == [(CLOSE, b"\x0f\xa0done")]


@pytest.mark.parametrize("framework", ["starlette", "fastapi"])
def test_a_framework(framework: str) -> None:
    app = f"tests.interop.frameworks.{framework}_app:app"
    with Server(app, "--h2-engine", best(), "--log-access", "-") as server:
        with open_h1(server, "/chat?token=1", subprotocols=["json", "xml"]) as client:
            assert client.subprotocol == "json"
            client.send(json.dumps({"a": [1, "é"]}))
            assert json.loads(client.recv(SECONDS)) == {"a": [1, "é"]}
            client.close(3001)
        until(lambda: httpx.get(f"{server.url}/told").json().get("left") == 3001, "the application hears of it")
        with pytest.raises(InvalidStatus) as caught:
            open_h1(server, "/chat", subprotocols=["json"])
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body) == {"error": "no token"}
        assert server.stop() == 0
        assert '"GET /chat HTTP/1.1" 101' in server.said
        assert "Traceback" not in server.said
