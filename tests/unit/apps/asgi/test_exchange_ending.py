"""Exchange, from `start` to the end: which applications run, how they fail, what is told and logged."""

from __future__ import annotations

import asyncio
import contextvars
import re
import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

from appserver.contract import Reset
from appserver.errors import ClientDisconnected, InvalidMessage, UnexpectedMessage
from appserver.events import Event
from tests.support.asgi import DISCONNECT, Talk, body, http_request, start, trailers
from tests.support.events import EventLog

Converse = Callable[..., Talk]

HELLO = [("respond", 200, [(b"x", b"y")], False), ("write", b"hello", True)]
ERROR_500 = [
    ("respond", 500, [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"26")], False),
    ("write", b"500 Internal Server Error\n", True),
]
CUT_503 = [
    ("respond", 503, [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"24")], False),
    ("write", b"503 Service Unavailable\n", True),
]
BROKEN_OFF = ("reset", Reset.INTERNAL_ERROR)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(start(200, [(b"x", b"y")]))
    await send(body(b"hello"))


class Instance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)


class Endpoint:
    """Made for each request and awaited, as Starlette's class-based endpoints are."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.arguments = scope, receive, send

    def __await__(self) -> Generator[Any, None, None]:
        return hello(*self.arguments).__await__()


def returns_coroutine(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    return hello(scope, receive, send)


def returns_task(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    return asyncio.get_running_loop().create_task(hello(scope, receive, send))


def returns_future(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    return asyncio.ensure_future(hello(scope, receive, send))


APPLICATIONS = [hello, Instance(), Instance().__call__, Endpoint, returns_coroutine, returns_task, returns_future]


@pytest.mark.parametrize("app", APPLICATIONS)
def test_whatever_can_be_awaited_is_an_application(converse: Converse, log: EventLog, app: Any) -> None:
    talk = converse(app)

    assert talk.said == HELLO
    assert talk.watcher.done == [(200, 5)]
    assert log.names == []
    assert not talk.host.running


def raises_at_call(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("at call")


async def raises(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("at once")


async def raises_later(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    raise LookupError("later")


async def raises_stop_iteration(scope: Any, receive: Any, send: Any) -> None:
    raise StopIteration


async def raises_generator_exit(scope: Any, receive: Any, send: Any) -> None:
    raise GeneratorExit


def returns_none(scope: Any, receive: Any, send: Any) -> None:
    return None


def returns_list(scope: Any, receive: Any, send: Any) -> list[bytes]:
    return [b"a WSGI application"]


async def wrong_arguments() -> None:
    """Takes no scope."""


async def exits_out_of_the_blue(scope: Any, receive: Any, send: Any) -> None:
    raise asyncio.CancelledError


FAILURES: list[tuple[Any, type[BaseException]]] = [
    (raises_at_call, LookupError),
    (raises, LookupError),
    (raises_later, LookupError),
    (raises_stop_iteration, RuntimeError),
    (raises_generator_exit, GeneratorExit),
    (returns_none, TypeError),
    (returns_list, TypeError),
    (wrong_arguments, TypeError),
    (exits_out_of_the_blue, asyncio.CancelledError),
]


@pytest.mark.parametrize(("app", "error"), FAILURES, ids=[app.__name__ for app, _ in FAILURES])
def test_a_failure_is_answered_500_and_logged_once(
    converse: Converse, log: EventLog, app: Any, error: type[BaseException]
) -> None:
    talk = converse(app, method="POST", path="/café")

    assert talk.said == ERROR_500
    assert talk.watcher.done == [(500, 26)]
    values = log.only(Event.APPLICATION_FAILED)
    assert re.fullmatch("[0-9a-f]{12}", values["request_id"])
    assert (values["method"], values["path"]) == ("POST", "/café")
    assert type(log.error()) is error
    assert not talk.host.running


@pytest.mark.parametrize("late", [False, True])
def test_an_application_that_exits_does_not_take_the_connection_with_it(
    converse: Converse, log: EventLog, late: bool
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if late:
            await asyncio.sleep(0)
        raise SystemExit(3)

    talk = converse(app, run=False)
    try:
        talk.run()
        talk.loop.turn()
    except SystemExit:
        # A task of its own lets SystemExit through to the loop; the worker runs the loop again.
        talk.loop.turn()

    assert talk.said == ERROR_500
    assert isinstance(log.error(), SystemExit)
    assert {type(context["exception"]) for context in talk.loop.complaints} <= {SystemExit}
    talk.loop.complaints.clear()


def test_head_is_answered_500_without_a_body(converse: Converse, log: EventLog) -> None:
    talk = converse(raises, method="HEAD")

    assert talk.said == [("respond", 500, ERROR_500[0][2], True)]
    assert talk.watcher.done == [(500, 0)]


def test_a_500_has_date_and_server_too(converse: Converse, log: EventLog) -> None:
    talk = converse(raises, run=False)
    talk.answers.date, talk.answers.server = (b"date", b"now"), (b"server", b"ours")
    talk.run()

    assert talk.said[0][2][:2] == [(b"date", b"now"), (b"server", b"ours")]


def test_a_failure_after_the_head_is_broken_off(converse: Converse, log: EventLog) -> None:
    talk = converse()
    talk.send(start(200))
    talk.send(body(b"half", more=True))
    talk.leave(LookupError("gone"))

    assert talk.said[1:] == [("write", b"half", False), BROKEN_OFF]
    assert talk.watcher.done == [(200, 4)]
    log.only(Event.APPLICATION_FAILED)


def test_a_failure_after_the_answer_is_only_logged(converse: Converse, log: EventLog) -> None:
    talk = converse()
    talk.send(start(200, [(b"x", b"y")]))
    talk.send(body(b"hello"))
    talk.leave(LookupError("background work"))

    assert talk.said == HELLO
    assert talk.watcher.done == [(200, 5)]
    log.only(Event.APPLICATION_FAILED)


def test_a_failure_after_the_loss_is_only_logged(converse: Converse, log: EventLog) -> None:
    talk = converse()
    talk.on_lost()
    talk.leave(LookupError("the client left"))

    assert talk.stream.late == []
    assert talk.watcher.done == [(0, 0)]
    log.only(Event.APPLICATION_FAILED)


RETURNED: list[tuple[list[dict[str, Any]], str, bool]] = [
    ([], "HEAD", False),
    ([start()], "BODY", True),
    ([start(), body(b"a", more=True)], "BODY", True),
    ([start(trailers=True), body()], "TRAILERS", True),
    ([start(trailers=True), body(), trailers(more=True)], "TRAILERS", True),
]


@pytest.mark.parametrize(("messages", "phase", "reset"), RETURNED)
def test_an_application_that_returns_too_early(
    converse: Converse, log: EventLog, messages: list[dict[str, Any]], phase: str, reset: bool
) -> None:
    talk = converse()
    for message in messages:
        talk.send(message)
    talk.leave()

    reason = log.only(Event.APPLICATION_BROKE_ASGI)["reason"]
    assert isinstance(reason, UnexpectedMessage)
    assert str(reason) == f"the application returned in phase {phase}"
    assert (talk.said[-1] == BROKEN_OFF) is reset
    assert (talk.said == ERROR_500) is not reset
    assert len(talk.watcher.done) == 1


def test_a_bodiless_answer_that_was_not_ended_is_whole_all_the_same(converse: Converse, log: EventLog) -> None:
    talk = converse(method="HEAD")
    talk.send(start(200))
    talk.leave()

    assert talk.said == [("respond", 200, [], True)]
    assert talk.watcher.done == [(200, 0)]
    log.only(Event.APPLICATION_BROKE_ASGI)


def test_a_client_that_left_needs_no_answer(converse: Converse, log: EventLog) -> None:
    talk = converse()
    talk.on_lost()
    talk.leave()

    assert log.names == []
    assert talk.said == []


class ClientDisconnect(Exception):
    """Starlette's own word, raised where it catches ours."""


