"""An application's own machinery works: tasks, context variables, cancel scopes, timeouts around receive."""

from __future__ import annotations

import hashlib
import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.live.conftest import FAULTS, LOOPS, Talk
from tests.support.clients import Http1, Http2
from tests.support.process import ENGINES, Server, demand


def body_of(client: Any, path: str, **named: Any) -> Any:
    return json.loads(client.ask("POST" if named else "GET", path, **named).body)


def test_a_request_runs_in_one_real_task(talk: Talk) -> None:
    with talk.new() as client:
        assert body_of(client, "/task") == [True, True, True]


def test_receive_and_send_may_be_tasks(talk: Talk) -> None:
    with talk.new() as client:
        assert body_of(client, "/receive-task", body=b"body") == ["body", False]
        assert body_of(client, "/receive-task") == ["", False]


def test_a_receive_may_be_given_up_and_tried_again(talk: Talk) -> None:
    id = f"given-up-{talk.version}"
    path = f"/receive-timeout?id={id}"
    with talk.new() as client:
        if isinstance(client, Http1):
            client.request("POST", path, [("content-length", "4")])
            talk.until_noted(id, "given up")
            client.send(b"late")
            answer = client.answer()
        else:
            stream = client.open("POST", path, end=False)
            talk.until_noted(id, "given up")
            client.upload(stream, b"late")
            answer = client.answer(stream)
        assert json.loads(answer.body) == ["timeout", "timeout", ["http.request", "late"]]


def test_cancel_scopes_work(talk: Talk) -> None:
    with talk.new() as client:
        assert body_of(client, "/scopes") == [True, True, "thread"]


# Context variables


def test_context_variables_are_of_one_request(talk: Talk) -> None:
    with talk.new() as client:
        seen = [client.ask("GET", f"/context?set={n}").text for n in range(5)]
        seen += [client.ask("GET", f"/context?set={n}&ms=5").text for n in range(5)]
        seen += [client.ask("POST", f"/context?set={n}&body=1&ms=5", body=b"x" * 300_000).text for n in range(5)]
        seen += [client.ask("GET", "/context").text]
    assert set(seen) == {"unset"}


def test_context_variables_of_streams_do_not_mix(h2: Talk) -> None:
    with h2.new() as client:
        streams = [client.open("GET", f"/context?set={n}&ms={n % 10}") for n in range(100)]
        assert {client.answer(stream).text for stream in streams} == {"unset"}


@pytest.mark.parametrize("ms", ["", "&ms=5"])
def test_context_variables_of_pipelined_requests_do_not_mix(h1: Talk, ms: str) -> None:
    with h1.new() as client:
        client.send(*(b"GET /context?set=%d%s HTTP/1.1\r\nhost: a\r\n\r\n" % (n, ms.encode()) for n in range(10)))
        assert {client.answer().text for _ in range(10)} == {"unset"}


def test_context_variables_do_not_pass_through_a_paused_connection(h1: Talk) -> None:
    # The first request's body fills its buffer, so that reading goes on from within the application.
    with h1.new() as client:
        client.ask("POST", "/context?set=first&ms=50&body=1", body=b"x" * 3_000_000)
        assert [client.ask("GET", f"/context?set={n}").text for n in range(3)] == ["unset"] * 3


# Threads


@pytest.mark.parametrize("debug", ["", "1"], ids=["plain", "asyncio's debug mode"])
@pytest.mark.parametrize("engine", ENGINES)
def test_receive_and_send_may_be_called_from_threads(engine: str, debug: str) -> None:
    options = ("--h2-engine", demand(engine), "--loop", LOOPS[engine])
    with Server("tests.support.threads_app:app", *options, env={"PYTHONASYNCIODEBUG": debug}) as server:

        def ask(number: int) -> bool:
            body = random.Random(number).randbytes(number * 997)
            talk = Talk(server, (Http1, Http2)[number % 2])
            path = ("/by-a2wsgi", "/by-hand")[number // 2 % 2]
            with talk.new() as client:
                texts = {client.ask("POST", path, body=body).text for _ in range(10)}
            return texts == {hashlib.sha256(body).hexdigest()}

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(ask, range(64)))
        assert server.stop() == 0
    assert [line for line in server.lines if any(fault in line for fault in (*FAULTS, "ERROR", "Non-thread-safe"))] == []
