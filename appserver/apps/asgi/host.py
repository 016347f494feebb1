"""What all exchanges of one application share: the callable, its loop, scopes, what runs, reports."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
from typing import TYPE_CHECKING, Any

from appserver.apps.asgi.scope import ScopeBuilder
from appserver.apps.files import Files
from appserver.contract import Request
from appserver.errors import ApplicationError
from appserver.events import Event
from appserver.http.answer import AnswerContext
from appserver.ws.admission import Admission
from appserver.ws.session import SessionSettings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Host", "is_coroutine_function"]

EAGER = sys.version_info >= (3, 12)


class Host:
    """One application in one loop. `running` are the tasks of exchanges that wait for something, `websockets` open ones."""

    __slots__ = (
        "admission", "answers", "app", "app_is_coroutine_function", "files", "loop", "running", "scopes", "sessions", "task",
        "websockets",
    )  # fmt: skip

    def __init__(
        self, app: Callable[..., Any], answers: AnswerContext, scopes: ScopeBuilder, sessions: SessionSettings | None = None,
        admission: Admission | None = None,
    ) -> None:  # fmt: skip
        self.app = app
        self.app_is_coroutine_function = is_coroutine_function(app)
        self.answers = answers
        self.scopes = scopes
        self.sessions = sessions or SessionSettings()
        self.admission = admission or Admission()
        self.files = Files()
        self.running: set[asyncio.Task[None]] = set()
        self.websockets: set[Any] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: Any = None

    def bind(self, loop: asyncio.AbstractEventLoop, eager: bool = EAGER) -> None:
        """Run in `loop` from now on: `task` begins a coroutine there."""
        self.loop = loop
        options: dict[str, Any] = {"eager_start": True} if eager else {}
        self.task = functools.partial(asyncio.Task, loop=loop, **options)

    def report(self, request: Request, error: BaseException) -> None:
        """Log what a request's application did wrong, once, with an id to find it by."""
        request_id = os.urandom(6).hex()
        if isinstance(error, ApplicationError):
            Event.APPLICATION_BROKE_ASGI.log(
                request_id=request_id, method=request.method, path=request.path, reason=error
            )
        else:
            Event.APPLICATION_FAILED.log(
                exc_info=error, request_id=request_id, method=request.method, path=request.path
            )


def is_coroutine_function(app: object) -> bool:
    """Tell whether to call `app` runs nothing of it: an `async def`, or an object whose `__call__` is one.

    A function that is only marked as such (`inspect.markcoroutinefunction`) runs when it is called.
    """
    while isinstance(app, functools.partial):
        app = app.func
    if not inspect.isroutine(app):
        app = type(app).__call__ if callable(app) else app
    code = getattr(getattr(app, "__func__", app), "__code__", None)
    return inspect.iscode(code) and bool(code.co_flags & inspect.CO_COROUTINE)
