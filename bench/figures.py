"""Figures: what one run gave, medians over rounds, ratios between servers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from bench.process import Usage

__all__ = ["Comparison", "Figures", "Latency", "Run", "Table"]


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run. `rate` counts the requests that succeeded.

    `data_wrong` says that fewer or more body bytes came than the answers have; `busy` is the share of its core that
    the load generator used, 0 where it does not say.
    """

    round: int
    requests: int
    seconds: float
    rate: float
    cpu: float
    failed: int
    data_wrong: bool = False
    busy: float = 0.0

    @property
    def per_cpu(self) -> float:
        """Requests per CPU-second of the server; 0 where it used too little to be measured."""
        return (self.requests - self.failed) / self.cpu if self.cpu > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """One run at a fixed rate: percentiles in seconds, from when a request was due; the server's CPU-seconds."""

    round: int
    rate: float
    requests: int
    p50: float
    p99: float
    max: float
    cpu: float
    failed: int

    @property
    def cpu_each(self) -> float:
        """CPU-seconds of the server for each request."""
        return self.cpu / self.requests if self.requests else 0.0


@dataclass(slots=True)
class Figures:
    """All runs of one server in one scenario, or why there are none."""

    runs: list[Run] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    problem: str = ""

    @property
    def rate(self) -> float:
        """Median requests per second; 0 without runs."""
        return _median(run.rate for run in self.runs)

    @property
    def per_cpu(self) -> float:
        """Median requests per CPU-second; 0 without runs."""
        return _median(run.per_cpu for run in self.runs)

    @property
    def failed(self) -> int:
        """Failed requests of all runs."""
        return sum(run.failed for run in self.runs) + sum(run.failed for run in self.latencies)

    @property
    def p50(self) -> float:
        """Median of the runs' medians, in seconds; 0 without runs at a fixed rate."""
        return _median(run.p50 for run in self.latencies)

    @property
    def p99(self) -> float:
        """Median of the runs' 99th percentiles, in seconds."""
        return _median(run.p99 for run in self.latencies)

    @property
    def cpu_each(self) -> float:
        """Median CPU-seconds of a request at the fixed rate."""
        return _median(run.cpu_each for run in self.latencies)

    @property
    def spread(self) -> float:
        """Fastest over slowest run: what to think of the median."""
        rates = [run.rate for run in self.runs if run.rate > 0]
        return max(rates) / min(rates) if rates else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ratios of the rounds of one run: their median, the lowest and the highest."""

    median: float
    lowest: float
    highest: float


@dataclass(slots=True)
class Table:
    """Everything a benchmark gave, by (server, scenario); memory by server."""

    figures: dict[tuple[str, str], Figures] = field(default_factory=dict)
    memory: dict[str, Usage] = field(default_factory=dict)
    soaked: dict[str, tuple[Usage, Usage, int]] = field(default_factory=dict)
    """Before, after, and the failed requests of the soak, by server."""
    rates: dict[str, float] = field(default_factory=dict)
    """The rate at which latency was measured, by scenario: half of the slowest server's."""

    def cell(self, server: str, scenario: str) -> Figures:
        """Return the figures of a pair, made on first use."""
        return self.figures.setdefault((server, scenario), Figures())

    def value(self, server: str, scenario: str, figure: str) -> float:
        """Return a median by name ("rate" or "per_cpu"); 0 if it was not measured."""
        found = self.figures.get((server, scenario))
        if found is None:
            return 0.0
        return found.rate if figure == "rate" else found.per_cpu

    def compared(self, server: str, other: str, scenario: str, figure: str) -> Comparison | None:
        """Return the one's figure over the other's, round by round; nothing where they have no round in common.

        A shared machine is fast in one minute and slow in the next: within a round both have met the same.
        """
        one, two = (self.figures.get((each, scenario), Figures()).runs for each in (server, other))
        others: dict[int, float] = {run.round: getattr(run, figure) for run in two}
        pairs = [(getattr(run, figure), others.get(run.round, 0.0)) for run in one]
        ratios = [ours / theirs for ours, theirs in pairs if ours > 0 and theirs > 0]
        return Comparison(median(ratios), min(ratios), max(ratios)) if ratios else None

    def best(self, servers: Iterable[str], scenario: str, figure: str) -> tuple[str, float]:
        """Return which of these servers has the highest median, and it; ("", 0) if none was measured."""
        found = [(self.value(server, scenario, figure), server) for server in servers]
        value, server = max(found, default=(0.0, ""))
        return (server, value) if value else ("", 0.0)


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return median(found) if found else 0.0
