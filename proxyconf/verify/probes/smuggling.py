"""No request gets past the proxy inside another one: HTTP/1.1 conflicts, HTTP/2 downgrades, Upgrade: h2c.

A second request rides in each attack, with a forged address in it. A proxy that took it for a request of its own
has replaced the address; one that did not see it has been passed by.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from proxyconf.verify.edge.http1 import Raw, send_raw
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.link import EdgeError
from proxyconf.verify.edge.response import Response
from proxyconf.verify.probes.attacks import CONTROL_CHARACTERS, HTTP1, HTTP2, Http1Attack, Http2Attack
from proxyconf.verify.probes.client import FORGED
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.seen import Seen
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

CONTROL = re.compile(r"[\0\r\n]")
CONNECTION_FIELDS = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
H2C = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA"


def second_lines(context: Context, probe: str) -> list[bytes]:
    """Return the field lines of the request that rides along."""
    return [b"host: " + context.edge.authority.encode(), b"probe-id: " + probe.encode(),
            b"x-forwarded-for: " + FORGED.encode()]  # fmt: skip


def second_request(context: Context, probe: str) -> bytes:
    """Return that request."""
    return b"\r\n".join([f"GET {context.at('/second')} HTTP/1.1".encode(), *second_lines(context, probe), b"", b""])


async def http1_conflicts(context: Context) -> Observation:
    """Send every HTTP/1.1 attack; after each an honest client must get its own answer."""
    observed, facts = Observation(""), {}
    for attack in HTTP1:
        first, second = context.new_id("first"), context.new_id("second")
        raw = await _send_http1(context, attack, first, second)
        facts[attack.name] = raw.outcome
        observed.wrong += [f"{attack.name}: {wrong}" for wrong in await _passed_by(context, first, second, raw.statuses)]
        observed.wrong += [f"{attack.name}: {wrong}" for wrong in await _poisoned(context)]
    observed.facts, observed.text = facts, _summary(facts, observed.wrong)
    return observed


async def _send_http1(context: Context, attack: Http1Attack, first: str, second: str) -> Raw:
    riding = second_request(context, second)
    method = "GET" if attack.name.startswith("GET") else "POST"
    head = [f"{method} {context.at('/')} ".encode() + attack.version, b"host: " + context.edge.authority.encode()]
    head += [f"{name}: {value}".encode() for name, value in asking(first)]
    head += attack.lines(riding)
    return await send_raw(context.edge, b"\r\n".join([*head, b"", b""]) + attack.body(riding), seconds=1.5, quiet=0.15)


async def _passed_by(context: Context, first: str, second: str, statuses: list[int]) -> list[str]:
    """Say by what the origin shows that the second request got past the proxy."""
    requests, riding = await context.origin.seen(first), await context.origin.seen(second)
    wrong = [f"the second request reached the origin with {name}: {FORGED}" for seen in riding
             for name, value in seen.fields if value == FORGED]  # fmt: skip
    if len(requests) + len(riding) > max(1, len(statuses)):
        wrong.append(f"{len(requests) + len(riding)} requests at the origin, {len(statuses)} answers")
    return wrong + [text for seen in (*requests, *riding) for text in _malformed(seen)]


def _malformed(seen: Seen) -> list[str]:
    """Say what the proxy passed on that no next parser may see."""
    values = [seen.method, seen.target, seen.scheme, seen.authority, *(part for field in seen.fields for part in field)]
    wrong = [f"{value[:40]!r} reached the origin" for value in values if CONTROL.search(value)]
    if seen.error:
        wrong.append(f"the origin did not understand it: {seen.error}")
    names = Counter(name.lower() for name, _ in seen.fields)
    if names["content-length"] and names["transfer-encoding"]:
        wrong.append("Content-Length and Transfer-Encoding both reached the origin")
    if names["content-length"] > 1 and len(set(seen.values("content-length"))) > 1:
        wrong.append("two lengths reached the origin")
    if seen.protocol == "HTTP/2":
        wrong += [f"{name} reached the origin over HTTP/2" for name in sorted(CONNECTION_FIELDS & names.keys())]
    return wrong


async def _poisoned(context: Context) -> list[str]:
    """Ask as an honest client."""
    probe = context.new_id("honest")
    try:
        got = (await context.ask("h1", probe=probe)).seen()
    except EdgeError as error:
        return [f"the next client got {error}"]
    return [] if got.id == probe else [f"the next client got the answer to {got.id or 'nobody'}"]


def _summary(facts: dict[str, str], wrong: list[str]) -> str:
    refused = sum(bool(re.match(r"4|5|reset|closed|no answer|the edge closed", outcome)) for outcome in facts.values())
    said = f"{len(facts)} attacks: {refused} refused, {len(facts) - refused} answered"
    return said if wrong else f"{said}, none got past the proxy"


async def downgrades(context: Context) -> Observation:
    """Send every HTTP/2 attack, at once: some edges close a second after a fault."""
    observed = Observation("")

    async def tried(attack: Http2Attack) -> str:
        first, second = context.new_id("first"), context.new_id("second")
        response = await _send_http2(context, attack, first, second)
        answers = [response.status] if response.status else []
        observed.wrong += [f"{attack.name}: {wrong}" for wrong in await _passed_by(context, first, second, answers)]
        return response.outcome

    outcomes = await asyncio.gather(*map(tried, HTTP2))
    facts = {attack.name: outcome for attack, outcome in zip(HTTP2, outcomes, strict=True)}
    if "h1" in context.protocols:
        observed.wrong += await _poisoned(context)
    observed.facts, observed.text = facts, _summary(facts, observed.wrong)
    return observed


async def _send_http2(context: Context, attack: Http2Attack, first: str, second: str) -> Response:
    lines = b"\r\n".join(second_lines(context, second)).decode()
    added = attack.fields(lines)
    head = {":method": "POST" if attack.body else "GET", ":scheme": context.edge.scheme, ":path": context.at("/"),
            ":authority": context.edge.authority}  # fmt: skip
    head |= {name: context.at(value) if name == ":path" and value[:1] == "/" else value for name, value in added if name in head}
    more = [(name, value) for name, value in added if name not in head]
    async with connect_http2(context.edge) as client:
        stream = await client.open_raw([*head.items(), *asking(first), *more], end=attack.body is None)
        if attack.body is not None:
            await stream.send(attack.body(second_request(context, second)), end=True)
        return await stream.response()


async def upgrade_h2c(context: Context) -> Observation:
    """Ask for an upgrade to HTTP/2 in cleartext, by which a tunnel would pass the proxy's rules."""
    observed, facts = Observation(""), {}
    for name, lines in (("with settings", H2C), ("without", b"connection: upgrade\r\nupgrade: h2c")):
        probe = context.new_id("h2c")
        head = [f"GET {context.at('/')} HTTP/1.1".encode(), b"host: " + context.edge.authority.encode(), lines]
        head += [f"{key}: {value}".encode() for key, value in asking(probe)]
        raw = await send_raw(context.edge, b"\r\n".join([*head, b"", b""]), seconds=2, quiet=0.2)
        facts[name] = f"{raw.outcome}, no 101" if b"HTTP/1.1 101" not in raw.data else "101"
        observed.expect(b"HTTP/1.1 101" not in raw.data, f"{name}: the edge switched protocols")
        for seen in await context.origin.seen(probe) if context.has_origin else []:
            observed.expect(not seen.values("upgrade"), f"{name}: the offer reached the origin")
            # Harmless without the offer, and by RFC 9113 obsolete; but it is the client's connection's alone.
            if seen.values("http2-settings"):
                facts["passed on"] = "HTTP2-Settings alone was passed on"
    observed.facts = facts
    observed.text = ", ".join(f"{name}: {outcome}" for name, outcome in facts.items())
    return observed


