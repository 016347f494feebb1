"""The way to an origin past everything under test: JSON lines over a unix socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.seen import Seen

__all__ = ["Control", "ControlError", "serve_control"]

LINE_LIMIT = 64 * 1024 * 1024


class ControlError(Exception):
    """The origin did not answer, or refused."""


class Control:
    """The probe's side: one connection, one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._alone = asyncio.Lock()

    @classmethod
    async def connect(cls, path: Path) -> Control:
        """Connect to an origin; raises OSError if there is none."""
        return cls(*await asyncio.open_unix_connection(path, limit=LINE_LIMIT))

    async def close(self) -> None:
        """Leave."""
        self._writer.close()

    async def _ask(self, **question: Any) -> Any:
        async with self._alone:
            self._writer.write(json.dumps(question).encode() + b"\n")
            line = await self._reader.readline()
        if not line:
            raise ControlError("the origin is gone")
        reply = json.loads(line)
        if "error" in reply:
            raise ControlError(str(reply["error"]))
        return reply["is"]

    async def seen(self, probe: str) -> list[Seen]:
        """Return what was seen of one probe."""
        return [Seen.from_json(entry) for entry in await self._ask(op="seen", probe=probe)]

    async def seen_by(self, listener: str) -> list[Seen]:
        """Return all that one listener saw, health checks included."""
        return [Seen.from_json(entry) for entry in await self._ask(op="seen_by", listener=listener)]

    async def waiting(self, gate: str) -> list[int]:
        """Return the connections of the requests that wait at a gate, one entry each."""
        return [int(number) for number in await self._ask(op="waiting", gate=gate)]

    async def release(self, gate: str, count: int = 1) -> None:
        """Let `count` through a gate."""
        await self._ask(op="release", gate=gate, count=count)

    async def fail_health(self, listener: str, failing: bool) -> None:
        """Tell a listener how to answer health checks."""
        await self._ask(op="health", listener=listener, failing=failing)

    async def show_untrusted(self, untrusted: bool) -> None:
        """Tell TLS listeners which certificate to show from now on."""
        await self._ask(op="certificate", untrusted=untrusted)

    async def open_connections(self) -> dict[str, int]:
        """Return how many connections each listener has open."""
        counts: Mapping[str, int] = await self._ask(op="connections")
        return dict(counts)

    async def server(self) -> str:
        """Return what answers."""
        return str(await self._ask(op="server"))

    async def features(self) -> set[str]:
        """Return what the origin's server can do."""
        return set(await self._ask(op="features"))

    async def reset(self) -> None:
        """Open all gates, be healthy again."""
        await self._ask(op="reset")


async def serve_control(
    journal: Journal, path: Path, features: AbstractSet[str], connections: Callable[[], Mapping[str, int]]
) -> asyncio.Server:
    """Answer questions about `journal` on a unix socket; `connections` counts those that each listener has open."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for line in reader:
                try:
                    reply = {"is": _answer(journal, features, connections, json.loads(line))}
                except (KeyError, TypeError, ValueError) as error:
                    reply = {"error": f"{type(error).__name__}: {error}"}
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    path.unlink(missing_ok=True)
    return await asyncio.start_unix_server(serve, path, limit=LINE_LIMIT)


def _answer(
    journal: Journal, features: AbstractSet[str], connections: Callable[[], Mapping[str, int]], question: dict[str, Any]
) -> object:
    match question:
        case {"op": "seen", "probe": str(probe)}:
            return [seen.as_json() for seen in journal.of(probe)]
        case {"op": "seen_by", "listener": str(listener)}:
            return [seen.as_json() for seen in journal.seen if seen.listener == listener]
        case {"op": "waiting", "gate": str(gate)}:
            return [seen.connection for seen in journal.gates[gate].waiting]
        case {"op": "release", "gate": str(gate), "count": int(count)}:
            journal.gates[gate].release(count)
        case {"op": "health", "listener": str(listener), "failing": bool(failing)}:
            (journal.failing.add if failing else journal.failing.discard)(listener)
        case {"op": "certificate", "untrusted": bool(untrusted)}:
            journal.untrusted = untrusted
        case {"op": "connections"}:
            return dict(connections())
        case {"op": "server"}:
            return journal.server
        case {"op": "features"}:
            return sorted(features)
        case {"op": "reset"}:
            journal.reset()
        case _:
            raise ValueError(f"no such question: {question}")
    return None
