"""A gRPC service in each of the four shapes, for grpcio and any other client. Messages are text.

    appserver examples.grpc.app:app --bind 127.0.0.1:50051 --no-http1

/probe.v1.Probe/Echo         unary                 the message
/probe.v1.Probe/Total        client streaming      the sum of the numbers
/probe.v1.Probe/Count        server streaming      so many messages as the number says
/probe.v1.Probe/Chat         bidirectional         each message, before the next is sent
/probe.v1.Probe/Fail         server streaming      a message, then NOT_FOUND
/probe.v1.Probe/FailAtOnce   unary                 NOT_FOUND, Trailers-Only
/probe.v1.Probe/Wait         unary                 nothing, until the client leaves or the deadline passes
/probe.v1.Probe/Cancelled    unary                 how many calls of Wait have ended
"""

from __future__ import annotations

import asyncio

from examples.grpc.rpc import Answers, Call, Code, Messages, RpcError, Service

__all__ = ["app"]

cancelled = 0


async def echo(messages: Messages, call: Call) -> Answers:
    """Answer with the request."""
    async for message in messages:
        call.trailing.append((b"x-size", b"%d" % len(message)))
        yield message


async def total(messages: Messages, call: Call) -> Answers:
    """Add up numbers."""
    yield b"%d" % sum([_number(message) async for message in messages])


async def count(messages: Messages, call: Call) -> Answers:
    """Count to a number."""
    async for message in messages:
        for number in range(_number(message)):
            yield b"%d" % number


async def chat(messages: Messages, call: Call) -> Answers:
    """Answer each message as it comes."""
    async for message in messages:
        yield message


async def fail(messages: Messages, call: Call) -> Answers:
    """Begin, then fail."""
    yield b"so far"
    raise RpcError(Code.NOT_FOUND, "no such thing: 100 % gone")


async def fail_at_once(messages: Messages, call: Call) -> Answers:
    """Fail before there is a message."""
    raise RpcError(Code.NOT_FOUND, "no such thing: 100 % gone")
    yield b""


async def wait(messages: Messages, call: Call) -> Answers:
    """Work for as long as somebody waits for it."""
    global cancelled
    try:
        await asyncio.Event().wait()
        yield b""
    finally:
        cancelled += 1


async def count_cancelled(messages: Messages, call: Call) -> Answers:
    """Tell how many have given up."""
    yield b"%d" % cancelled


def _number(message: bytes) -> int:
    try:
        return int(message)
    except ValueError:
        raise RpcError(Code.INVALID_ARGUMENT, f"not a number: {message[:40]!r}") from None


app = Service(
    {
        "/probe.v1.Probe/Echo": echo,
        "/probe.v1.Probe/Total": total,
        "/probe.v1.Probe/Count": count,
        "/probe.v1.Probe/Chat": chat,
        "/probe.v1.Probe/Fail": fail,
        "/probe.v1.Probe/FailAtOnce": fail_at_once,
        "/probe.v1.Probe/Wait": wait,
        "/probe.v1.Probe/Cancelled": count_cancelled,
    }
)
