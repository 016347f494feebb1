"""A server that records what a client sends: how many distinct values each field has, and how HPACK wrote them.

`python -m bench.recorder PORT` answers 13 bytes to every request over h2c (prior knowledge) and HTTP/1.1, and prints
what it recorded when it is stopped. It shows that the load generator sends what it says, and what real proxies send.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from hpack import Decoder

from bench.apps import HELLO

__all__ = ["Http1Recorder", "Http2Recorder", "Record", "answer", "frame", "representations", "serve"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, CONTINUATION = 0, 1, 4, 6, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
FRAME_HEAD = 9
TURNS = 5
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(HELLO), HELLO)


class Record:
    """What was recorded: values and representations by field name."""

    def __init__(self) -> None:
        self.requests = self.connections = self.table_updates = self.body = 0
        self.values: dict[str, set[str]] = defaultdict(set)
        self.written: dict[str, Counter[str]] = defaultdict(Counter)
        self.names: list[str] = []

    def head(self, fields: Sequence[tuple[str, str]], written: Sequence[str] = ()) -> None:
        """Add one request's head; `written` says how each field was represented."""
        self.requests += 1
        self.names = [name for name, _ in fields]
        for name, value in fields:
            self.values[name].add(value)
        for (name, _), how in zip(fields, written, strict=False):
            self.written[name][how] += 1

    def summary(self) -> dict[str, Any]:
        """Return it all, ready to be dumped."""
        return {
            "requests": self.requests, "connections": self.connections, "table_updates": self.table_updates,
            "body": self.body, "order": self.names,
            "fields": {
                name: {"distinct": len(values), "written": dict(self.written[name].most_common()),
                       "example": min(values)}
                for name, values in self.values.items()
            },
        }


def representations(block: bytes) -> list[str]:
    """Return how each field of a header block is written (RFC 7541, section 6).

    "indexed", or "incremental", "without", "never", followed by "name" where the name is a literal and by "huffman"
    where the value is Huffman coded; "update" for a table size update.
    """
    found, at = [], 0
    while at < len(block):
        first = block[at]
        if first & 0x80:
            _, at = _integer(block, at, 7)
            found.append("indexed")
        elif first & 0xE0 == 0x20:
            _, at = _integer(block, at, 5)
            found.append("update")
        else:
            kind, prefix = ("incremental", 6) if first & 0x40 else ("never" if first & 0x10 else "without", 4)
            index, at = _integer(block, at, prefix)
            if not index:
                _, at = _string(block, at)
            huffman, at = _string(block, at)
            found.append(" ".join([kind, *([] if index else ["name"]), *(["huffman"] if huffman else [])]))
    return found


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    limit = (1 << prefix) - 1
    value, at, shift = block[at] & limit, at + 1, 0
    if value < limit:
        return value, at
    while True:
        octet, at = block[at], at + 1
        value += (octet & 127) << shift
        shift += 7
        if octet < 128:
            return value, at


def _string(block: bytes, at: int) -> tuple[bool, int]:
    huffman = bool(block[at] & 0x80)
    length, at = _integer(block, at, 7)
    return huffman, at + length


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return an HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def answer(stream: int) -> bytes:
    """Return a whole answer: 200 and 13 bytes."""
    return frame(HEADERS, END_HEADERS, stream, b"\x88") + frame(DATA, END_STREAM, stream, HELLO)


