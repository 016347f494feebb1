"""What an origin keeps while it runs: the requests it saw, its gates, and whether it feels healthy."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict

from proxyconf.verify.answer import Answer
from proxyconf.verify.seen import Seen

__all__ = ["Gate", "Journal"]

KEPT = 20_000


class Gate:
    """Lets through as many as were released; knows who waits."""

    def __init__(self) -> None:
        self._released = asyncio.Semaphore(0)
        self.waiting: list[Seen] = []

    async def enter(self, seen: Seen) -> None:
        """Wait for a release."""
        self.waiting.append(seen)
        try:
            await self._released.acquire()
        finally:
            self.waiting.remove(seen)

    def release(self, count: int) -> None:
        """Let `count` more through, now or when they come."""
        for _ in range(count):
            self._released.release()


class Journal:
    """The memory of one origin process."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.seen: list[Seen] = []
        self.gates: defaultdict[str, Gate] = defaultdict(Gate)
        self.failing: set[str] = set()
        self.untrusted = False  # TLS listeners show a certificate that nobody trusts
        self.open_connections: defaultdict[str, int] = defaultdict(int)
        self._connections = itertools.count(1)

    def connected(self, listener: str) -> int:
        """Count a new connection; returns its number."""
        self.open_connections[listener] += 1
        return next(self._connections)

    def disconnected(self, listener: str) -> None:
        """Count its end."""
        self.open_connections[listener] -= 1

    def note(self, seen: Seen) -> Seen:
        """Keep a request."""
        seen.server = self.server
        self.seen.append(seen)
        if len(self.seen) > KEPT:
            del self.seen[: KEPT // 2]
        return seen

    def of(self, probe: str) -> list[Seen]:
        """Return the requests of one probe, in the order they came."""
        return [seen for seen in self.seen if seen.id == probe]

    def answer_to(self, seen: Seen, asked: str) -> Answer:
        """Return what to answer: as asked; 503 for a health check of a listener that is told to fail."""
        if asked:
            return Answer.decode(asked)
        if not seen.id and seen.listener in self.failing:
            return Answer(503, pieces=("failing, as told\n",))
        return Answer() if seen.id else Answer(pieces=("fine\n",))

    def reset(self) -> None:
        """Open every gate, be healthy and trusted again: what one probe left behind is no matter of the next."""
        self.failing.clear()
        self.untrusted = False
        for gate in self.gates.values():
            gate.release(len(gate.waiting))
        self.gates.clear()
