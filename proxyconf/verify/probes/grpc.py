"""gRPC's frame and status, without a gRPC library: length-prefixed messages and trailers.

Source: gRPC over HTTP2 (PROTOCOL-HTTP2.md in the grpc repository).
"""

from __future__ import annotations

import struct
from collections import Counter

from proxyconf.verify.answer import Answer
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.response import Response
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

KIND = ("content-type", "application/grpc+probe")
NOT_FOUND = "5"
ERRORS = 25


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


async def refusals(context: Context) -> Observation:
    """Answer by Trailers-Only, one head that is also the end, again and again: some proxies fail now and then."""
    status = (("grpc-status", NOT_FOUND), ("grpc-message", "not here"))
    outcomes: Counter[str] = Counter()
    for _ in range(ERRORS):
        outcomes[_status_of(await call(context, Answer(fields=(KIND, *status), size=0), b"one"))] += 1
    text = ", ".join(f"{count} x {outcome}" for outcome, count in outcomes.items())
    observed = Observation(text, dict(outcomes))
    return observed.expect(set(outcomes) == {f"grpc-status {NOT_FOUND}"}, f"grpc-status {NOT_FOUND} was sent {ERRORS} times")


def _status_of(response: Response) -> str:
    """Return what a gRPC client makes of the end: a status in the head counts only if nothing follows."""
    in_trailers, in_head = response.trailer("grpc-status"), response.value("grpc-status")
    if in_trailers is None and in_head is not None and not response.bare:
        return "no status: a DATA frame follows the head"
    return f"grpc-status {in_trailers or in_head}" if response.whole else response.outcome


NEEDS = frozenset({Feature.ORIGIN, Feature.HTTP2, Feature.GRPC})
PROBES = (
    Probe("grpc", "gRPC with trailers", "messages pass both ways and the status arrives in the trailers", NEEDS, echo),
    Probe("grpc-error", "a gRPC error", "a Trailers-Only response arrives with its status, every time", NEEDS, refusals),
)
