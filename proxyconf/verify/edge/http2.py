"""An HTTP/2 client over h2: one connection, many streams, and nothing it would not send."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from h2.settings import SettingCodes

from proxyconf.verify.edge.link import Edge, EdgeError, Link
from proxyconf.verify.edge.response import Response
from proxyconf.verify.goaway import GoawayFilter

__all__ = ["Http2Client", "Http2Stream", "connect_http2"]

READ = 65_536
WINDOW = 4 * 1024 * 1024
REFUSED_STREAM = 7


class Http2Client:
    """One connection; its streams are independent of each other."""

    def __init__(self, link: Link, edge: Edge) -> None:
        self.link, self._edge = link, edge
        # It must be able to send what a proxy has to refuse; what the proxy sends is held to the RFC.
        config = h2.config.H2Configuration(
            client_side=True, header_encoding="latin-1", validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )  # fmt: skip
        self.h2 = h2.connection.H2Connection(config)
        announced = {SettingCodes.INITIAL_WINDOW_SIZE: WINDOW, SettingCodes.ENABLE_PUSH: 0}
        self.h2.local_settings = h2.settings.Settings(client=True, initial_values=announced)
        self.streams: dict[int, Http2Stream] = {}
        self.changed = asyncio.Condition()
        self.settled = asyncio.Event()  # the edge's settings are here
        self.goaway = GoawayFilter()
        self.ended = ""
        self._reading: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Send the preface and read from now on."""
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW)
        await self.flush()
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Leave."""
        self.link.abort()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    @property
    def takes_extended_connect(self) -> bool:
        """Whether the edge announced RFC 8441."""
        return bool(self.h2.remote_settings.enable_connect_protocol)

    async def request(
        self, method: str, path: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Response:
        """Send a request and read its response."""
        stream = await self.open(method, path, fields, end=body is None)
        if body is not None:
            await stream.send(body, end=True)
        return await stream.response()

    async def open(
        self, method: str, path: str, fields: Iterable[tuple[str, str]] = (), *, end: bool = False
    ) -> Http2Stream:
        """Send a request's head."""
        head = [(":method", method), (":scheme", self._edge.scheme), (":authority", self._edge.authority)]
        return await self.open_raw([*head, (":path", path), *fields], end=end)

    async def open_raw(self, fields: Iterable[tuple[str, str]], *, end: bool) -> Http2Stream:
        """Send any header list."""
        if self.ended:
            raise EdgeError(self.ended)
        try:
            stream_id = self.h2.get_next_available_stream_id()
            self.h2.send_headers(stream_id, list(fields), end_stream=end)
        except h2.exceptions.ProtocolError as error:
            raise EdgeError(f"the request could not be sent: {error!r}") from error
        stream = self.streams[stream_id] = Http2Stream(self, stream_id)
        await self.flush()
        return stream

    async def flush(self) -> None:
        """Send what h2 has to send."""
        data = self.h2.data_to_send()
        if self.link.writer.is_closing():
            await asyncio.sleep(0)  # the reader has its turn: it notices the end, and knows what came before
            return
        with contextlib.suppress(ConnectionError):
            self.link.writer.write(data)
            await self.link.writer.drain()

    async def _read(self) -> None:
        try:
            while data := await self.link.reader.read(READ):
                for event in self.h2.receive_data(self.goaway.feed(data)):
                    self._on(event)
                await self.flush()
                await self._tell()
            self.ended = "the edge closed the connection"
        except h2.exceptions.ProtocolError as error:
            self.ended = f"the edge broke HTTP/2: {error!r}"
        except ConnectionError as error:
            self.ended = f"the connection broke: {error!r}"
        finally:
            self.ended = self.ended or "the client left"
            self.settled.set()
            await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _on(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged():
                self.settled.set()
            case h2.events.DataReceived(stream_id=int(stream_id)):
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
                self.streams[stream_id].on(event)
            case _:
                stream = self.streams.get(getattr(event, "stream_id", None) or 0)
                if stream is not None:
                    stream.on(event)


class Http2Stream:
    """One request and its response, either of which may come in parts."""

    def __init__(self, client: Http2Client, stream_id: int) -> None:
        self._client, self.id = client, stream_id
        self._response = Response("HTTP/2")
        self._pieces: list[bytes] = []
        self._over = False

    def on(self, event: h2.events.Event) -> None:
        """Take what the connection brought for this stream."""
        response = self._response
        match event:
            case h2.events.InformationalResponseReceived():
                status, *fields = _pairs(event.headers)
                response.informed.append((int(status[1]), fields))
            case h2.events.ResponseReceived():
                status, *response.fields = _pairs(event.headers)
                response.status, response.bare = int(status[1]), event.stream_ended is not None
            case h2.events.DataReceived():
                self._pieces.append(event.data or b"")
            case h2.events.TrailersReceived():
                response.trailers = _pairs(event.headers)
            case h2.events.StreamEnded():
                response.whole = self._over = True
            case h2.events.StreamReset():
                response.reset, self._over = int(event.error_code or 0), True

    @property
    def is_unprocessed(self) -> bool:
        """Whether the edge said that it did not begin this stream."""
        refused = self._response.reset == REFUSED_STREAM
        return not self._response.status and (refused or self.id > self._client.goaway.last_stream)

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        goaway = self._client.goaway
        # With an error code the connection is over (RFC 9113 section 5.4.1), though some close it a second later.
        return self._over or bool(self._client.ended or goaway.code) or self.id > goaway.last_stream

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a part of the body as the windows allow; stops early where the stream is over."""
        session = self._client.h2
        while not self.is_over:
            try:
                room = self._room()
                part, data = data[:room], data[room:]
                if part or (end and not data):
                    session.send_data(self.id, part, end_stream=end and not data)
                    await self._client.flush()
            except h2.exceptions.ProtocolError:
                return  # answered or reset already: the response tells
            if not data:
                return
            await self._until(lambda: self._room() > 0)

    async def send_trailers(self, fields: Iterable[tuple[str, str]]) -> None:
        """End the request with trailers."""
        self._client.h2.send_headers(self.id, list(fields), end_stream=True)
        await self._client.flush()

    async def reset(self, code: int = 8) -> None:
        """Give up."""
        self._client.h2.reset_stream(self.id, code)
        self._over = True
        await self._client.flush()

    async def head(self) -> Response:
        """Wait for the final head, or for the stream's end."""
        await self._until(lambda: bool(self._response.status))
        return self._response

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while True:
            while self._pieces:
                yield self._pieces.pop(0)
            if self.is_over:
                return
            await self._until(lambda: bool(self._pieces))

    async def response(self) -> Response:
        """Read the response to its end."""
        response = self._response
        pieces = [piece async for piece in self.pieces()]
        response.body += b"".join(pieces)
        if not response.whole and response.reset is None:
            code = self._client.goaway.code
            response.error = self._client.ended or (f"GOAWAY {code}" if code else "refused by GOAWAY")
        return response

    def _room(self) -> int:
        """How much may be sent now; 0 on a stream that is over."""
        session = self._client.h2
        if self.is_over:
            return 0
        return max(0, min(session.local_flow_control_window(self.id), session.max_outbound_frame_size))

    async def informed(self, count: int = 1) -> Response:
        """Wait for that many 1xx heads, or for the final one."""
        await self._until(lambda: len(self._response.informed) >= count or bool(self._response.status))
        return self._response

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to hold, or for the end of the stream."""
        async with self._client.changed:
            await self._client.changed.wait_for(lambda: holds() or self.is_over)


def _pairs(headers: object) -> list[tuple[str, str]]:
    assert isinstance(headers, list)
    return [(str(name), str(value)) for name, value in headers]


@contextlib.asynccontextmanager
async def connect_http2(edge: Edge) -> AsyncIterator[Http2Client]:
    """Connect with ALPN h2, or with prior knowledge in cleartext; raises `EdgeError` if the edge chose otherwise."""
    link = await edge.connect("h2")
    client = Http2Client(link, edge)
    try:
        if edge.tls and link.alpn != "h2":
            raise EdgeError(f"the edge chose {link.alpn or 'no protocol'} by ALPN, not h2")
        await client.begin()
        yield client
    finally:
        await client.close()
