"""A file over HTTP/1.1 by sendfile(2), on real sockets, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from appserver.apps.files import Files, OpenFile
from tests.unit.h1.talk import Call, Talk
from tests.unit.h1.test_sockets import LOOPS, Server, converse

NewLoop = Callable[[], asyncio.AbstractEventLoop]
SIZE = 20_000_000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
WHOLE = [(b"content-length", b"%d" % SIZE)]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> NewLoop:
    new_loop: NewLoop = request.param
    return new_loop


@pytest.fixture(scope="module")
def data() -> bytes:
    return bytes(range(250)) * (SIZE // 250)


@pytest.fixture
def path(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


@pytest.fixture(autouse=True)
def no_leak() -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before


def descriptors() -> list[str]:
    """Return the connections and files that are open: a loop may keep pipes."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # of the listing itself
        if target.startswith("socket:") or "/pytest" in target:
            found.append(target)
    return sorted(found)


class Sender:
    """An application that answers each request with the file, and says what came of it."""

    def __init__(self, path: Path, fields: list[tuple[bytes, bytes]] = WHOLE) -> None:
        self.path = path
        self.fields = fields
        self.files = Files()
        self.counted: list[int] = []
        self.results: list[Any] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.then: Callable[[Call, OpenFile, int], Awaitable[None]] | None = None
        self.in_thread: Callable[..., Any] | None = None

    def handler(self, call: Call) -> None:
        call.stream.respond(200, self.fields, False)
        self.tasks.append(asyncio.ensure_future(self.send(call)))

    async def send(self, call: Call) -> None:
        file = OpenFile(self.files, str(self.path))
        await file.begin(0, 1)
        source: Any = file
        if self.in_thread is not None:
            source = Wrapped(file, self.in_thread)
        try:
            transfer = call.stream.send_file(source, 0, SIZE, self.counted.append)
            assert transfer is not None
            sent = await transfer
            self.results.append(sent)
            if self.then is not None:
                await self.then(call, file, sent)
            elif sent == SIZE:
                call.stream.write(b"", True)
        except BaseException as error:
            self.results.append(error)
            raise
        finally:
            file.close()

    async def done(self) -> None:
        await asyncio.wait(self.tasks)
        self.files.close()


class Wrapped:
    """A file whose jobs are done otherwise."""

    def __init__(self, file: OpenFile, in_thread: Callable[..., Any]) -> None:
        self.fd = file.fd
        self.in_thread = lambda *job: in_thread(file, *job)


def test_it_arrives_and_the_connection_goes_on(loop: NewLoop, path: Path, data: bytes) -> None:
    sender = Sender(path)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        for _ in range(2):
            writer.write(GET)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            body = await reader.readexactly(SIZE)
            assert hashlib.sha256(body).digest() == hashlib.sha256(data).digest()
        await sender.done()

    converse(loop, sender.handler, client)
    assert sender.results == [SIZE, SIZE]
    assert sum(sender.counted) == 2 * SIZE


def test_what_was_written_before_comes_first(loop: NewLoop, path: Path, data: bytes) -> None:
    sender = Sender(path, [(b"content-length", b"%d" % (SIZE + 3_000_000))])

    def handler(call: Call) -> None:
        sender.handler(call)
        call.stream.write(b"x" * 3_000_000, False)  # more than a socket takes at once

    async def end(call: Call, file: OpenFile, sent: int) -> None:
        call.stream.write(b"", True)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(3_000_000) == b"x" * 3_000_000
        assert await reader.readexactly(SIZE) == data
        await sender.done()

    sender.then = end
    converse(loop, handler, client)
    assert sender.results == [SIZE]


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


def full(server: Server) -> bool:
    """Tell whether the socket has taken what it can."""
    connection: Any = next(iter(server.open))
    return connection.transfer is not None and connection.transfer.waits


def test_a_client_that_leaves_ends_it(loop: NewLoop, path: Path) -> None:
    sender = Sender(path)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readexactly(1_000)
        await until(lambda: full(server))
        writer.transport.abort()
        await sender.done()
        assert server.app.calls[0].lost

    converse(loop, sender.handler, client)
    assert 0 < sum(sender.counted) == sender.results[0] < SIZE


def test_a_client_that_leaves_before_its_turn(loop: NewLoop, path: Path) -> None:
    sender = Sender(path, [(b"content-length", b"%d" % (SIZE + 9_000_000))])

    def handler(call: Call) -> None:
        sender.handler(call)
        call.stream.write(b"x" * 9_000_000, False)  # more than a socket takes

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        connection: Any = next(iter(server.open))
        await until(lambda: connection.transfer is not None)
        writer.transport.abort()
        await sender.done()
        assert server.app.calls[0].lost

    converse(loop, handler, client)
    assert sender.results == [0]


def test_given_up_the_client_sees_that_it_is_cut(loop: NewLoop, path: Path) -> None:
    sender = Sender(path)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: full(server))
        server.app.calls[0].stream.reset(2)
        assert len(await reader.read(-1)) == sum(sender.counted) < SIZE
        await sender.done()

    converse(loop, sender.handler, client)


def test_without_a_length_that_is_a_reset(loop: NewLoop, path: Path) -> None:
    """HTTP/1.0: the end of the connection would be the end of the body."""
    sender = Sender(path, [])

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: full(server))
        server.app.calls[0].stream.reset(2)
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        await sender.done()

    converse(loop, sender.handler, client)


