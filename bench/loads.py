"""Which load generator puts which scenario on a server, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench import h2load, loadgen
from bench.load import Counts, output
from bench.scenarios import POST_BODY, Scenario

__all__ = ["GENERATOR_SECONDS", "SLOWEST_RATE", "Loads"]

GENERATOR_SECONDS = 60
SLOWEST_RATE = 1000
"""Requests a second; slower ones are not waited for beyond the minute that every run has."""


@dataclass(slots=True)
class Loads:
    """The generators, and the number of the next request: no head comes twice in one benchmark."""

    program: Path
    """Ours, built."""
    post: Path
    """The file that h2load sends."""
    pin: list[str]
    """The argv prefix that holds a generator on its core."""
    next_request: int = 0

    def argv(
        self, scenario: Scenario, port: int, *, requests: int = 0, seconds: float = 0, rate: float = 0
    ) -> list[str]:
        """Return the argv of a run of that many requests or seconds; with `rate`, at so many requests a second."""
        if scenario.varied or rate or scenario.websocket:
            return self._ours(scenario, port, requests, seconds, rate)
        body = str(self.post) if scenario.post else ""
        return [*self.pin, *h2load.arguments(
            f"{scenario.scheme}://127.0.0.1:{port}/", scenario.clients, scenario.streams, requests=requests, seconds=seconds,
            http1=scenario.http1, body=body,
        )]

    def _ours(self, scenario: Scenario, port: int, requests: int, seconds: float, rate: float) -> list[str]:
        return [*self.pin, *loadgen.arguments(
            self.program, port, scenario.clients, scenario.streams, styles=scenario.styles, http1=scenario.http1,
            requests=requests, seconds=seconds, rate=rate, first=self.next_request if scenario.varied else 0,
            repeat=not scenario.varied, post=self._sent(scenario), websocket=scenario.websocket,
            answer=len(scenario.answer), timeout=GENERATOR_SECONDS + requests / SLOWEST_RATE,
        )]

    @staticmethod
    def _sent(scenario: Scenario) -> int:
        """Return how many bytes go with a request."""
        if scenario.websocket:
            return len(scenario.answer)
        return len(POST_BODY) if scenario.post else 0

    def run(self, argv: list[str], timeout: float) -> Counts:
        """Run one of these argv; no figures in time raises `LoadFailed`."""
        text = output(argv, timeout)
        if str(self.program) not in argv:
            return h2load.parse(text, tls=argv[-1].startswith("https:"))
        counts = loadgen.parse(text)
        self.next_request += counts.total
        return counts