class HandlerFailed(Exception):
    """What a fault in the handling of a disconnect may be."""


def chained(error: Exception, cause: BaseException | None = None, context: BaseException | None = None) -> Exception:
    error.__cause__, error.__context__ = cause, context
    return error


GONE = ClientDisconnected("the client is gone")
DISCONNECTS = [
    GONE,
    ClientDisconnect(),
    chained(HandlerFailed(), cause=GONE),
    ExceptionGroup("anyio", [GONE, ExceptionGroup("nested", [ClientDisconnect()])]),
]
FAULTS = [
    chained(HandlerFailed(), context=GONE),
    ExceptionGroup("anyio", [GONE, HandlerFailed()]),
    OSError("a disk is full"),
]


@pytest.mark.parametrize("error", DISCONNECTS)
def test_that_the_client_left_is_nobodys_fault(converse: Converse, log: EventLog, error: Exception) -> None:
    talk = converse()
    talk.on_lost()
    talk.leave(error)

    assert log.names == []


@pytest.mark.parametrize("error", FAULTS)
def test_a_fault_after_the_client_left_is_a_fault(converse: Converse, log: EventLog, error: Exception) -> None:
    talk = converse()
    talk.on_lost()
    talk.leave(error)

    assert log.names == ["APPLICATION_FAILED"]


