"""What `send()` returns, and what it and `receive()` ask: the work is done when it is awaited, in the loop's thread.

A call that is never awaited does nothing (ASGI: awaitable callables). Where nobody has to wait the first step is the
last, and no coroutine is made. To `collections.abc` it is a whole coroutine, so `create_task(send(message))` works too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator, MutableMapping
from types import TracebackType
from typing import Any

from appserver.contract import Request, Stream
from appserver.http.answer import Answer, AnswerContext

__all__ = ["Channel", "Message", "Sending"]

Message = MutableMapping[str, Any]
REUSED = "cannot reuse already awaited send()"


class Channel(Answer):
    """What the awaitables ask of an exchange. What must wait is given to a coroutine.

    `spare` is a `Sending` that is done, for the next call: most applications await one after the other.
    """

    __slots__ = ("spare",)

    def open_channel(self, context: AnswerContext, request: Request, stream: Stream) -> None:
        """Begin."""
        self.open_answer(context, request, stream)
        self.spare: Sending | None = None

    def next_message(self) -> Message | None:
        """Return what `receive` has to tell now, None if it must wait."""
        raise NotImplementedError

    def wait_for_message(self) -> Awaitable[None]:
        """Return what ends when there may be something to tell."""
        raise NotImplementedError

    def take_message(self, message: Message) -> Coroutine[Any, Any, None] | None:
        """Do what `send` is asked; return what it must wait for, or None."""
        raise NotImplementedError


class Sending:
    """One call of `send`."""

    __slots__ = ("_channel", "_message", "_waiting")

    def open(self, channel: Channel, message: Message) -> None:
        """Begin; made by `__new__` and this, which a compiled caller reaches without packing arguments."""
        self._channel: Channel | None = channel
        self._message = message
        self._waiting: Coroutine[Any, Any, None] | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        return self  # type: ignore[return-value] # an iterator will do, and a generator is slower

    def __iter__(self) -> Sending:
        return self

    def __next__(self) -> Any:
        waiting = self._waiting
        if waiting is None:
            channel = self._channel
            if channel is None:
                raise RuntimeError(REUSED)
            self._channel = None
            waiting = channel.take_message(self._message)
            if waiting is None:
                channel.spare = self
                raise StopIteration
            self._waiting = waiting
        return waiting.send(None)

    def send(self, value: Any) -> Any:
        """Coroutine protocol: go on."""
        return self.__next__() if self._waiting is None else self._waiting.send(value)

    def throw(self, typ: Any, val: BaseException | None = None, tb: TracebackType | None = None) -> Any:
        """Coroutine protocol: what is thrown in before the first step ends it, and nothing was sent."""
        if self._waiting is not None:
            return self._waiting.throw(typ if val is None else val)
        self._channel = None
        raise typ if val is None else val

    def close(self) -> None:
        """Coroutine protocol: give up."""
        self._channel = None
        if self._waiting is not None:
            self._waiting.close()
