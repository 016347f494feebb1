"""The origin's WebSocket: it echoes, over HTTP/1.1 and as RFC 8441 has it over HTTP/2. Frames are wsproto's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import wsproto
from wsproto.connection import Connection, ConnectionType
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.utilities import RemoteProtocolError

from proxyconf.verify.seen import Seen

__all__ = ["echo", "serve_http1"]

READ = 65_536
Headers = Sequence[tuple[bytes, bytes]]


async def serve_http1(
    seen: Seen, headers: Headers, early: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Accept the upgrade and echo until the peer closes."""
    session = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    try:
        session.initiate_upgrade_connection(list(headers), seen.target)
    except RemoteProtocolError:
        seen.ended = "cut"
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        return
    try:
        request = next(session.events())
        assert isinstance(request, Request)
        seen.subprotocol = ", ".join(request.subprotocols)
        writer.write(session.send(AcceptConnection()))
        if early:
            session.receive_data(early)
        while await _echo_events(seen, session.events(), session.send, _writing(writer)):
            data = await reader.read(READ)
            session.receive_data(data or None)
        seen.ended = seen.answered = "whole"
    except (RemoteProtocolError, ConnectionError) as error:
        seen.error, seen.ended = str(error), "cut"


async def echo(seen: Seen, incoming: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]]) -> None:
    """Echo on an established session: `incoming` bytes in, `write` out."""
    session = Connection(ConnectionType.SERVER)
    async for data in incoming:
        session.receive_data(data)
        if not await _echo_events(seen, session.events(), session.send, write):
            break
    seen.ended = seen.answered = "whole"


def _writing(writer: asyncio.StreamWriter) -> Callable[[bytes], Awaitable[None]]:
    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return write


async def _echo_events(
    seen: Seen, events: object, send: Callable[[Event], bytes], write: Callable[[bytes], Awaitable[None]]
) -> bool:
    """Answer what came; False once the session is closed."""
    assert hasattr(events, "__iter__")
    for event in events:
        match event:
            case TextMessage(data=text):
                seen.messages.append(text)
                await write(send(TextMessage(data=text, message_finished=event.message_finished)))
            case BytesMessage(data=data):
                await write(send(BytesMessage(data=bytes(data), message_finished=event.message_finished)))
            case Ping():
                await write(send(event.response()))
            case CloseConnection():
                await write(send(event.response()))
                return False
    return True