@pytest.mark.parametrize("error", DISCONNECTS)
def test_a_disconnect_of_somebody_else_is_a_fault(converse: Converse, log: EventLog, error: Exception) -> None:
    talk = converse()
    talk.leave(error)

    assert talk.said == ERROR_500
    assert log.names == ["APPLICATION_FAILED"]


def test_an_application_that_lets_the_disconnect_pass(converse: Converse, log: EventLog) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        while True:
            await send(body(b"again", more=True))
            await asyncio.sleep(0)

    talk = converse(app)
    talk.on_lost()

    assert not talk.host.running
    assert log.names == []


@pytest.mark.parametrize(("status", "sent", "done"), [(408, 20, (408, 20)), (0, 0, (200, 4))])
def test_the_wire_may_answer_for_the_application(
    converse: Converse, log: EventLog, status: int, sent: int, done: tuple[int, int]
) -> None:
    talk = converse()
    if not status:
        talk.send(start())
        talk.send(body(b"half", more=True))
    talk.on_refused(status, sent)
    with pytest.raises(ClientDisconnected):
        talk.send(start())
    talk.leave()

    assert talk.watcher.done == [done]
    assert talk.receive() == DISCONNECT
    assert (talk.stream.late, log.names) == ([], [])


@pytest.mark.parametrize("values", [{"method": "CONNECT"}, {"method": "CONNECT", "protocol": b"websocket"}])
def test_what_asgi_does_not_serve_is_501(converse: Converse, log: EventLog, values: dict[str, Any]) -> None:
    talk = converse(ends=False, **values)
    talk.on_body(b"tunnelled")

    assert talk.puppet.runs == 0
    assert talk.said[0][:2] == ("respond", 501)
    assert talk.stream.body == b"501 Not Implemented\n"
    assert talk.stream.granted == talk.arrived
    assert talk.watcher.done == [(501, 20)]
    assert log.names == []


def test_what_breaks_asgi_is_logged_without_a_traceback(converse: Converse, log: EventLog) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, [(b"x", b"a\r\nb")]))

    talk = converse(app)

    assert talk.said == ERROR_500
    assert isinstance(log.only(Event.APPLICATION_BROKE_ASGI)["reason"], InvalidMessage)
    assert log.error() is None


