"""What passes besides head and body: 103, trailers, streams, ends that are none. And large bodies, whole."""

from __future__ import annotations

import asyncio
import hashlib

from proxyconf.verify.answer import Answer, seeded_blocks
from proxyconf.verify.edge.http1 import connect_http1
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.response import Response
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

LINK = "</style.css>; rel=preload; as=style"
LARGE = 8_000_000
EVENTS = tuple(f"id: {number}\ndata: event {number}\n\n" for number in range(5))
EVENT_SECONDS = 3.0
# A browser takes a 103 for a navigation only, and proxies may ask for that.
NAVIGATION = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
HINT = Answer(inform=((103, (("link", LINK),)),), pieces=("done",))


async def early_hints(context: Context) -> Observation:
    """Ask for a 103 before the 200, which must be untouched by it; browsers take it over HTTP/2 only."""
    observed, facts, words = Observation(""), {}, []
    for name in context.protocols:
        response = await context.ask(name, HINT, fields=NAVIGATION)
        hints = [dict(fields).get("link") for status, fields in response.informed if status == 103]
        facts[name] = {"hints": hints, "final": response.status}
        words.append(f"{len(hints)} x 103 over {name}")
        if name == context.protocols[-1] or hints:
            observed.expect(hints == [LINK], f"{name}: 103 with {hints or 'nothing'}")
        observed.expect((response.status, response.body) == (200, b"done"), f"{name}: then {response.outcome}")
        observed.expect(response.value("link") is None, f"{name}: Link is also in the final response")
    observed.facts, observed.text = facts, ", ".join(words)
    return observed


async def unharmed_by_hints(context: Context) -> Observation:
    """Whether a 103 is passed on or not, the final response must arrive."""
    facts = {}
    observed = Observation("")
    for name in context.protocols:
        response = await context.ask(name, HINT, fields=NAVIGATION)
        facts[name] = f"{len(response.informed)} informational, {response.outcome}"
        observed.expect((response.status, response.body) == (200, b"done"), f"{name}: {response.outcome} {response.body!r}")
    observed.facts, observed.text = facts, ", ".join(f"{name}: {value}" for name, value in facts.items())
    return observed


async def trailers(context: Context) -> Observation:
    """Ask for trailers. Over HTTP/1.1 they may get lost: a proxy keeps TE to itself, and the server then sends none."""
    answer = Answer(pieces=("body",), trailers=(("x-checksum", "abc"),))
    facts = {}
    for name in context.protocols:
        response = await context.ask(name, answer, fields=[("te", "trailers")] if name == "h2" else TE)
        facts[name] = response.trailer("x-checksum")
    observed = Observation(", ".join(f"{value or 'lost'} over {name}" for name, value in facts.items()), facts)
    wanted = context.protocols[-1]
    return observed.expect(facts[wanted] == "abc", f"x-checksum: abc was sent over {wanted}")


TE = [("te", "trailers"), ("connection", "te")]


async def request_trailers(context: Context) -> Observation:
    """Send trailers; they arrive as trailers and never as fields."""
    probe, forged = context.new_id("request-trailers"), ("x-forwarded-for", "203.0.113.9")
    async with connect_http2(context.edge) as client:
        stream = await client.open("POST", context.at("/"), asking(probe))
        await stream.send(b"body")
        await stream.send_trailers([("x-checksum", "abc"), forged])
        response = await stream.response()
    found = await context.seen(probe)
    observed = Observation(response.outcome, {"outcome": response.outcome})
    if not found:
        return observed.expect(False, "the request did not arrive")
    got = dict(found[0].trailers)
    observed.text, observed.facts = f"trailers {got}", {"trailers": got}
    observed.expect(got.get("x-checksum") == "abc", "x-checksum is lost")
    return observed.expect(forged[1] not in found[0].values(forged[0]), "a trailer became a field")


async def upload(context: Context) -> Observation:
    """Send a large body."""
    sha, limit = hashlib.sha256(), context.subject.body_limit
    size = min(LARGE, limit) if limit else LARGE
    async with connect_http2(context.edge) as client:
        stream = await client.open("POST", context.at("/"), asking(context.new_id("up")))
        for block in seeded_blocks("up", size):
            sha.update(block)
            await stream.send(block)
        await stream.send(b"", end=True)
        seen = (await stream.response()).seen()
    observed = Observation(f"{seen.body_size:,} bytes, sha256 {seen.body_sha256[:16]}", {"size": seen.body_size})
    return observed.expect((seen.body_size, seen.body_sha256) == (size, sha.hexdigest()), f"{size:,} other bytes were sent")


async def download(context: Context) -> Observation:
    """Ask for a large body."""
    probe = context.new_id("down")
    wanted = hashlib.sha256()
    for block in seeded_blocks(probe, LARGE):
        wanted.update(block)
    response = await context.ask("h2", Answer(size=LARGE), probe=probe)
    got = hashlib.sha256(response.body)
    observed = Observation(f"{len(response.body):,} bytes, sha256 {got.hexdigest()[:16]}", {"size": len(response.body)})
    return observed.expect(response.whole and got.digest() == wanted.digest(), f"{LARGE:,} other bytes were sent")


