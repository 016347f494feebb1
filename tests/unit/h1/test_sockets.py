"""The same connection on real sockets, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from appserver.accepted import Peer
from appserver.config.options import Http1Options, TimeoutOptions
from appserver.h1.connection import Connection
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits
from tests.unit.h1.talk import App, Call, Handler, when_complete

uvloop = pytest.importorskip("uvloop")

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Accepts, and puts a connection in place with the first bytes, as the front does."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self.loop = asyncio.get_running_loop()
        self.app = App(handler)
        self.limits = limits
        self.open: set[object] = set()
        self.read_buffer = bytearray()

    def accept(self) -> asyncio.Protocol:
        return Front(self)

    def upgrade(self, *handed_over: object) -> None:
        raise AssertionError("nobody asks for it here")

    def closed(self, connection: object) -> None:
        self.open.discard(connection)


class Front(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        server = self.server
        peer = Peer(self.transport.get_extra_info("peername"), ("192.0.2.1", 80), "http")
        connection: Any = Connection(
            self.transport, peer, server.app, AnswerContext(), server.limits, Http1Options(), TimeoutOptions(), server
        )
        server.open.add(connection)
        self.transport.set_protocol(connection)
        connection.data_received(data)


Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Server], Awaitable[None]]


def converse(
    new_loop: Callable[[], asyncio.AbstractEventLoop], handler: Handler, client: Client, body: int = 100_000
) -> None:
    async def main() -> None:
        server = Server(handler, Limits(8_190, 100, 16_384, 65_536, body))
        listener = await server.loop.create_server(server.accept, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname()[:2])
        async with asyncio.timeout(20):
            await client(reader, writer, server)
            writer.close()
            while server.open:
                await asyncio.sleep(0.01)
        listener.close()
        await listener.wait_closed()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    new_loop: Callable[[], asyncio.AbstractEventLoop] = request.param
    return new_loop


def test_half_closed_it_is_still_answered(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        writer.write_eof()
        while len(server.app.calls) < 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        server.app.calls[0].answer()
        while len(server.app.calls) < 2:
            await asyncio.sleep(0.01)
        server.app.calls[1].answer()
        assert await reader.read() == OK + OK

    converse(loop, lambda call: None, client)


def test_a_refused_upload_still_reads_its_answer(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """A close with unread bytes would be a reset, and the 413 lost on its way."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
        for _ in range(50):
            writer.write(bytes(100_000))
            await writer.drain()
        writer.write_eof()
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")

    converse(loop, when_complete, client)


def test_twenty_megabytes_up_and_down(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    size = 20_000_000
    block = bytes(range(250)) * 400
    downs = []

    def handler(call: Call) -> None:
        if call.complete and not call.answered:
            call.answered = True
            call.stream.respond(200, [(b"content-length", str(size).encode())], False)
            downs.append(asyncio.ensure_future(send(call)))

    async def send(call: Call) -> None:
        for at in range(0, size, len(block)):
            while not call.stream.writable:
                await asyncio.sleep(0.001)
            call.stream.write(block, at + len(block) == size)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(0, size, len(block)):
            writer.write(b"%x\r\n" % len(block) + block + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 20000000\r\n" in head
        digest = hashlib.sha256(await reader.readexactly(size)).digest()
        expected = hashlib.sha256(block * (size // len(block))).digest()
        assert digest == expected
        assert hashlib.sha256(server.app.calls[0].body).digest() == expected
        writer.write(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        while len(server.app.calls) < 2:
            await asyncio.sleep(0.01)

    converse(loop, handler, client, body=0)
    assert downs


def test_a_client_that_goes_is_noticed(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
        while not server.app.calls:
            await asyncio.sleep(0.01)
        writer.close()
        while not server.app.calls[0].lost:
            await asyncio.sleep(0.01)

    converse(loop, lambda call: None, client)
