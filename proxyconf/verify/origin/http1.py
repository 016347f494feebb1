"""One HTTP/1.1 connection of the origin, over h11."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import h11

from proxyconf.verify.answer import ID_FIELD, Answer, Fields
from proxyconf.verify.origin import websocket
from proxyconf.verify.origin.exchange import Cut, perform
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.seen import Seen

__all__ = ["Http1Connection"]

READ = 65_536
HEAD_LIMIT = 1024 * 1024


class Http1Connection:
    """Serves requests one after the other; `first` is what was read before."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes, facts: Seen, journal: Journal
    ) -> None:
        self._reader, self._writer, self._facts, self._journal = reader, writer, facts, journal
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._unparsed = first  # bytes since the last request, to show its head as it came
        self._h11.receive_data(first)
        self._ahead = b""  # what came while a request was answered
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve until the peer leaves or a request says that it is the last."""
        while (request := await self._head()) is not None:
            if _is_websocket(request):
                await self._upgrade(request)
                return
            exchange = Http1Exchange(self, _seen(request, self._facts, self._cut_head()))
            self._journal.note(exchange.seen)
            if not self._again(await self._perform(exchange)):
                return

    async def _perform(self, exchange: Http1Exchange) -> Answer | None:
        try:
            return await perform(exchange.seen, exchange, self._journal)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._gone or task is None:
                raise
            task.uncancel()
            return None
        finally:
            if self._watch is not None:
                self._watch.cancel()
                await asyncio.gather(self._watch, return_exceptions=True)

    def watch(self) -> None:
        """Notice from now on if the peer leaves while it waits for the answer: the current task is cancelled."""
        task = asyncio.current_task()
        assert task is not None
        self._watch = asyncio.create_task(self._until_gone(task))

    async def _until_gone(self, task: asyncio.Task[object]) -> None:
        try:
            self._ahead = await self._reader.read(READ)
        except ConnectionError:
            self._ahead = b""
        if not self._ahead:
            self._gone = True
            task.cancel()

    async def _head(self) -> h11.Request | None:
        try:
            event = await self.event()
        except (Cut, ConnectionError):
            return None
        except h11.RemoteProtocolError as error:
            await self._refuse(error)
            return None
        return event if isinstance(event, h11.Request) else None

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        seen = Seen(protocol="HTTP/1.1", listener=self._facts.listener, connection=self._facts.connection)
        seen.raw, seen.error = self._unparsed.decode("latin-1"), str(error)
        self._journal.note(seen)
        self._writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        await self._writer.drain()

    def _cut_head(self) -> str:
        head, end, self._unparsed = self._unparsed.partition(b"\r\n\r\n")
        return (head + end).decode("latin-1")

    def _again(self, answer: Answer | None) -> bool:
        if answer is None or answer.close or answer.abort or self._h11.our_state is not h11.DONE:
            return False
        if self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        self._unparsed = self._h11.trailing_data[0]
        return True

    async def event(self) -> object:
        """Return h11's next event, reading as needed."""
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            data, self._ahead = self._ahead or await self._reader.read(READ), b""
            self._unparsed += data if self._h11.their_state is h11.IDLE else b""
            self._h11.receive_data(data)
        if isinstance(event, h11.ConnectionClosed):
            raise Cut
        return event

    @property
    def has_ended(self) -> bool:
        """Whether the peer has sent all it will."""
        return bool(self._h11.trailing_data[1])

    async def send(self, event: h11.Event) -> None:
        """Send one h11 event."""
        data = self._h11.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def abort(self) -> None:
        """Close in the middle."""
        self._h11.send_failed()
        self._writer.transport.abort()

    async def _upgrade(self, request: h11.Request) -> None:
        seen = self._journal.note(_seen(request, self._facts, self._cut_head()))
        early = self._h11.trailing_data[0]
        await websocket.serve_http1(seen, request.headers, early, self._reader, self._writer)


class Http1Exchange:
    """One request of such a connection."""

    def __init__(self, connection: Http1Connection, seen: Seen) -> None:
        self._connection, self.seen = connection, seen

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body; at its end the trailers are known."""
        while True:
            try:
                event = await self._connection.event()
            except h11.RemoteProtocolError as error:
                self.seen.error = "" if self._connection.has_ended else str(error)
                raise Cut from error
            if isinstance(event, h11.EndOfMessage):
                self.seen.trailers = _pairs(event.headers)
                self._connection.watch()
                return
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def inform(self, status: int, fields: Fields) -> None:
        """Send a 1xx response."""
        await self._connection.send(h11.InformationalResponse(status_code=status, headers=list(fields)))

    async def respond(self, status: int, fields: Fields, *, end: bool, trailers: bool) -> None:
        """Send the head; without a length the body is chunked, as trailers need it."""
        headers = [*fields, *([("content-length", "0")] if end and status not in (204, 304) else [])]
        await self._connection.send(h11.Response(status_code=status, headers=headers))
        if end:
            await self._connection.send(h11.EndOfMessage())

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._connection.send(h11.Data(data=data))

    async def finish(self, trailers: Fields) -> None:
        """End the body."""
        await self._connection.send(h11.EndOfMessage(headers=list(trailers)))

    async def abort(self) -> None:
        """Close in the middle of it."""
        await self._connection.abort()


def _pairs(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _seen(request: h11.Request, facts: Seen, raw: str) -> Seen:
    seen = Seen(
        protocol=f"HTTP/{request.http_version.decode()}", listener=facts.listener, connection=facts.connection,
        peer=facts.peer, proxy=facts.proxy, tls=facts.tls, raw=raw,
        method=request.method.decode("latin-1"), target=request.target.decode("latin-1"), scheme=facts.scheme,
        fields=_pairs(request.headers.raw_items()),
    )  # fmt: skip
    seen.id = seen.value(ID_FIELD)
    return seen


def _is_websocket(request: h11.Request) -> bool:
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in request.headers)
