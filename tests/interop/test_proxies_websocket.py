"""WebSocket through each rendered proxy to our own server, which speaks HTTP/2 or HTTP/1.1 on the hop as the site says."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.interop.hop import DEADLINE, SITE, Installed, Stack, proves, stack
from tests.support.process import Server

APP = "tests.support.websocket_app:app"
MESSAGES: list[Any] = ["hello", "é" * 50_000, bytes(range(256)) * 400, ""]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(APP, "--timeout-graceful", "1") as server:
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.said


def address(server: Server) -> str:
    return server.url.removeprefix("http://")


def chat(shop: Stack) -> None:
    """Talk as a browser does, over HTTP/1.1 and TLS."""
    raw = socket.create_connection(("127.0.0.1", shop.port), timeout=DEADLINE)
    uri = f"wss://shop.test:{shop.port}/"
    with connect(uri, sock=raw, ssl=shop.tls(), open_timeout=DEADLINE, close_timeout=DEADLINE, max_size=None) as client:
        assert client.protocol.extensions, "no compression: the proxy dropped Sec-WebSocket-Extensions"
        for message in MESSAGES:
            client.send(message)
            assert client.recv(DEADLINE) == message
        client.close(3001, "bye")


def hears_the_close(server: Server) -> bool:
    told = httpx.get(f"{server.url}/told", timeout=DEADLINE).json()
    return [3001, "bye"] in told["disconnects"]


@proves("websocket_over_h2")
def test_websocket_to_our_server_over_http2(on: Installed, server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    site = SITE.replace("protocol: h2c", "protocol: h2c, websocket: over_h2")
    with stack(on, tmp_path_factory.mktemp("over-h2"), address(server), site) as shop:
        chat(shop)
    assert hears_the_close(server)


@proves("websocket_http1")
def test_websocket_to_our_server_over_http1(on: Installed, server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    site = SITE.replace("protocol: h2c", "protocol: h2c, websocket: over_http1" if on.can("websocket_split") else "protocol: http1")
    with stack(on, tmp_path_factory.mktemp("over-http1"), address(server), site) as shop:
        chat(shop)
        assert json.loads(shop.ask("/told").content)["sent"] == 0
    assert hears_the_close(server)
