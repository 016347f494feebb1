"""Awaitables that are already done: what `send` and `receive` return when nobody has to wait.

They are whole coroutines to `collections.abc`, so `asyncio.create_task(receive())` works as well.
"""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

__all__ = ["DONE_AWAITABLE", "Done", "Ready"]


class Ready:
    """Awaiting it gives `value` at once; any number of times."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # type: ignore[return-value] # an iterator will do, and a generator is slower

    def __iter__(self) -> Ready:
        return self

    def __next__(self) -> Any:
        raise StopIteration(self.value)

    def send(self, value: Any) -> Any:
        """Coroutine protocol: finish."""
        raise StopIteration(self.value)

    def throw(self, typ: Any, val: BaseException | None = None, tb: TracebackType | None = None) -> Any:
        """Coroutine protocol: raise what is thrown in."""
        raise typ if val is None else val

    def close(self) -> None:
        """Coroutine protocol: there is nothing to close."""


class Done:
    """Awaiting it gives None at once; the compiled build raises no exception for that."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return self  # type: ignore[return-value] # as above

    def __iter__(self) -> Done:
        return self

    def __next__(self) -> None:
        raise StopIteration

    def send(self, value: Any) -> None:
        """Coroutine protocol: finish."""
        raise StopIteration

    def throw(self, typ: Any, val: BaseException | None = None, tb: TracebackType | None = None) -> None:
        """Coroutine protocol: raise what is thrown in."""
        raise typ if val is None else val

    def close(self) -> None:
        """Coroutine protocol: there is nothing to close."""


DONE_AWAITABLE = Done()
