"""An HTTP/1.1 client over h11, and one that sends any bytes and counts the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import h11

from proxyconf.verify.edge.link import Edge, Link
from proxyconf.verify.edge.response import Response

__all__ = ["Http1Client", "Raw", "connect_http1", "send_raw"]

READ = 65_536


class Http1Client:
    """One connection, one request after the other."""

    def __init__(self, link: Link, authority: str) -> None:
        self.link, self.authority = link, authority
        self._h11 = h11.Connection(h11.CLIENT)

    async def request(
        self, method: str, target: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None, early: float = 0.0,
    ) -> Response:
        """Send a request and read its response, which may come before the body was sent.

        The body waits `early` seconds for an answer to the head alone: who closes after one while a body arrives
        may lose it on the way (RFC 9112 section 9.6).
        """
        await self.send_head(method, target, fields, len(body) if body is not None else None)
        sending = asyncio.create_task(self._send_body(body or b"", early))
        try:
            return await self.response()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def send_head(
        self, method: str, target: str, fields: Iterable[tuple[str, str]], length: int | None = None
    ) -> None:
        """Send a request's head; with `length` None it has no body unless a field says so."""
        if self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
        headers = [("host", self.authority), *fields]
        if length is not None:
            headers.append(("content-length", str(length)))
        await self._send(h11.Request(method=method, target=target, headers=headers))

    async def _send_body(self, body: bytes, early: float) -> None:
        if early:
            await asyncio.sleep(early)
        for start in range(0, len(body), READ):
            await self.send(body[start : start + READ])
        await self.end()

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send(h11.Data(data=data))

    async def end(self, trailers: Iterable[tuple[str, str]] = ()) -> None:
        """End the request."""
        await self._send(h11.EndOfMessage(headers=list(trailers)))

    async def response(self) -> Response:
        """Read the response to its end; one that is broken off is not `whole`."""
        response = Response("HTTP/1.1")
        async for piece in self.receive(response):
            response.body += piece
        return response

    async def receive(self, response: Response) -> AsyncIterator[bytes]:
        """Read a response: its head into `response`, its body piece by piece."""
        while not response.whole and not response.error:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                response.error = "closed" if self._h11.trailing_data[1] else f"the edge broke HTTP/1.1: {error}"
                return
            if event is h11.NEED_DATA:
                self._h11.receive_data(await self._read())
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                _take(event, response)

    async def _read(self) -> bytes:
        try:
            return await self.link.reader.read(READ)
        except ConnectionError:
            return b""

    async def _send(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            # A refused request is answered while it is sent: what counts is the answer.
            with contextlib.suppress(ConnectionError):
                self.link.writer.write(data)
                await self.link.writer.drain()


def _take(event: object, response: Response) -> None:
    if isinstance(event, h11.InformationalResponse):
        response.informed.append((event.status_code, _pairs(event.headers)))
    elif isinstance(event, h11.Response):
        response.status, response.fields = event.status_code, _pairs(event.headers)
    elif isinstance(event, h11.EndOfMessage):
        response.trailers, response.whole = _pairs(event.headers), True
    else:
        response.error = "closed"


def _pairs(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


@contextlib.asynccontextmanager
async def connect_http1(edge: Edge) -> AsyncIterator[Http1Client]:
    """Connect and offer HTTP/1.1 only."""
    link = await edge.connect("http/1.1")
    try:
        yield Http1Client(link, edge.authority)
    finally:
        link.abort()


class Raw:
    """What came back for bytes that were sent as they are."""

    def __init__(self, data: bytes, closed: bool) -> None:
        self.data, self.closed = data, closed
        self.responses = list(_responses(data))

    @property
    def statuses(self) -> list[int]:
        """The final status of each response, in order."""
        return [response.status for response in self.responses if response.status]

    @property
    def outcome(self) -> str:
        """What came, in a few words."""
        words = ", ".join(map(str, self.statuses)) or "no answer"
        return f"{words}, closed" if self.closed else words


def _responses(data: bytes) -> Iterable[Response]:
    """Yield one response after the other, the last one perhaps broken off."""
    while data:
        parser, response = h11.Connection(h11.CLIENT), Response("HTTP/1.1")
        parser.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        parser.receive_data(data)
        try:
            while (event := parser.next_event()) is not h11.NEED_DATA and not response.whole and not response.error:
                if isinstance(event, h11.Data):
                    response.body += event.data
                else:
                    _take(event, response)
        except h11.RemoteProtocolError as error:
            response.error = str(error)
        yield response
        if not response.whole:
            return
        data = parser.trailing_data[0]


async def send_raw(edge: Edge, *parts: bytes, seconds: float = 5.0, quiet: float = 0.6) -> Raw:
    """Send bytes on one connection; read until it ends, or until nothing has come for `quiet` after an answer."""
    link = await edge.connect("http/1.1")
    data = b""
    try:
        for part in parts:
            link.writer.write(part)
            await link.writer.drain()
        async with asyncio.timeout(seconds):
            while True:
                wait = quiet if data else seconds
                more = await asyncio.wait_for(link.reader.read(READ), wait)
                if not more:
                    return Raw(data, closed=True)
                data += more
    except TimeoutError:
        return Raw(data, closed=False)
    except ConnectionError:
        return Raw(data, closed=True)
    finally:
        link.abort()
