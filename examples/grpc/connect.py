"""The same service by Connect for Python (connectrpc), which speaks gRPC on ASGI: the four shapes, of protobuf messages.

    appserver examples.grpc.connect:app --bind 127.0.0.1:50051 --no-http1

Its endpoints are mostly generated from a .proto file; here they are written out, and each message is a BytesValue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.server import ConnectASGIApplication, Endpoint
from protobuf.wkt.google.protobuf.wrappers_pb import BytesValue

__all__ = ["app"]

NAME = "probe.v1.Probe"
cancelled = 0


async def echo(message: BytesValue, context: Any) -> BytesValue:
    """Answer with the request."""
    return message


async def total(messages: AsyncIterator[BytesValue], context: Any) -> BytesValue:
    """Add up numbers."""
    return BytesValue(value=b"%d" % sum([int(message.value) async for message in messages]))


async def count(message: BytesValue, context: Any) -> AsyncIterator[BytesValue]:
    """Count to a number."""
    for number in range(int(message.value)):
        yield BytesValue(value=b"%d" % number)


async def chat(messages: AsyncIterator[BytesValue], context: Any) -> AsyncIterator[BytesValue]:
    """Answer each message as it comes."""
    async for message in messages:
        yield message


async def fail_at_once(message: BytesValue, context: Any) -> BytesValue:
    """Fail before there is a message."""
    raise ConnectError(Code.NOT_FOUND, "no such thing: 100 % gone")


async def wait(message: BytesValue, context: Any) -> BytesValue:
    """Work for as long as somebody waits for it."""
    global cancelled
    try:
        await asyncio.Event().wait()
    finally:
        cancelled += 1
    return message


async def count_cancelled(message: BytesValue, context: Any) -> BytesValue:
    """Tell how many have given up."""
    return BytesValue(value=b"%d" % cancelled)


METHODS: tuple[tuple[str, StreamType, Any, Any], ...] = (
    ("Echo", StreamType.UNARY, Endpoint.unary, echo),
    ("Total", StreamType.CLIENT_STREAM, Endpoint.client_stream, total),
    ("Count", StreamType.SERVER_STREAM, Endpoint.server_stream, count),
    ("Chat", StreamType.BIDI_STREAM, Endpoint.bidi_stream, chat),
    ("FailAtOnce", StreamType.UNARY, Endpoint.unary, fail_at_once),
    ("Wait", StreamType.UNARY, Endpoint.unary, wait),
    ("Cancelled", StreamType.UNARY, Endpoint.unary, count_cancelled),
)


class Probe(ConnectASGIApplication[Any]):
    """What is generated from a service."""

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return f"/{NAME}"


def endpoints(service: object) -> dict[str, Any]:
    """Return the endpoints by path."""
    made = {}
    for name, shape, endpoint, function in METHODS:
        info = MethodInfo(
            name=name, service_name=NAME, input=BytesValue, output=BytesValue, stream_type=shape,
            idempotency_level=IdempotencyLevel.UNKNOWN,
        )  # fmt: skip
        made[f"/{NAME}/{name}"] = endpoint(info, function)
    return made


app = Probe(service=object(), endpoints=endpoints)
