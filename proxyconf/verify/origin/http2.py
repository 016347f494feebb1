"""One HTTP/2 connection of the origin, over h2, which is told to pass on what it would refuse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from h2.settings import SettingCodes

from proxyconf.verify.answer import ID_FIELD, Fields
from proxyconf.verify.goaway import PREFACE, GoawayFilter
from proxyconf.verify.origin import websocket
from proxyconf.verify.origin.exchange import Cut, perform
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.seen import Seen

__all__ = ["Http2Connection"]

READ = 65_536
WINDOW = 4 * 1024 * 1024
STREAMS = 256
PSEUDO = {":method": "method", ":path": "target", ":scheme": "scheme", ":authority": "authority"}


class Http2Connection:
    """Serves the streams of one connection, each in a task; `first` is what was read before."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes, facts: Seen, journal: Journal
    ) -> None:
        self._reader, self._writer, self._first = reader, writer, first
        self._goaway = GoawayFilter(after=PREFACE)
        self._facts, self._journal = facts, journal
        # What a proxy lets through is to be seen, not refused here: a probe judges it.
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1", validate_inbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        announced = {
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
        }
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=announced)
        self._streams: dict[int, Http2Exchange] = {}
        self.windows_moved = asyncio.Condition()

    async def serve(self) -> None:
        """Serve until the peer leaves."""
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW)
        data = self._first
        try:
            while data:
                await self._receive(data)
                data = await self._reader.read(READ)
        except h2.exceptions.ProtocolError as error:
            seen = Seen(protocol="HTTP/2", listener=self._facts.listener, connection=self._facts.connection)
            seen.error = f"{type(error).__name__}: {error}"
            self._journal.note(seen)
            await self.flush()
        except ConnectionError:
            return  # the peer is gone; the streams end below
        finally:
            tasks = [exchange.cancel() for exchange in self._streams.values()]
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, data: bytes) -> None:
        for event in self.h2.receive_data(self._goaway.feed(data)):
            self._on(event)
        async with self.windows_moved:
            self.windows_moved.notify_all()
        await self.flush()

    def _on(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                self._begin(event)
            case h2.events.DataReceived(stream_id=stream_id) if stream_id in self._streams:
                self._streams[stream_id].arrived.put_nowait(event)
            case h2.events.DataReceived(stream_id=int(stream_id)):
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
            case h2.events.TrailersReceived(stream_id=stream_id) if stream_id in self._streams:
                self._streams[stream_id].seen.trailers = _pairs(event.headers)
            case h2.events.StreamEnded(stream_id=stream_id) if stream_id in self._streams:
                self._streams[stream_id].arrived.put_nowait(None)
            case h2.events.StreamReset(stream_id=stream_id) if stream_id in self._streams:
                self._streams[stream_id].cancel()

    def _begin(self, event: h2.events.RequestReceived) -> None:
        assert event.stream_id is not None
        exchange = Http2Exchange(self, event.stream_id, self._journal.note(_seen(event, self._facts)))
        self._streams[event.stream_id] = exchange
        exchange.task = asyncio.create_task(self._serve_stream(exchange))
        exchange.task.add_done_callback(lambda _: self._streams.pop(exchange.id))

    async def _serve_stream(self, exchange: Http2Exchange) -> None:
        try:
            await self._answer(exchange)
        finally:
            exchange.drop()

    async def _answer(self, exchange: Http2Exchange) -> None:
        if exchange.seen.extended == "websocket":
            await exchange.respond(200, (), end=False, trailers=False)
            await websocket.echo(exchange.seen, exchange.body(), exchange.write)
            await exchange.finish(())
            return
        answer = await perform(exchange.seen, exchange, self._journal)
        if answer is not None and answer.close:
            self.h2.close_connection()
            await self.flush()

    async def flush(self) -> None:
        """Send what h2 has to send."""
        data = self.h2.data_to_send()
        if data:
            self._writer.write(data)
            await self._writer.drain()


class Http2Exchange:
    """One stream of such a connection."""

    def __init__(self, connection: Http2Connection, stream_id: int, seen: Seen) -> None:
        self._connection, self.id, self.seen = connection, stream_id, seen
        self.arrived: asyncio.Queue[h2.events.DataReceived | None] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> asyncio.Task[None]:
        """The peer gave up: end the task and return it."""
        assert self.task is not None
        self.task.cancel()
        return self.task

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body; the peer may send more once a part was taken."""
        while (event := await self.arrived.get()) is not None:
            self._connection.h2.acknowledge_received_data(event.flow_controlled_length or 0, self.id)
            await self._connection.flush()
            yield event.data or b""

    def drop(self) -> None:
        """Give back the connection's window for what nobody takes any more."""
        while not self.arrived.empty():
            event = self.arrived.get_nowait()
            if event is not None:
                with contextlib.suppress(h2.exceptions.ProtocolError):  # the connection is over
                    self._connection.h2.acknowledge_received_data(event.flow_controlled_length or 0, self.id)

    async def inform(self, status: int, fields: Fields) -> None:
        """Send a 1xx response."""
        await self._headers([(":status", str(status)), *fields], end=False)

    async def respond(self, status: int, fields: Fields, *, end: bool, trailers: bool) -> None:
        """Send the head."""
        await self._headers([(":status", str(status)), *fields], end=end)

    async def _headers(self, headers: list[tuple[str, str]], *, end: bool) -> None:
        try:
            self._connection.h2.send_headers(self.id, headers, end_stream=end)
        except h2.exceptions.ProtocolError as error:
            raise Cut from error
        await self._connection.flush()

    async def write(self, data: bytes) -> None:
        """Send a part of the body as the windows allow."""
        connection = self._connection
        try:
            while data:
                async with connection.windows_moved:
                    await connection.windows_moved.wait_for(lambda: self._room() > 0)
                room = self._room()
                connection.h2.send_data(self.id, data[:room])
                data = data[room:]
                await connection.flush()
        except h2.exceptions.ProtocolError as error:
            raise Cut from error

    def _room(self) -> int:
        session = self._connection.h2
        return min(session.local_flow_control_window(self.id), session.max_outbound_frame_size)

    async def finish(self, trailers: Fields) -> None:
        """End the stream."""
        if trailers:
            await self._headers(list(trailers), end=True)
            return
        try:
            self._connection.h2.end_stream(self.id)
        except h2.exceptions.ProtocolError as error:
            raise Cut from error
        await self._connection.flush()

    async def abort(self) -> None:
        """Reset the stream."""
        self._connection.h2.reset_stream(self.id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        await self._connection.flush()


def _pairs(headers: object) -> list[tuple[str, str]]:
    assert isinstance(headers, list)
    return [(str(name), str(value)) for name, value in headers]


def _seen(event: h2.events.RequestReceived, facts: Seen) -> Seen:
    seen = Seen(
        protocol="HTTP/2", listener=facts.listener, connection=facts.connection,
        peer=facts.peer, proxy=facts.proxy, tls=facts.tls,
    )  # fmt: skip
    for name, value in _pairs(event.headers):
        if name == ":protocol":
            seen.extended = value
        elif name in PSEUDO:
            setattr(seen, PSEUDO[name], value)
        else:
            seen.fields.append((name, value))
    seen.id = seen.value(ID_FIELD)
    return seen