class Http2Recorder:
    """One HTTP/2 connection: bytes in, bytes out, heads recorded.

    `answer` makes the frames that answer a stream whose request is complete; `settings` is the payload of ours.
    """

    def __init__(self, record: Record, answer: Callable[[int], bytes] = answer, settings: bytes = b"") -> None:
        self._record, self._decoder = record, Decoder()
        self._answer, self._settings = answer, settings
        self._buffer, self._block, self._ends = b"", b"", False
        self._preface_seen = False

    def limit_table(self, size: int) -> None:
        """Take no larger dynamic table than that: the client has to have been told by `settings`."""
        self._decoder.max_allowed_table_size = size

    def receive(self, data: bytes) -> bytes:
        """Take what the client sent and return what is to be sent to it."""
        self._buffer += data
        out = b""
        if not self._preface_seen:
            if len(self._buffer) < len(PREFACE):
                return b""
            self._preface_seen, self._buffer = True, self._buffer[len(PREFACE) :]
            out = frame(SETTINGS, 0, 0, self._settings)
        while len(self._buffer) >= FRAME_HEAD:
            length = int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < FRAME_HEAD + length:
                break
            head, payload = self._buffer[:FRAME_HEAD], self._buffer[FRAME_HEAD : FRAME_HEAD + length]
            self._buffer = self._buffer[FRAME_HEAD + length :]
            out += self.on_frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        return out

    def on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        """Take one frame and return what is to be sent because of it."""
        if kind == SETTINGS and not flags & ACK:
            return frame(SETTINGS, ACK, 0)
        if kind == PING and not flags & ACK:
            return frame(PING, ACK, 0, payload)
        if kind == DATA:
            self._record.body += len(payload)
            return self._answer(stream) if flags & END_STREAM else b""
        if kind not in (HEADERS, CONTINUATION):
            return b""
        if kind == HEADERS:
            padding = payload[0] if flags & PADDED else 0
            skipped = (1 if flags & PADDED else 0) + (5 if flags & PRIORITY else 0)
            payload = payload[skipped : len(payload) - padding]
            self._block, self._ends = b"", bool(flags & END_STREAM)
        self._block += payload
        if not flags & END_HEADERS:
            return b""
        self._head()
        return self._answer(stream) if self._ends else b""

    def _head(self) -> None:
        written = representations(self._block)
        self._record.table_updates += written.count("update")
        fields = [(str(name), str(value)) for name, value in self._decoder.decode(self._block)]
        self._record.head(fields, [how for how in written if how != "update"])


class Http1Recorder:
    """One HTTP/1.1 connection; each request has the same answer."""

    def __init__(self, record: Record, answer: bytes = ANSWER) -> None:
        self._record, self._answer, self._buffer, self._body = record, answer, b"", 0

    def receive(self, data: bytes) -> bytes:
        """Take what the client sent and return what is to be sent to it."""
        self._buffer += data
        out = b""
        while True:
            taken = min(self._body, len(self._buffer))
            self._buffer, self._body = self._buffer[taken:], self._body - taken
            self._record.body += taken
            if taken and not self._body:
                out += self._answer
            if self._body or b"\r\n\r\n" not in self._buffer:
                return out
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._body = self._head(head.decode("latin-1"))
            out += b"" if self._body else self._answer

    def _head(self, head: str) -> int:
        """Record a head and return the length of the body that follows it."""
        line, *lines = head.split("\r\n")
        method, path, _ = line.split(" ")
        fields = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in lines)]
        self._record.head([(":method", method), (":path", path), *fields])
        return int(dict(fields).get("content-length", "0"))


Recorder = Http1Recorder | Http2Recorder
Make = Callable[[bool], Recorder]


class _Connection(asyncio.Protocol):
    def __init__(self, record: Record, make: Make, transports: set[asyncio.BaseTransport]) -> None:
        self._record, self._make, self._transports, self._first = record, make, transports, b""
        self._recorder: Recorder | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transports.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._recorder is None:
            self._first += data
            if len(self._first) < len(PREFACE) and PREFACE.startswith(self._first):
                return
            self._recorder = self._make(self._first.startswith(PREFACE))
            self._record.connections += 1
            data = self._first
        out = self._recorder.receive(data)
        if out and isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(out)


@contextlib.asynccontextmanager
async def serve(record: Record, port: int = 0, make: Make | None = None) -> AsyncIterator[int]:
    """Serve on that port, or a free one, of 127.0.0.1; yields the port. `make` makes what answers HTTP/2 or not."""

    def plain(http2: bool) -> Recorder:
        return Http2Recorder(record) if http2 else Http1Recorder(record)

    transports: set[asyncio.BaseTransport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(record, make or plain, transports), "127.0.0.1", port)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        for _ in range(TURNS):  # a closed server stumbles over a connection that was just accepted
            await asyncio.sleep(0)
        server.close()
        for transport in list(transports):
            transport.close()
        while transports:
            await asyncio.sleep(0)


async def _main(port: int) -> None:
    record, stopped = Record(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serve(record, port):
        await stopped.wait()
    print(json.dumps(record.summary(), indent=1))


def main(argv: Sequence[str] | None = None) -> int:
    """Record until stopped by INT or TERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.recorder", description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    asyncio.run(_main(parser.parse_args(argv).port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
