"""Bounds that the site promises: body size, and how long an origin may be silent."""

from __future__ import annotations

import time

from proxyconf.verify.answer import Answer
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.response import Response
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

TOLERANCE = 2.0


async def body_limit(context: Context) -> Observation:
    """Send a body of exactly the limit, and one of a byte more, with and without a length."""
    limit = context.subject.body_limit
    assert limit is not None
    facts = {}
    for name in context.protocols:
        facts[f"{name} at the limit"] = (await _post(context, name, limit)).status
        facts[f"{name} one more"] = (await _post(context, name, limit + 1)).status
    if "h2" in context.protocols:
        facts["h2 one more, no length"] = (await _streamed(context, limit + 1)).status
    observed = Observation(", ".join(f"{name}: {status}" for name, status in facts.items()), facts)
    for name, status in facts.items():
        observed.expect(status == (413 if "more" in name else 200), f"{name}: {status}")
    return observed


async def _post(context: Context, protocol: str, size: int) -> Response:
    length = [("content-length", str(size))] if protocol == "h2" else []
    return await context.ask(protocol, method="POST", fields=length, body=bytes(size))


async def _streamed(context: Context, size: int) -> Response:
    async with connect_http2(context.edge) as client:
        return await client.request("POST", context.at("/"), asking(context.new_id("streamed")), bytes(size))


async def response_timeout(context: Context) -> Observation:
    """Let the origin hang."""
    allowed = context.subject.response_timeout
    assert allowed is not None
    probe, began = context.new_id("hang"), time.monotonic()
    response = await context.ask(context.protocols[-1], Answer(hold=probe), probe=probe)
    took = time.monotonic() - began
    observed = Observation(f"{response.outcome} after {took:.1f} s", {"status": response.status})
    observed.expect(response.status == 504, "504 was due")
    return observed.expect(allowed * 0.8 <= took <= allowed + TOLERANCE, f"{allowed:g} s were promised")


PROBES = (
    Probe("body-limit", "the bound on request bodies", "the limit itself passes, one byte more is 413",
          frozenset({Feature.ORIGIN, Feature.BODY_LIMIT}), body_limit, 60),
    Probe("response-timeout", "the bound on the origin's silence", "a hanging origin becomes 504 in time",
          frozenset({Feature.ORIGIN, Feature.RESPONSE_TIMEOUT}), response_timeout, 60),
)  # fmt: skip
