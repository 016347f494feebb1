"""What `receive()` returns: a coroutine of Python's own, which is why this module is never compiled.

Its value reaches who awaits it as it is; anything else that is awaited has to raise its value in a `StopIteration`, and
for a compiled caller with a traceback. The work is done when it is awaited: a call alone does nothing.
"""

from __future__ import annotations

from appserver.apps.asgi.awaitables import Channel, Message

__all__ = ["receive_message"]


async def receive_message(channel: Channel) -> Message:
    """Return what there is to tell; wait until there is."""
    message = channel.next_message()
    while message is None:
        await channel.wait_for_message()
        message = channel.next_message()
    return message