def test_two_failures_have_two_ids(converse: Converse, log: EventLog) -> None:
    converse(raises)
    converse(raises)

    first, second = (vars(record)["values"]["request_id"] for record in log.records)
    assert first != second


# Cutting


def cut(talk: Talk) -> None:
    """Cancel what runs, as the worker does it."""
    for task in talk.host.running:
        task.cancel()
    talk.loop.turn()


@pytest.mark.parametrize("answered", [False, True])
def test_a_request_that_is_cut_is_nobodys_fault(converse: Converse, log: EventLog, answered: bool) -> None:
    talk = converse()
    if answered:
        talk.send(start())
    cut(talk)

    assert talk.said == ([("respond", 200, [], False), BROKEN_OFF] if answered else CUT_503)
    assert log.names == []
    assert not talk.host.running


def test_an_application_may_clean_up_when_it_is_cut(converse: Converse, log: EventLog) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await send(start(503))
            await send(body(b"later"))

    talk = converse(app)
    cut(talk)

    assert talk.said == [("respond", 503, [], False), ("write", b"later", True)]
    assert log.names == []


def test_a_request_lost_before_it_ran_is_never_run(converse: Converse) -> None:
    talk = converse(run=False)
    talk.on_lost()
    talk.run()

    assert talk.puppet.runs == 0
    assert talk.watcher.done == [(0, 0)]
    assert talk.receive() == DISCONNECT


# Tasks


def test_a_request_is_a_real_task_of_its_own(converse: Converse) -> None:
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="outside")
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(asyncio.current_task())
        word.set("inside")
        await hello(scope, receive, send)
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        seen.append(word.get())

    converse(app)

    first, second, third = seen
    assert isinstance(first, asyncio.Task)
    assert first is second
    assert third == "inside"
    assert word.get() == "outside"


@pytest.mark.parametrize("wrap", [lambda app: app, lambda app: lambda *arguments: app(*arguments)])
def test_an_application_is_called_within_its_task(converse: Converse, wrap: Callable[[Any], Any]) -> None:
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="outside")
    seen: list[Any] = []

    def app(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        # It runs before there is anything to await.
        seen.append((asyncio.current_task() is not None, word.get()))
        word.set("inside")
        return hello(scope, receive, send)

    talks = [converse(wrap(app)) for _ in range(2)]

    assert seen == [(True, "outside")] * 2
    assert word.get() == "outside"
    assert [talk.said for talk in talks] == [HELLO, HELLO]


def test_a_quick_answer_is_part_of_the_read(converse: Converse, request: pytest.FixtureRequest) -> None:
    talk = converse(hello, run=False)

    async def read() -> bool:
        talk.exchange.start()
        return talk.said == HELLO

    eager = request.node.callspec.params["converse"] == "built" and sys.version_info >= (3, 12)
    assert talk.loop.finish(read()) is eager
    assert talk.said == HELLO


def test_a_running_request_is_known_until_it_is_over(converse: Converse) -> None:
    talk = converse()
    assert len(talk.host.running) == 1
    talk.send(start())
    talk.send(body())
    assert len(talk.host.running) == 1

    talk.leave()

    assert not talk.host.running


def test_nobody_watches(converse: Converse) -> None:
    talk = converse(hello, run=False)
    talk.answers.observer = None
    talk.run()

    assert talk.said == HELLO
    assert talk.watcher.done == []


def test_an_echo(converse: Converse) -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        more = True
        await send(start())
        while more:
            message = await receive()
            more = message["more_body"]
            await send(body(message["body"], more=more))

    talk = converse(echo, method="POST", ends=False)
    for piece in (b"one ", b"two ", b"three"):
        talk.on_body(piece)
    talk.on_end()

    assert talk.stream.body == b"one two three"
    assert talk.stream.granted == 13
    assert talk.watcher.done == [(200, 13)]
    assert http_request(b"") != talk.receive() == DISCONNECT
