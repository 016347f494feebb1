"""WebSocket echo, by HTTP/1.1 upgrade and by RFC 8441."""

from __future__ import annotations

from proxyconf.verify.edge.websocket import websocket_over_http1, websocket_over_http2
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

LONG = "long " * 20_000


async def over_http1(context: Context) -> Observation:
    """Upgrade, echo a short and a long text, close."""
    probe = context.new_id("websocket")
    async with websocket_over_http1(context.edge, context.at("/"), asking(probe)) as session:
        echoes = [await session.echo("short"), await session.echo(LONG)]
        await session.close()
    return await _judge(context, probe, echoes)


async def over_http2(context: Context) -> Observation:
    """The same by extended CONNECT."""
    probe = context.new_id("websocket")
    async with websocket_over_http2(context.edge, context.at("/"), asking(probe)) as session:
        echoes = [await session.echo("short"), await session.echo(LONG)]
        await session.close()
    return await _judge(context, probe, echoes)


async def _judge(context: Context, probe: str, echoes: list[str]) -> Observation:
    seen = (await context.seen(probe))[0]
    hop = f"{seen.protocol}{' extended CONNECT' if seen.extended else ' upgrade'}"
    observed = Observation(f"echoed {len(echoes[0])} and {len(echoes[1])} characters; on the hop {hop}", {"hop": hop})
    return observed.expect(echoes == ["short", LONG], "the echo differs")


PROBES = (
    Probe("websocket", "WebSocket through the edge", "an upgraded session echoes",
          frozenset({Feature.ORIGIN, Feature.HTTP1, Feature.WEBSOCKET}), over_http1),
    Probe("websocket-http2", "WebSocket over HTTP/2 (RFC 8441)", "an extended CONNECT session echoes",
          frozenset({Feature.ORIGIN, Feature.HTTP2, Feature.WEBSOCKET_OVER_HTTP2}), over_http2),
)  # fmt: skip
