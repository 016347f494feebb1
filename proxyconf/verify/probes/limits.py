"""Bounds that the site promises: body size, and how long an origin may be silent."""

from __future__ import annotations

import time

from proxyconf.verify.answer import Answer
from proxyconf.verify.edge.http1 import connect_http1
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.response import Response
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

TOLERANCE = 2.0
EARLY = 0.5


async def body_limit(context: Context) -> Observation:
    """Send a body of exactly the limit, and one of a byte more; both say their length."""
    limit = context.subject.body_limit
    assert limit is not None
    facts = {}
    for name in context.protocols:
        facts[f"{name} at the limit"] = (await _post(context, name, limit)).status
        facts[f"{name} one more"] = (await _post(context, name, limit + 1)).status
    observed = Observation(", ".join(f"{name}: {status}" for name, status in facts.items()), facts)
    for name, status in facts.items():
        observed.expect(status == (413 if "more" in name else 200), f"{name}: {status}")
    return observed


async def _post(context: Context, protocol: str, size: int) -> Response:
    sent = asking(context.new_id("post"))
    if protocol == "h1":
        async with connect_http1(context.edge) as client:
            return await client.request("POST", context.at("/"), sent, bytes(size), early=EARLY)
    async with connect_http2(context.edge) as client2:
        return await client2.request("POST", context.at("/"), [*sent, ("content-length", str(size))], bytes(size))


async def streamed_limit(context: Context) -> Observation:
    """Send bodies of unknown length: one of exactly the limit, and one of a byte more."""
    limit, facts = context.subject.body_limit, {}
    assert limit is not None
    whole = {}
    for name, size in (("at the limit", limit), ("one more", limit + 1)):
        probe = context.new_id("streamed")
        async with connect_http2(context.edge) as client:
            response = await client.request("POST", context.at("/"), asking(probe), bytes(size))
        facts[name] = response.outcome
        whole[name] = any(seen.ended == "whole" for seen in await context.origin.seen(probe))
    observed = Observation(", ".join(f"{name}: {outcome}" for name, outcome in facts.items()), facts)
    observed.expect(facts["at the limit"] == "200", "the limit itself is due to pass")
    # Its beginning is at the origin already: what counts is that the origin never takes it for a whole one.
    observed.expect(not facts["one more"].startswith("2"), "one more was accepted")
    return observed.expect(not whole["one more"], "one more reached the origin whole")


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
    Probe("body-limit-streamed", "the same for bodies of unknown length",
          "the limit itself passes, one byte more is refused or cut and never whole at the origin",
          frozenset({Feature.ORIGIN, Feature.HTTP2, Feature.BODY_LIMIT_STREAMED}), streamed_limit, 60),
    Probe("response-timeout", "the bound on the origin's silence", "a hanging origin becomes 504 in time",
          frozenset({Feature.ORIGIN, Feature.RESPONSE_TIMEOUT}), response_timeout, 60),
)  # fmt: skip