async def events(context: Context) -> Observation:
    """Let the origin send the next event only when this one has arrived."""
    counts = {name: await _events_over(context, name) for name in context.protocols}
    words = [f"{count} of {len(EVENTS)} over {name}" for name, count in counts.items()]
    observed = Observation(f"{', '.join(words)} arrived before the next was sent", counts)
    return observed.expect(set(counts.values()) == {len(EVENTS)}, "then silence: the stream is buffered")


async def _events_over(context: Context, protocol: str) -> int:
    gate, arrived = context.new_id("events"), ""
    sent = asking(gate, Answer(fields=(("content-type", "text/event-stream"),), pieces=EVENTS, step=gate))
    count = 0
    try:
        async with asyncio.timeout(EVENT_SECONDS):
            if protocol == "h1":
                async with connect_http1(context.edge) as client:
                    await client.send_head("GET", context.at("/"), sent)
                    await client.end()
                    async for piece in client.receive(Response("HTTP/1.1")):
                        arrived, count = await _acknowledge(context, gate, arrived + piece.decode(), count)
            else:
                async with connect_http2(context.edge) as client2:
                    stream = await client2.open("GET", context.at("/"), sent, end=True)
                    async for piece in stream.pieces():
                        arrived, count = await _acknowledge(context, gate, arrived + piece.decode(), count)
    except TimeoutError:
        return count
    return count


async def _acknowledge(context: Context, gate: str, arrived: str, count: int) -> tuple[str, int]:
    now = arrived.count("\n\n")
    await context.origin.release(gate, now - count)
    return arrived, now


async def request_is_streamed(context: Context) -> Observation:
    """Send the second half of a body only when the first half has been echoed."""
    probe = context.new_id("duplex")
    async with connect_http2(context.edge) as client:
        stream = await client.open("POST", context.at("/"), asking(probe, Answer(echo=True)))
        pieces, got = stream.pieces(), []
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                for part in (b"first", b"second"):
                    await stream.send(part)
                    got.append(await anext(pieces, b""))
        except TimeoutError:
            return Observation(f"{len(got)} of 2 parts came back", {"parts": len(got)}, ["the request is buffered"])
        await stream.send(b"", end=True)
        response = await stream.response()
    observed = Observation(f"{got[0]!r} came back before {got[1]!r} was sent", {"parts": len(got)})
    return observed.expect(got == [b"first", b"second"] and response.whole, f"{got}, {response.outcome}")


async def client_leaves(context: Context) -> Observation:
    """Reset a request that waits in the origin; the origin must learn of it."""
    probe = context.new_id("leaves")
    async with connect_http2(context.edge) as client:
        stream = await client.open("GET", context.at("/"), asking(probe, Answer(hold=probe)), end=True)
        await context.until(lambda: context.origin.waiting(probe), bool)
        await stream.reset()
        seen = await context.until(lambda: context.origin.seen(probe), lambda seen: bool(seen and seen[0].answered))
    observed = Observation(f"the origin's answer was {seen[0].answered or 'still wanted'}", {"answered": seen[0].answered})
    return observed.expect(seen[0].answered == "cut", "the origin works on for nobody")


async def broken_off(context: Context) -> Observation:
    """Let the origin break off in the middle; the client must not take it for the whole."""
    answer = Answer(pieces=("half of it",), abort=True)
    outcomes = {}
    for name in context.protocols:
        try:
            response = await context.ask(name, answer)
            outcomes[name] = "whole" if response.whole and response.status == 200 else response.outcome
        except OSError as error:
            outcomes[name] = str(error)
    observed = Observation(", ".join(f"{name}: {value}" for name, value in outcomes.items()), outcomes)
    return observed.expect("whole" not in outcomes.values(), "a response that was broken off looks whole")


ORIGIN, H2 = frozenset({Feature.ORIGIN}), frozenset({Feature.ORIGIN, Feature.HTTP2})
PROBES = (
    Probe("early-hints", "103 seen by the client", "a 103 of the origin reaches a navigating browser once, before the 200",
          ORIGIN | {Feature.EARLY_HINTS}, early_hints),
    Probe("unharmed-by-hints", "a 103 does no harm", "the final response arrives whether the 103 is passed on or not",
          ORIGIN | {Feature.HINTED}, unharmed_by_hints),
    Probe("trailers", "trailers of a response", "they reach the client as trailers", ORIGIN | {Feature.TRAILERS}, trailers),
    Probe("request-trailers", "trailers of a request", "they reach the origin as trailers, never merged into the fields",
          H2 | {Feature.REQUEST_TRAILERS}, request_trailers),
    Probe("upload", "a large request body", "the body arrives whole", H2, upload, 60),
    Probe("download", "a large response body", "the body arrives whole", H2, download, 60),
    Probe("events", "server-sent events arrive one by one", "an event arrives before the next is sent",
          ORIGIN | {Feature.STREAMED_RESPONSE}, events),
    Probe("streamed-request", "a request body arrives as it is sent", "the origin answers the first part before the second",
          H2 | {Feature.STREAMED_REQUEST}, request_is_streamed),
    Probe("client-leaves", "a client that leaves", "the origin learns that nobody waits any more",
          H2 | {Feature.CLIENT_GONE}, client_leaves),
    Probe("broken-off", "a response that is broken off", "the client does not take it for the whole",
          ORIGIN | {Feature.BROKEN_RESPONSES}, broken_off),
)  # fmt: skip
