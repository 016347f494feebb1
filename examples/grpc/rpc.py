"""gRPC on ASGI without a gRPC library: framing, statuses, deadlines and cancellation.

A method takes messages and yields messages, which is all four shapes; messages are bytes, whatever encodes them:

    async def total(messages: Messages, call: Call) -> Answers:
        yield str(sum([int(message) async for message in messages])).encode()

    app = Service({"/shop.v1.Cart/Total": total})

Source: gRPC over HTTP2 (PROTOCOL-HTTP2.md in the grpc repository).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from enum import IntEnum
from typing import Any
from urllib.parse import quote

__all__ = ["Answers", "Call", "Code", "Messages", "RpcError", "Service"]

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pairs = list[tuple[bytes, bytes]]
Messages = AsyncIterator[bytes]
Answers = AsyncGenerator[bytes, None]

PREFIX = struct.Struct(">?I")
LONGEST = 4 * 1024 * 1024  # of one message, as gRPC libraries have it
QUEUED = 16  # messages that are read before the method asks for them
UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


class Code(IntEnum):
    """The status codes that a server has use for."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13


class RpcError(Exception):
    """Ends a call with a status."""

    def __init__(self, code: Code, details: str = "") -> None:
        super().__init__(code, details)
        self.code, self.details = code, details


class Call:
    """One call: the request's metadata, the seconds it may take (None: any), and the trailing metadata to send."""

    def __init__(self, headers: Pairs) -> None:
        self.metadata = dict(headers)
        self.timeout = _seconds(self.metadata.get(b"grpc-timeout"))
        self.trailing: Pairs = []


Method = Callable[[Messages, Call], Answers]


class Service:
    """An ASGI application of methods by path."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self.methods = methods

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI 3 entry point."""
        if scope["type"] != "http":
            raise ValueError(f"gRPC is HTTP, not {scope['type']}")
        call, response = Call(scope["headers"]), Response(send)
        if not call.metadata.get(b"content-type", b"").startswith(b"application/grpc"):
            await send({"type": "http.response.start", "status": 415, "headers": []})
            await send({"type": "http.response.body"})
            return
        incoming: asyncio.Queue[bytes | RpcError | None] = asyncio.Queue(QUEUED)
        # Whoever is ready first ends the call: the method has answered, or the client has left.
        reading = asyncio.ensure_future(_read(receive, incoming))
        answering = asyncio.ensure_future(_answer(self.methods.get(scope["path"], _unknown), call, incoming, response))
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, answering):
                task.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)
        for task in (reading, answering):
            if not task.cancelled():
                task.result()


class Response:
    """The answer: messages, then a status in trailers, or in the head if there was no message (Trailers-Only)."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def write(self, message: bytes) -> None:
        """Send one message."""
        await self._begin()
        data = PREFIX.pack(False, len(message)) + message
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, code: Code, details: str, trailing: Pairs) -> None:
        """Send the status."""
        status = [(b"grpc-status", b"%d" % code), *trailing]
        if details:
            status.append((b"grpc-message", quote(details, safe=PRINTABLE).encode()))
        if not self._begun and code is not Code.OK:
            await self._begin(status)
            await self._send({"type": "http.response.body"})
            return
        await self._begin()
        await self._send({"type": "http.response.body"})
        await self._send({"type": "http.response.trailers", "headers": status})

    async def _begin(self, status: Pairs | None = None) -> None:
        if not self._begun:
            self._begun = True
            headers = [(b"content-type", b"application/grpc"), *(status or ())]
            start = {"type": "http.response.start", "status": 200, "headers": headers, "trailers": status is None}
            await self._send(start)


async def _answer(
    method: Method, call: Call, incoming: asyncio.Queue[bytes | RpcError | None], response: Response
) -> None:
    code, details = Code.OK, ""
    try:
        async with asyncio.timeout(call.timeout), aclosing(method(_messages(incoming), call)) as messages:
            async for message in messages:
                await response.write(message)
    except RpcError as error:
        code, details = error.code, error.details
    except TimeoutError:
        code, details = Code.DEADLINE_EXCEEDED, "the deadline of the call has passed"
    await response.end(code, details, call.trailing)


async def _messages(incoming: asyncio.Queue[bytes | RpcError | None]) -> Answers:
    while (message := await incoming.get()) is not None:
        if isinstance(message, RpcError):
            raise message
        yield message


async def _read(receive: Receive, incoming: asyncio.Queue[bytes | RpcError | None]) -> None:
    """Take the body apart; returns when the client has left."""
    rest = bytearray()
    while (event := await receive())["type"] != "http.disconnect":
        rest += event.get("body", b"")
        try:
            while (message := _next(rest)) is not None:
                await incoming.put(message)
        except RpcError as error:
            await incoming.put(error)
            rest.clear()
        if not event.get("more_body", False):
            await incoming.put(None)


def _next(rest: bytearray) -> bytes | None:
    if len(rest) < PREFIX.size:
        return None
    compressed, size = PREFIX.unpack_from(rest)
    if compressed:
        raise RpcError(Code.UNIMPLEMENTED, "compressed messages are not understood")
    if size > LONGEST:
        raise RpcError(Code.RESOURCE_EXHAUSTED, f"a message of {size} bytes; {LONGEST} is the limit")
    end = PREFIX.size + size
    if len(rest) < end:
        return None
    message = bytes(rest[PREFIX.size : end])
    del rest[:end]
    return message


def _seconds(timeout: bytes | None) -> float | None:
    """Return a grpc-timeout, such as 500m, in seconds; what is none is no timeout."""
    text = (timeout or b"").decode("latin-1")
    return int(text[:-1]) * UNITS[text[-1]] if text[:-1].isdecimal() and text[-1] in UNITS else None


async def _unknown(messages: Messages, call: Call) -> Answers:
    raise RpcError(Code.UNIMPLEMENTED, "no such method")
    yield b""
