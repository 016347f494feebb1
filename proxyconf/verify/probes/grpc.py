"""gRPC's frame and status, without a gRPC library: length-prefixed messages and trailers.

Source: gRPC over HTTP2 (PROTOCOL-HTTP2.md in the grpc repository).
"""

from __future__ import annotations

import struct

from proxyconf.verify.answer import Answer
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.response import Response
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

KIND = ("content-type", "application/grpc+probe")
NOT_FOUND = "5"


def message(data: bytes) -> bytes:
    """Frame one uncompressed message."""
    return struct.pack("!BI", 0, len(data)) + data


async def call(context: Context, answer: Answer, *messages: bytes) -> Response:
    """Make one call."""
    async with connect_http2(context.edge) as client:
        sent = asking(context.new_id("grpc"), answer, [("te", "trailers"), KIND])
        stream = await client.open("POST", context.subject.grpc_path, sent)
        for data in messages:
            await stream.send(message(data))
        await stream.send(b"", end=True)
        return await stream.response()


async def echo(context: Context) -> Observation:
    """Send two messages; both and an OK status come back."""
    answer = Answer(echo=True, fields=(KIND,), trailers=(("grpc-status", "0"),))
    response = await call(context, answer, b"one", b"two" * 1000)
    status = response.trailer("grpc-status")
    observed = Observation(f"{response.outcome}, {len(response.body)} bytes, grpc-status {status}", {"grpc-status": status})
    observed.expect(response.body == message(b"one") + message(b"two" * 1000), "other messages came back")
    return observed.expect(status == "0", "grpc-status 0 is not in the trailers")


async def refusal(context: Context) -> Observation:
    """Answer by Trailers-Only: one head that is also the end."""
    status = (("grpc-status", NOT_FOUND), ("grpc-message", "not here"))
    response = await call(context, Answer(fields=(KIND, *status), size=0), b"one")
    got = response.trailer("grpc-status") or response.value("grpc-status")
    observed = Observation(f"{response.outcome}, grpc-status {got}", {"grpc-status": got, "bare": response.bare})
    observed.expect(response.whole and got == NOT_FOUND, f"grpc-status {NOT_FOUND} was sent")
    # A status in the head counts for gRPC's clients only if nothing follows, not even an empty DATA frame.
    said = response.bare or response.trailer("grpc-status") is not None
    return observed.expect(said, "the head has the status, and a DATA frame follows: clients take it for no status")


NEEDS = frozenset({Feature.ORIGIN, Feature.HTTP2, Feature.GRPC})
PROBES = (
    Probe("grpc", "a gRPC call", "messages pass both ways and the status arrives in the trailers", NEEDS, echo),
    Probe("grpc-error", "a gRPC error", "a Trailers-Only response arrives with its status", NEEDS, refusal),
)
