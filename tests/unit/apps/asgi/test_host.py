"""What requests of one application share: how its callable may be called, reports."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest

from appserver.apps.asgi.host import Host, is_coroutine_function
from appserver.apps.asgi.scope import ScopeBuilder
from appserver.errors import BodyTooShort
from appserver.events import Event
from appserver.http.answer import AnswerContext
from tests.support.asgi import make_request
from tests.support.events import EventLog


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never runs here."""


def plain(scope: Any, receive: Any, send: Any) -> Any:
    return app(scope, receive, send)


class Instance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    plain = staticmethod(plain)


class Plain:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return app(scope, receive, send)


class Endpoint:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        """Runs at the call."""

    def __await__(self) -> Any:
        return iter(())


def marked() -> Callable[..., Any]:
    mark: Any = getattr(inspect, "markcoroutinefunction", lambda function: function)  # Python 3.12
    wrapped: Callable[..., Any] = mark(lambda *arguments: app(*arguments))
    return wrapped


@pytest.mark.parametrize(
    ("called", "runs_nothing"),
    [
        (app, True), (Instance(), True), (Instance().method, True), (functools.partial(app), True),
        (functools.partial(functools.partial(Instance()), 1), True),
        (plain, False), (Instance.plain, False), (Plain(), False), (Endpoint, False), (Instance, False),
        (functools.partial(plain), False), (marked(), False), (MagicMock(), False), (print, False), (None, False),
    ],
)  # fmt: skip
def test_what_a_call_runs(called: Any, runs_nothing: bool) -> None:
    assert is_coroutine_function(called) is runs_nothing


def host() -> Host:
    return Host(app, AnswerContext(), ScopeBuilder())


# Reports


def test_a_report_names_the_request(log: EventLog) -> None:
    error = LookupError("why")
    host().report(make_request(method="PATCH", path="/a b"), error)

    values = log.only(Event.APPLICATION_FAILED)
    assert (values["method"], values["path"]) == ("PATCH", "/a b")
    assert log.error() is error


def test_broken_asgi_is_a_sentence_and_no_traceback(log: EventLog) -> None:
    host().report(make_request(), BodyTooShort("three bytes are missing"))

    assert "three bytes are missing" in log.texts[0]
    assert log.error() is None
    log.only(Event.APPLICATION_BROKE_ASGI)
