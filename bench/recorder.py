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
from collections.abc import Sequence
from typing import Any

from hpack import Decoder

from bench.apps import HELLO

__all__ = ["Http1Recorder", "Http2Recorder", "Record", "representations", "serve"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING, CONTINUATION = 1, 4, 6, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(HELLO), HELLO)


class Record:
    """What was recorded: values and representations by field name."""

    def __init__(self) -> None:
        self.requests = self.connections = self.table_updates = 0
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
            "order": self.names,
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


class Http2Recorder:
    """One HTTP/2 connection: bytes in, bytes out, heads recorded."""

    def __init__(self, record: Record) -> None:
        self._record, self._decoder = record, Decoder()
        self._buffer, self._block, self._ends = b"", b"", False
        self._greeted = False

    def receive(self, data: bytes) -> bytes:
        """Take what the client sent and return what is to be sent to it."""
        self._buffer += data
        out = b""
        if not self._greeted:
            if len(self._buffer) < len(PREFACE):
                return b""
            self._greeted, self._buffer = True, self._buffer[len(PREFACE) :]
            out = _frame(SETTINGS, 0, 0)
        while len(self._buffer) >= 9:
            length = int.from_bytes(self._buffer[:3])
            if len(self._buffer) < 9 + length:
                break
            head, payload = self._buffer[:9], self._buffer[9 : 9 + length]
            self._buffer = self._buffer[9 + length :]
            out += self._take(head[3], head[4], int.from_bytes(head[5:]), payload)
        return out

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if kind == SETTINGS and not flags & ACK:
            return _frame(SETTINGS, ACK, 0)
        if kind == PING and not flags & ACK:
            return _frame(PING, ACK, 0, payload)
        if kind == HEADERS:
            padding = payload[0] if flags & PADDED else 0
            skipped = (1 if flags & PADDED else 0) + (5 if flags & PRIORITY else 0)
            self._block, self._ends = payload[skipped : len(payload) - padding], bool(flags & END_STREAM)
        elif kind == CONTINUATION:
            self._block += payload
        if kind in (HEADERS, CONTINUATION) and flags & END_HEADERS:
            self._head()
        ended = self._ends if kind in (HEADERS, CONTINUATION) else kind == 0 and flags & END_STREAM
        return _answer(stream) if ended and (kind == 0 or flags & END_HEADERS) else b""

    def _head(self) -> None:
        written = representations(self._block)
        self._record.table_updates += written.count("update")
        fields = [(str(name), str(value)) for name, value in self._decoder.decode(self._block)]
        self._record.head(fields, [how for how in written if how != "update"])


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _answer(stream: int) -> bytes:
    return _frame(HEADERS, END_HEADERS, stream, b"\x88") + _frame(0, END_STREAM, stream, HELLO)


class Http1Recorder:
    """One HTTP/1.1 connection whose requests have no body."""

    def __init__(self, record: Record) -> None:
        self._record, self._buffer = record, b""

    def receive(self, data: bytes) -> bytes:
        """Take what the client sent and return what is to be sent to it."""
        self._buffer += data
        out = b""
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            line, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = line.split(" ")
            fields = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in lines)]
            self._record.head([(":method", method), (":path", path), *fields])
            out += ANSWER
        return out


class _Connection(asyncio.Protocol):
    def __init__(self, record: Record) -> None:
        self._record, self._first = record, b""
        self._recorder: Http1Recorder | Http2Recorder | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._recorder is None:
            self._first += data
            if len(self._first) < len(PREFACE) and PREFACE.startswith(self._first):
                return
            http2 = self._first.startswith(PREFACE)
            self._recorder = Http2Recorder(self._record) if http2 else Http1Recorder(self._record)
            self._record.connections += 1
            data = self._first
        answer = self._recorder.receive(data)
        if answer and isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(answer)


@contextlib.asynccontextmanager
async def serve(record: Record, port: int = 0) -> Any:
    """Serve on that port, or a free one, of 127.0.0.1; yields the port."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(record), "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


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
