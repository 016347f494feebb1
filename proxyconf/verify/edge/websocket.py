"""A WebSocket client by HTTP/1.1 upgrade and by RFC 8441, the frames wsproto's."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

import h11
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Message
from wsproto.utilities import RemoteProtocolError

from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.link import Edge, EdgeError

__all__ = ["Session", "websocket_over_http1", "websocket_over_http2"]

READ = 65_536
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


@dataclass
class Session:
    """An established session."""

    read: Callable[[], Awaitable[bytes]]  # empty at the end
    write: Callable[[bytes], Awaitable[None]]

    def __post_init__(self) -> None:
        self._frames = Connection(ConnectionType.CLIENT)

    async def echo(self, text: str) -> str:
        """Send a text and return the next one; raises `EdgeError`."""
        await self.write(self._frames.send(Message(data=text)))
        got = ""
        while True:
            try:
                for event in self._frames.events():
                    if isinstance(event, Message):
                        got += str(event.data)
                        if event.message_finished:
                            return got
                    if isinstance(event, CloseConnection):
                        raise EdgeError(f"closed with {event.code}")
                data = await self.read()
                if not data:
                    raise EdgeError("the connection ended")
                self._frames.receive_data(data)
            except RemoteProtocolError as error:
                raise EdgeError(f"the frames are broken: {error}") from error

    async def close(self) -> None:
        """Say goodbye."""
        await self.write(self._frames.send(CloseConnection(code=1000)))


@contextlib.asynccontextmanager
async def websocket_over_http1(edge: Edge, path: str, fields: Iterable[tuple[str, str]]) -> AsyncIterator[Session]:
    """Upgrade an HTTP/1.1 connection; raises `EdgeError` unless the answer is a right 101."""
    key = base64.b64encode(os.urandom(16))
    link = await edge.connect("http/1.1")
    parser = h11.Connection(h11.CLIENT)
    asked = [("host", edge.authority), ("connection", "Upgrade"), ("upgrade", "websocket"),
             ("sec-websocket-version", "13"), ("sec-websocket-key", key.decode()), *fields]  # fmt: skip
    try:
        link.writer.write(parser.send(h11.Request(method="GET", target=path, headers=asked)) or b"")
        parser.send(h11.EndOfMessage())
        while (event := parser.next_event()) is h11.NEED_DATA:
            parser.receive_data(await link.reader.read(READ))
        _check_upgrade(event, key)
        early = [parser.trailing_data[0]]

        async def read() -> bytes:
            return early.pop() if early and early[0] else await link.reader.read(READ)

        async def write(data: bytes) -> None:
            link.writer.write(data)
            await link.writer.drain()

        yield Session(read, write)
    except ConnectionError as error:
        raise EdgeError(str(error)) from error
    finally:
        link.abort()


def _check_upgrade(event: object, key: bytes) -> None:
    if not isinstance(event, h11.InformationalResponse) or event.status_code != 101:
        raise EdgeError(f"answered {getattr(event, 'status_code', 'nothing')} instead of 101")
    accept = dict(event.headers).get(b"sec-websocket-accept", b"")
    wanted = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    if accept != wanted:
        raise EdgeError(f"101 with sec-websocket-accept {accept.decode('latin-1') or 'missing'}: a browser would refuse")


@contextlib.asynccontextmanager
async def websocket_over_http2(edge: Edge, path: str, fields: Iterable[tuple[str, str]]) -> AsyncIterator[Session]:
    """Open a session by extended CONNECT; raises `EdgeError` unless the edge announces and accepts it."""
    async with connect_http2(edge) as client:
        await client.settled.wait()
        if not client.takes_extended_connect:
            raise EdgeError("the edge does not announce SETTINGS_ENABLE_CONNECT_PROTOCOL")
        asked = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", edge.scheme),
                 (":path", path), (":authority", edge.authority), ("sec-websocket-version", "13"), *fields]  # fmt: skip
        stream = await client.open_raw(asked, end=False)
        response = await stream.head()
        if response.status != 200:
            raise EdgeError(f"answered {response.outcome} instead of 200")
        pieces = stream.pieces()

        async def read() -> bytes:
            return await anext(pieces, b"")

        yield Session(read, stream.send)
