"""All probes, in the order in which they run: those that disturb the stack come last."""

from __future__ import annotations

from proxyconf.verify.probes import client, grpc, life, limits, messages, protocols, smuggling, target, websocket
from proxyconf.verify.probes.probe import Probe

__all__ = ["PROBES"]

PROBES: tuple[Probe, ...] = (
    *protocols.PROBES,
    *client.PROBES,
    *target.PROBES,
    *messages.PROBES,
    *grpc.PROBES,
    *websocket.PROBES,
    *limits.PROBES,
    *smuggling.PROBES,
    *life.PROBES,
)
