"""The threads of `apps.files` in the hands of a test: jobs are done when it says so, or at once.

    jobs = HeldJobs(monkeypatch)
    jobs.held = True          from now on they wait
    jobs.do()                 the first that waits is done; `do_all()`: each, and what it leads to
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from appserver.apps.files import Files

__all__ = ["HeldJobs"]


class HeldJobs:
    """In the place of the threads; `begun` counts the jobs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = False
        self.begun = 0
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        monkeypatch.setattr(Files, "submit", lambda files, function, *arguments: self.submit(function, *arguments))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        self.begun += 1
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: function(*arguments)))
        if not self.held:
            self.do()
        return future

    def do(self) -> None:
        future, call = self.waiting.pop(0)
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as error:  # as a thread pool does
            future.set_exception(error)
        else:
            future.set_result(result)
