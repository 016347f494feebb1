"""One call of the application: the task it runs in, and who waits in its `receive` and `send`.

What exchanges and WebSockets have in common. They say what there is to tell, what is allowed, and what an end means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from appserver.apps.asgi.awaitables import Channel, Message, Sending
from appserver.apps.asgi.host import Host
from appserver.apps.asgi.receiving import receive_message
from appserver.contract import Request, Stream
from appserver.errors import ClientDisconnected, Stopping

__all__ = ["BURST_BYTES", "MESSAGE_BYTES", "Conversation", "is_disconnect"]

# An application that never waits yields to the loop after so many bytes; each message counts as some.
BURST_BYTES = 262_144
MESSAGE_BYTES = 4_096


class Conversation(Channel):
    """`burst` counts the bytes since the application last let the loop go on."""

    __slots__ = ("_task", "burst", "host", "receive_waiters", "send_waiter")

    def open_conversation(self, host: Host, request: Request, stream: Stream) -> None:
        """Begin; made by `__new__` and this, which a compiled caller reaches without packing arguments."""
        self.open_channel(host.answers, request, stream)
        self.host = host
        self.burst: int = 0
        self._task: asyncio.Task[None] | None = None
        self.receive_waiters: list[asyncio.Future[None]] | None = None
        self.send_waiter: asyncio.Future[None] | None = None

    # What it means, for the subclasses to say

    def is_over(self) -> bool:
        """Tell whether nothing more can be sent."""
        raise NotImplementedError

    def is_lost(self) -> bool:
        """Tell whether that is because the client is gone."""
        raise NotImplementedError

    def on_returned(self) -> None:
        """The application has returned."""
        raise NotImplementedError

    def on_error(self, error: BaseException) -> None:
        """The application raised, or was cancelled: at a stop with Stopping."""
        raise NotImplementedError

    # Running

    def run(self, scope: Message) -> None:
        """Run the application in a task; eagerly where Python can, so that its answer is part of this read."""
        host = self.host
        try:
            if host.app_is_coroutine_function:
                coroutine = host.app(scope, self.receive, self.send)
            else:
                coroutine = _call(host.app, scope, self.receive, self.send)
            task = host.task(coroutine)
        except BaseException as error:  # SystemExit too: an eager task lets it through, a worker must live
            self.on_error(error)
            return
        if task.done():
            self._conclude(task)
        else:
            self._task = task
            host.running.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if self._task is not None:
            self._task = None
            self.host.running.discard(task)
        self._conclude(task)

    def _conclude(self, task: asyncio.Task[None]) -> None:
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:
            # Not the application's fault if it was cut at a stop.
            self.on_error(Stopping("cut at a stop") if task.cancelling() or self.is_over() else cancelled)
            return
        if error is None:
            self.on_returned()
        else:
            self.on_error(error)

    # Calls and waits

    def receive(self) -> Coroutine[Any, Any, Message]:
        """ASGI receive."""
        return receive_message(self)

    def send(self, message: Message) -> Sending:
        """ASGI send."""
        sending = self.spare
        if sending is None:
            sending = Sending.__new__(Sending)
        else:
            self.spare = None
        sending.open(self, message)
        return sending

    def receive_waiter(self) -> asyncio.Future[None]:
        """Return what ends when there is something to tell."""
        waiter: asyncio.Future[None] = self.host.loop.create_future()  # type: ignore[union-attr] # runs in it
        if self.receive_waiters is None:
            self.receive_waiters = [waiter]
        else:
            # A framework that polls for the disconnect cancels one wait after the other.
            self.receive_waiters = [other for other in self.receive_waiters if not other.done()]
            self.receive_waiters.append(waiter)
        return waiter

    def wake_receivers(self) -> None:
        """Let all go on that wait in `receive`."""
        waiters = self.receive_waiters
        self.receive_waiters = None
        if waiters is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def wait_for_room(self) -> None:
        """Wait for the client, the connection, or one's turn. Raises ClientDisconnected."""
        if self.burst > BURST_BYTES:
            self.burst = 0
            await asyncio.sleep(0)
        # Several tasks may send; they share the wait, and none may cancel it for the others.
        while not self.stream.writable and not self.is_over():
            self.burst = 0
            if self.send_waiter is None:
                self.send_waiter = self.host.loop.create_future()  # type: ignore[union-attr] # as above
            await asyncio.shield(self.send_waiter)
        if self.is_lost():
            raise ClientDisconnected("the client is gone")

    def wake_senders(self) -> None:
        """Let all go on that wait in `send`."""
        waiter = self.send_waiter
        self.send_waiter = None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


async def _call(app: Callable[..., Any], scope: Message, receive: Any, send: Any) -> None:
    # Within the task: what an application does before there is something to await has its context, too.
    await app(scope, receive, send)


def is_disconnect(error: BaseException) -> bool:
    """Tell whether an application let pass that its client left: our word for it, a framework's, or a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_disconnect(each) for each in error.exceptions)
    # Starlette's ClientDisconnect is raised without `from`, and on http.disconnect as well.
    named = "disconnect" in type(error).__name__.lower()
    return named or isinstance(error, ClientDisconnected) or isinstance(error.__cause__, ClientDisconnected)
