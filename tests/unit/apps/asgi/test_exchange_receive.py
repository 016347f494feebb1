"""Exchange, `receive`: the order of messages, credit for each body byte, waiting and giving up."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from appserver.contract import Reset
from appserver.errors import ClientDisconnected
from tests.support.asgi import DISCONNECT, Talk, body, http_request, start
from tests.support.events import EventLog

Converse = Callable[..., Talk]


def upload(converse: Converse, **values: Any) -> Talk:
    return converse(method="POST", ends=False, **values)


def test_a_request_without_a_body(converse: Converse) -> None:
    talk = converse()

    assert talk.receive() == http_request()


def test_a_body_in_one_piece(converse: Converse) -> None:
    talk = upload(converse, run=False)
    talk.on_body(b"whole")
    talk.on_end()
    talk.run()

    assert talk.receive() == http_request(b"whole")
    assert talk.stream.granted == 5
    assert not talk.receiving().done()


def test_a_body_piece_by_piece(converse: Converse) -> None:
    talk = upload(converse)
    for piece in (b"one", b"two"):
        talk.on_body(piece)
        assert talk.receive() == http_request(piece, more=True)
    talk.on_body(b"end")
    talk.on_end()

    assert talk.receive() == http_request(b"end")
    assert talk.stream.granted == 9


def test_pieces_that_nobody_read_come_together(converse: Converse) -> None:
    talk = upload(converse)
    for piece in (b"a", b"b", b"c"):
        talk.on_body(piece)
    assert talk.stream.granted == 0

    assert talk.receive() == http_request(b"abc", more=True)
    assert talk.stream.granted == 3


def test_the_end_may_come_alone(converse: Converse) -> None:
    talk = upload(converse)
    talk.on_body(b"data")
    assert talk.receive() == http_request(b"data", more=True)
    talk.on_end()

    assert talk.receive() == http_request()


def test_a_body_that_turns_out_empty(converse: Converse) -> None:
    talk = upload(converse)
    waiting = talk.receiving()
    assert not waiting.done()

    talk.on_end()

    assert waiting.result() == http_request()


def test_receive_waits_for_bytes(converse: Converse) -> None:
    talk = upload(converse)
    waiting = talk.receiving()
    talk.on_body(b"at last")

    assert waiting.result() == http_request(b"at last", more=True)
    assert talk.stream.granted == 7


def test_after_the_body_receive_waits_for_the_end_of_the_exchange(converse: Converse) -> None:
    talk = converse()
    talk.receive()
    waiting = talk.receiving()
    assert not waiting.done()
    talk.send(start())
    talk.loop.turn()
    assert not waiting.done()

    talk.send(body(b"done"))
    talk.loop.turn()

    assert waiting.result() == DISCONNECT
    assert talk.receive() == DISCONNECT


def test_a_client_that_leaves_is_told_once_for_each_call(converse: Converse) -> None:
    talk = converse()
    talk.receive()
    waiting = talk.receiving()

    talk.on_lost()

    assert waiting.result() == DISCONNECT
    assert talk.receive() == DISCONNECT


@pytest.mark.parametrize("complete", [False, True])
def test_a_client_that_left_before_its_body_was_read(converse: Converse, complete: bool) -> None:
    talk = upload(converse)
    talk.on_body(b"unread")
    if complete:
        talk.on_end()
    talk.on_lost()

    # A piece of a body must never be taken for the whole.
    assert talk.receive() == DISCONNECT
    assert talk.stream.granted == 6


def test_messages_are_the_applications_to_keep(converse: Converse) -> None:
    talk = upload(converse)
    talk.on_body(b"a")
    first = talk.receive()
    first["body"] = b"changed"
    talk.on_body(b"b")

    assert talk.receive() == http_request(b"b", more=True)


# Credit


def test_a_body_that_is_never_read_is_granted_when_the_answer_is_whole(converse: Converse) -> None:
    talk = upload(converse)
    talk.on_body(b"12345")
    talk.send(start())
    talk.send(body(b"no thanks", more=True))
    assert talk.stream.granted == 0
    talk.send(body())
    assert talk.stream.granted == 5

    talk.on_body(b"678")

    assert talk.stream.granted == talk.arrived == 8


def test_a_body_is_granted_when_the_application_fails(converse: Converse) -> None:
    talk = upload(converse)
    talk.on_body(b"12345")
    talk.leave(ValueError("no"))
    talk.on_body(b"678")
    talk.on_end()

    assert talk.stream.granted == talk.arrived == 8


def test_bytes_after_the_loss_are_granted(converse: Converse) -> None:
    talk = upload(converse)
    talk.on_body(b"12345")
    assert talk.receive()["body"] == b"12345"
    talk.on_body(b"678")
    talk.on_lost()
    talk.on_body(b"90")

    assert talk.stream.granted == talk.arrived == 10


# Calls that are not awaited


@pytest.mark.filterwarnings("ignore:coroutine 'receive_message' was never awaited")
def test_a_receive_that_is_never_awaited_takes_nothing(converse: Converse) -> None:
    talk = upload(converse, expects=True)
    talk.exchange.receive().close()
    talk.exchange.receive()
    talk.on_body(b"data")
    talk.exchange.receive()

    assert talk.said == []
    assert talk.stream.granted == 0
    assert talk.receive() == http_request(b"data", more=True)


def test_a_receive_that_is_given_up_at_once_loses_no_body(converse: Converse) -> None:
    talk = upload(converse)
    talk.on_body(b"data")
    talk.on_end()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.exchange.receive(), 0)
        task = asyncio.ensure_future(talk.exchange.receive())
        task.cancel()
        await asyncio.wait({task})

    talk.loop.finish(give_up())
    assert talk.stream.granted == 0
    assert talk.receive() == http_request(b"data")


def test_who_receives_the_disconnect_for_ever_yields_to_the_loop(converse: Converse) -> None:
    talk = converse()
    talk.on_lost()
    heard: list[Any] = []

    async def endless() -> None:
        while True:
            heard.append(await talk.exchange.receive())

    task = talk.loop.create_task(endless())
    for _ in range(10):
        talk.loop.turn(1)  # each of them returns

    assert 10 < len(heard) < 10_000
    assert all(message == DISCONNECT for message in heard)
    task.cancel()
    talk.loop.turn()


# Half closed


def test_a_client_that_closed_its_half_may_still_read(converse: Converse) -> None:
    talk = converse()
    talk.receive()
    waiting = talk.receiving()
    talk.on_half_closed()

    assert waiting.result() == talk.receive() == DISCONNECT
    talk.send(start())
    talk.send(body(b"still ", more=True))
    talk.send(body(b"here"))
    assert talk.stream.body == b"still here"
    assert talk.watcher.done == [(200, 10)]


def test_a_body_comes_before_the_news_that_no_more_will(converse: Converse) -> None:
    talk = upload(converse, run=False)
    talk.on_body(b"whole")
    talk.on_end()
    talk.on_half_closed()  # before the application runs: all in one go
    talk.run()

    assert talk.receive() == http_request(b"whole")
    assert talk.receive() == DISCONNECT


def test_a_client_that_closed_its_half_may_be_lost_later(converse: Converse) -> None:
    talk = converse()
    talk.on_half_closed()
    talk.send(start())
    talk.on_lost()
    with pytest.raises(ClientDisconnected):
        talk.send(body(b"x"))

    assert talk.watcher.done == [(200, 0)]


def test_an_application_may_take_a_client_that_closed_its_half_for_gone(converse: Converse, log: EventLog) -> None:
    talk = converse()
    talk.receive()
    talk.send(start())
    talk.on_half_closed()
    assert talk.receive() == DISCONNECT
    talk.leave()  # within its body: as Django does

    assert talk.stream.said[-1] == ("reset", Reset.INTERNAL_ERROR)
    assert log.names == []


# Several at once


def test_two_tasks_may_receive(converse: Converse) -> None:
    talk = upload(converse)
    first, second = talk.receiving(), talk.receiving()
    talk.on_body(b"one")
    assert [task.done() for task in (first, second)] == [True, False]

    talk.on_body(b"two")

    assert [first.result()["body"], second.result()["body"]] == [b"one", b"two"]
    assert talk.stream.granted == 6


def test_everyone_who_waits_is_told_of_the_loss(converse: Converse) -> None:
    talk = upload(converse)
    waiting = [talk.receiving() for _ in range(3)]

    talk.on_lost()

    assert [task.result() for task in waiting] == [DISCONNECT] * 3


def test_a_cancelled_receive_takes_nothing_with_it(converse: Converse) -> None:
    talk = upload(converse)
    first, second = talk.receiving(), talk.receiving()
    first.cancel()
    talk.loop.turn()
    talk.on_body(b"data")

    assert first.cancelled()
    assert second.result() == http_request(b"data", more=True)


def test_a_receive_cancelled_in_the_very_turn_of_its_message(converse: Converse) -> None:
    talk = upload(converse)
    first, second = talk.receiving(), talk.receiving()
    talk.exchange.on_body(b"data")
    first.cancel()
    talk.loop.turn()

    assert first.cancelled()
    assert second.result() == http_request(b"data", more=True)


def test_an_application_that_polls_for_the_disconnect_keeps_no_dead_waiters(converse: Converse) -> None:
    talk = converse()
    talk.receive()
    made: weakref.WeakSet[asyncio.Future[Any]] = weakref.WeakSet()
    create = talk.loop.create_future
    talk.loop.create_future = lambda: remember(made, create())  # type: ignore[method-assign]  # to count them
    for _ in range(100):
        waiting = talk.receiving()
        waiting.cancel()
        talk.loop.turn(3)
    del waiting
    gc.collect(1)

    assert len(made) <= 2


def remember(made: weakref.WeakSet[asyncio.Future[Any]], future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    made.add(future)
    return future


def test_receives_can_be_waited_for_in_every_way(converse: Converse) -> None:
    talk = upload(converse, run=False)
    for piece in (b"1", b"2"):
        talk.on_body(piece)
    talk.run()
    receive: Callable[[], Coroutine[Any, Any, dict[str, Any]]] = talk.exchange.receive

    async def read() -> list[bytes]:
        ready = receive()
        assert inspect.isawaitable(ready)
        first = (await asyncio.create_task(ready))["body"]
        talk.loop.call_soon(talk.exchange.on_body, b"3")
        second = (await asyncio.wait_for(receive(), 5))["body"]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(receive())), 0)
        return [first, second]

    assert talk.loop.finish(read()) == [b"12", b"3"]


# Expect: 100-continue


def test_the_first_receive_asks_for_the_body(converse: Converse) -> None:
    talk = upload(converse, expects=True)
    assert talk.said == []
    waiting = talk.receiving()
    assert talk.said == [("inform", 100, [])]
    talk.receiving()
    assert talk.said == [("inform", 100, [])]

    talk.on_body(b"here")

    assert waiting.result() == http_request(b"here", more=True)


def test_a_body_that_came_by_itself_is_not_asked_for(converse: Converse) -> None:
    talk = upload(converse, expects=True)
    talk.on_body(b"early")
    talk.on_end()
    assert talk.receive() == http_request(b"early")
    talk.receiving()

    assert talk.said == []


def test_an_answer_is_no_reason_to_ask_for_the_body(converse: Converse) -> None:
    talk = upload(converse, expects=True)
    talk.send(start(403))
    talk.receiving()

    assert [call[0] for call in talk.said] == ["respond"]


# Wire's end


def test_an_end_after_the_loss_changes_nothing(converse: Converse) -> None:
    talk = upload(converse)
    talk.on_lost()
    talk.on_end()
    talk.exchange.on_writable()

    assert talk.receive() == DISCONNECT
    assert talk.stream.late == []


def test_a_loss_after_the_answer_is_no_second_end(converse: Converse) -> None:
    talk = converse()
    talk.send(start())
    talk.send(body())
    talk.exchange.on_lost()

    assert talk.watcher.done == [(200, 0)]
    assert talk.receive() == DISCONNECT