def test_cancelled_it_leaves_nothing_open(loop: NewLoop, path: Path) -> None:
    sender = Sender(path)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: full(server))
        sender.tasks[0].cancel()
        await sender.done()
        server.app.calls[0].stream.reset(2)
        assert len(await reader.read(-1)) == sum(sender.counted) < SIZE

    converse(loop, sender.handler, client)
    assert isinstance(sender.results[0], asyncio.CancelledError)


@pytest.mark.parametrize("how", ["cancel", "leave"])
def test_nobody_waits_for_a_disk_and_nothing_stays_open(loop: NewLoop, path: Path, how: str) -> None:
    """Given up while a thread is in the step, the socket is closed when that is over."""
    sender = Sender(path)
    gate, inside = threading.Event(), threading.Event()

    def hang(file: OpenFile, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        def job() -> Any:
            inside.set()
            assert gate.wait(20)
            return function(*arguments)

        return file.in_thread(job)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await until(inside.is_set)
        connection: Any = next(iter(server.open))
        connection.tick(0.0)
        connection.tick(1_000.0)
        assert not connection.transport.is_closing(), "the client is not to blame"
        if how == "cancel":
            sender.tasks[0].cancel()
            await asyncio.wait(sender.tasks)
            server.app.calls[0].stream.reset(2)
        else:
            writer.transport.abort()
            await until(lambda: server.app.calls[0].half_closed or server.app.calls[0].lost)
        gate.set()
        await sender.done()
        if how == "cancel":
            assert await reader.read(-1) == b""
        else:
            await until(lambda: server.app.calls[0].lost)

    sender.in_thread = hang
    converse(loop, sender.handler, client)
    assert how == "leave" or sender.counted == []


def test_a_client_that_takes_nothing_is_given_up(loop: NewLoop, path: Path) -> None:
    sender = Sender(path)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        connection: Any = next(iter(server.open))
        now, taken = 0.0, -1
        while not connection.transport.is_closing():
            # The kernels at both ends may still make room by themselves: that is progress, and begins the time anew.
            await until(lambda: full(server))
            now, before, taken = now + 59.0, taken, sum(sender.counted)
            connection.tick(now)
            assert taken == before or not connection.transport.is_closing()
        await sender.done()
        assert server.app.calls[0].lost

    converse(loop, sender.handler, client)
    assert sender.results[0] == sum(sender.counted)


def test_what_is_missing_can_be_written(loop: NewLoop, path: Path, data: bytes) -> None:
    """A file that became shorter, or of a filesystem without sendfile."""
    sender = Sender(path)
    os.truncate(path, 5_000_000)

    async def write(call: Call, file: OpenFile, sent: int) -> None:
        call.stream.write(data[sent:], True)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(SIZE) == data
        await sender.done()

    sender.then = write
    converse(loop, sender.handler, client)
    assert sender.results == [5_000_000]


def test_a_descriptor_that_has_no_sendfile_is_left_to_who_reads_it(loop: NewLoop, path: Path) -> None:
    sender = Sender(path)
    folder = os.open(path.parent, os.O_RDONLY)

    async def send(call: Call) -> None:
        file = OpenFile(sender.files, "x", os.dup(folder))
        transfer: Coroutine[Any, Any, int] | None = call.stream.send_file(file, 0, SIZE, sender.counted.append)
        assert transfer is not None
        sender.results.append(await transfer)
        file.close()
        call.stream.reset(2)

    def handler(call: Call) -> None:
        call.stream.respond(200, WHOLE, False)
        sender.tasks.append(asyncio.ensure_future(send(call)))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read(-1) == b""
        await sender.done()

    converse(loop, handler, client)
    os.close(folder)
    assert sender.results == [0]


def test_threads_that_cannot_be_had(loop: NewLoop, path: Path) -> None:
    sender = Sender(path)

    def refuse(*job: Any) -> Any:
        raise RuntimeError("can't start new thread")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server) -> None:
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await sender.done()
        server.app.calls[0].stream.reset(2)
        assert await reader.read(-1) == b""

    sender.in_thread = refuse
    converse(loop, sender.handler, client)
    assert isinstance(sender.results[0], RuntimeError)
    assert isinstance(sender.tasks[0].exception(), RuntimeError)


# Where the bytes must be written


@pytest.mark.parametrize(
    ("ask", "fields"),
    [
        (GET, []),  # in chunks
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", WHOLE),
        (GET, [(b"content-length", b"5")]),  # more than that
    ],
)
def test_the_wire_must_see_them(ask: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    talk = Talk(lambda call: call.stream.respond(200, fields, False))
    talk.say(ask)
    file: Any = None

    assert talk.app.calls[0].stream.send_file(file, 0, 10, lambda size: None) is None


def test_through_tls_it_must_too() -> None:
    talk = Talk(lambda call: call.stream.respond(200, WHOLE, False))
    talk.connection.sends_files = False  # as over TLS
    talk.say(GET)
    file: Any = None

    assert talk.app.calls[0].stream.send_file(file, 0, 10, lambda size: None) is None


def test_none_is_sent_of_an_answer_that_is_over() -> None:
    talk = Talk()
    talk.say(GET)
    file: Any = None

    assert talk.app.calls[0].stream.send_file(file, 0, 10, lambda size: None) is None


