"""The whole way in memory: frames, a connection, a real engine, an ASGI application, and back in one write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appserver.accepted import Peer
from appserver.apps.asgi.application import AsgiApplication
from appserver.config.options import LifespanOptions, TimeoutOptions
from appserver.contract import Request
from appserver.h2 import load_engine
from appserver.h2.connection import NOTICE_SECONDS, Connection
from appserver.h2.engine import Settings
from appserver.http.answer import AnswerContext
from appserver.http.limits import Limits
from tests.support.asgi import DISCONNECT, body, start
from tests.support.clock import ClockLoop
from tests.support.frames import (
    GET,
    NO_ERROR,
    POST,
    Client,
    Data,
    Goaway,
    Head,
    Ping,
    Sent,
    Window,
    Wire,
    changed,
    expect,
)
from tests.support.transport import MemoryTransport

# The one that `auto` takes, and the one that is always there.
ENGINES = {load_engine(wish)[1]: load_engine(wish)[0] for wish in ("auto", "pure")}
WINDOW = 65_536
HIGHEST = 2**31 - 1


class Served:
    """A client's connection to an application."""

    def __init__(self, loop: ClockLoop, engine: Any, app: Any, limit: int = 0) -> None:
        self.loop = loop
        self.read_buffer = bytearray(100)
        self.logged: list[tuple[str, int, int]] = []
        answers = AnswerContext(has_date=False, observer=self)
        self.application = AsgiApplication(app, answers, LifespanOptions(mode="off"))
        loop.finish(self.application.startup())
        self.transport = MemoryTransport(loop)
        self.client, self.wire = Client(), Wire()
        self.connection = Connection(
            self.transport, Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http"), self.application,
            answers, engine, Limits(8_190, 100, 16_384, 65_536, limit),
            Settings(100, WINDOW, WINDOW, 65_536), TimeoutOptions(), self,
        )  # fmt: skip
        self.gone = False
        self.transport.connect(self.connection)
        self.ask(self.client.greet())

    def upgrade(self, *handed_over: object) -> None:
        raise AssertionError("nobody asks for it here")

    def closed(self, connection: object) -> None:
        self.gone = True

    def on_done(self, request: Request, status: int, sent: int, seconds: float) -> None:
        self.logged.append((request.path, status, sent))

    def ask(self, *data: bytes) -> list[Sent]:
        """Say it as one read; hear what comes until nothing more does."""
        self.loop.call_soon(self.transport.say, b"".join(data))
        self.loop.turn()
        return self.heard()

    def heard(self) -> list[Sent]:
        return self.wire.read(self.transport.fresh())


Serve = Callable[..., Served]


@pytest.fixture
def loop() -> Iterator[ClockLoop]:
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


@pytest.fixture(params=ENGINES)
def serve(request: pytest.FixtureRequest, loop: ClockLoop) -> Serve:
    return lambda app, limit=0: Served(loop, ENGINES[request.param], app, limit)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send(start(200, [(b"x", scope["path"].encode())]))
    await send(body(b"hello"))


def test_an_answer(serve: Serve) -> None:
    served = serve(hello)

    assert served.ask(served.client.headers(1, GET, end=True)) == [
        expect.headers(1, [(":status", "200"), ("x", "/")]),
        expect.data(1, b"hello", end=True),
    ]


def test_what_the_server_answers_itself_is_in_the_access_log(serve: Serve) -> None:
    served = serve(hello)

    assert served.ask(served.client.headers(1, changed(GET, path="/a#b"), end=True)) == expect.answer(1, 400)
    assert served.logged == [("", 400, len(b"400 Bad Request\n"))]


def test_an_upload_that_is_too_long_is_one_line_of_the_access_log(serve: Serve) -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not heard or heard[-1] != DISCONNECT:
            heard.append(await receive())

    served = serve(app, limit=10)
    served.ask(served.client.headers(1, POST), served.client.data(1, b"1234567890"))
    said = served.ask(served.client.data(1, b"one too many"))

    assert said == expect.answer(1, 413)
    assert heard[-1] == DISCONNECT
    assert [(path, status) for path, status, _ in served.logged] == [("/up", 413)]


@pytest.mark.parametrize("count", [1, 100])
def test_quick_answers_to_one_read_are_one_write(serve: Serve, count: int) -> None:
    served = serve(hello)
    reads = [served.client.headers(1 + 2 * number, GET, end=True) for number in range(count)]
    served.loop.call_soon(served.transport.say, b"".join(reads))
    served.loop.turn()

    assert len(served.transport.calls) == 1
    assert sum(isinstance(frame, Head) for frame in served.heard()) == count