async def control_characters(context: Context) -> Observation:
    """Send NUL and CR within fields; the origin must see neither."""
    observed, facts = Observation(""), {}
    for attack in CONTROL_CHARACTERS:
        first, second = context.new_id("control"), context.new_id("second")
        raw = await _send_http1(context, attack, first, second)
        facts[attack.name] = raw.outcome
        observed.wrong += [f"{attack.name}: {wrong}" for wrong in await _passed_by(context, first, second, raw.statuses)]
    observed.facts, observed.text = facts, ", ".join(f"{name}: {outcome}" for name, outcome in facts.items())
    return observed


async def refused_framing(context: Context) -> Observation:
    """Send what RFC 9112 says must be refused; nothing behind the edge is needed to judge the answer."""
    observed, facts, read_on = Observation(""), {}, []
    for attack in HTTP1:
        if not attack.must:
            continue
        raw = await _send_http1(context, attack, "outside", "outside")
        facts[attack.name] = raw.outcome
        refused = not raw.statuses or raw.statuses[0] >= 400 or (attack.in_body and raw.closed)
        observed.expect(refused, f"{attack.name}: answered {raw.outcome}")
        if len(raw.statuses) > 1:
            read_on.append(attack.name)
    observed.facts = facts
    observed.text = f"{len(facts)} requests that must be refused"
    if read_on:
        observed.text += f"; what followed was read as another request after: {', '.join(read_on)}"
    return observed


async def refused_messages(context: Context) -> Observation:
    """Send what RFC 9113 calls malformed; it must never be answered as a request."""
    observed, attacks = Observation(""), [attack for attack in HTTP2 if attack.must]
    responses = await asyncio.gather(*(_send_http2(context, attack, "outside", "outside") for attack in attacks))
    facts = {attack.name: response.outcome for attack, response in zip(attacks, responses, strict=True)}
    for name, response in zip(facts, responses, strict=True):
        observed.expect(not 0 < response.status < 400, f"{name}: answered {response.outcome}")
    observed.facts, observed.text = facts, f"{len(facts)} messages that must be refused"
    return observed


NEEDS = frozenset({Feature.ORIGIN, Feature.FORWARDED})
PROBES = (
    Probe("smuggling-http1", "HTTP/1.1 requests that can be read in two ways",
          "no second request reaches the origin past the proxy, and the next client gets its own answer",
          NEEDS | {Feature.HTTP1}, http1_conflicts, 120),
    Probe("smuggling-http2", "HTTP/2 requests that would mean something else in HTTP/1.1",
          "they are refused or made harmless", NEEDS | {Feature.HTTP2}, downgrades, 60),
    Probe("control-characters", "NUL and CR in fields", "refused, or replaced by a space",
          NEEDS | {Feature.HTTP1, Feature.CONTROL_CHARACTERS}, control_characters),
    Probe("upgrade-h2c", "Upgrade: h2c", "the edge does not switch, and the origin does not see the offer",
          frozenset({Feature.HTTP1}), upgrade_h2c),
    Probe("framing", "HTTP/1.1 framing that must be refused", "each request is answered by 4xx or ends the connection",
          frozenset({Feature.HTTP1}), refused_framing, 60),
    Probe("malformed", "HTTP/2 messages that are malformed", "each is answered by a reset or by 4xx",
          frozenset({Feature.HTTP2}), refused_messages, 60),
)  # fmt: skip