def test_requests_share_no_list_of_headers(serve: Serve) -> None:
    seen: list[list[Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(list(scope["headers"]))
        scope["headers"].append((b"x-user", b"root"))
        await hello(scope, receive, send)

    served = serve(app)
    for stream in (1, 3, 5):
        served.ask(served.client.headers(stream, [*GET, ("x-a", "b")], end=True))

    assert seen[0] == seen[1] == seen[2]
    assert (b"x-user", b"root") not in seen[0]


def test_uploads_that_break_off_do_not_use_up_the_connection(serve: Serve) -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["more_body"])
        message = await receive()
        while message != DISCONNECT:
            message = await receive()
        heard.append(message)

    served = serve(app)
    credit = WINDOW
    for number in range(50):
        stream = 1 + 2 * number
        half = bytes(8_000)
        frames = served.ask(served.client.headers(stream, POST), served.client.data(stream, half))
        frames += served.ask(served.client.data(stream, half), served.client.data(stream, half))
        frames += served.ask(served.client.reset(stream))
        credit += sum(frame.size for frame in frames if isinstance(frame, Window) and frame.stream == 0)
        credit -= 3 * len(half)
        assert credit > WINDOW // 4, "the client may not go on"

    assert heard == [True, DISCONNECT] * 50
    assert served.application.busy() == 0


def test_a_body_that_is_never_read_does_not_use_up_the_connection(serve: Serve) -> None:
    served = serve(hello)
    credit = WINDOW
    for number in range(50):
        stream = 1 + 2 * number
        piece = bytes(8_000)
        frames = served.ask(served.client.headers(stream, POST), served.client.data(stream, piece))
        frames += served.ask(served.client.data(stream, piece, end=True))
        credit += sum(frame.size for frame in frames if isinstance(frame, Window) and frame.stream == 0)
        credit -= 2 * len(piece)
        assert credit > WINDOW // 4, "the client may not go on"


def test_a_slow_reader_holds_the_application_up(serve: Serve) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for number in range(100):
            await send(body(bytes(16_384), more=number < 99))
            sent.append(number)

    served = serve(app)
    served.ask(served.client.headers(1, GET, end=True))
    assert len(sent) < 40

    total = 65_535
    while len(sent) < 100:
        served.ask(served.client.window(0, 65_535), served.client.window(1, 65_535))
        total += 65_535
        assert total < 10_000_000, "it stands still"


def test_a_reset_reaches_the_application(serve: Serve) -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        heard.append(await receive())
        await send(body(b"to nobody"))

    served = serve(app)
    served.ask(served.client.headers(1, GET, end=True))
    assert heard == []

    assert served.ask(served.client.reset(1)) == []
    assert heard == [DISCONNECT]


def test_a_drain_loses_nothing(serve: Serve) -> None:
    released: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        gate = served.loop.create_future()
        released.append(gate)
        await gate
        await hello(scope, receive, send)

    served = serve(app)
    served.ask(served.client.headers(1, GET, end=True))
    served.connection.drain()
    notice = served.heard()
    assert expect.goaway(HIGHEST, NO_ERROR) in notice
    ping = next(frame for frame in notice if isinstance(frame, Ping))

    # It was on its way when the notice was sent.
    served.ask(served.client.headers(3, GET, end=True))
    assert served.ask(served.client.pong(ping.data)) == [expect.goaway(3, NO_ERROR)]
    for gate in released:
        gate.set_result(None)
    served.loop.turn()
    answers = [frame for frame in served.heard() if isinstance(frame, Data)]

    assert sorted(answers, key=lambda frame: frame.stream) == [
        expect.data(1, b"hello", end=True), expect.data(3, b"hello", end=True)
    ]  # fmt: skip
    assert served.transport.eof_written


def test_a_peer_that_does_not_answer_the_notice(serve: Serve) -> None:
    served = serve(hello)
    served.connection.drain()
    served.heard()
    served.loop.advance(NOTICE_SECONDS)

    assert served.heard() == [Goaway(0, NO_ERROR)]
    assert served.transport.eof_written
    served.loop.advance(NOTICE_SECONDS)
    assert served.gone


def test_a_lost_connection_ends_its_requests(serve: Serve) -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        heard.append(await receive())
        await hello(scope, receive, send)

    served = serve(app)
    served.ask(*(served.client.headers(stream, GET, end=True) for stream in (1, 3, 5)))
    served.transport.abort()
    served.loop.turn()

    assert heard == [DISCONNECT] * 3
    assert served.gone
    assert served.application.busy() == 0
