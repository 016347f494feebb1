"""What any load generator gives: counts, and latencies where it kept to a rate."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Counts", "LoadFailed", "Percentiles", "output"]


class LoadFailed(Exception):
    """A load generator gave no figures; the text says why."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies in seconds, each counted from when its request was due."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Counts:
    """The outcome of one run. `total` is what was asked for; `data` the body bytes that arrived.

    `ok` requests were answered 2xx and completed: a stream reset after its head counts as 2xx and as errored.
    `busy` is the share of a core that the generator itself used; 0 where it does not say.
    """

    seconds: float
    rate: float
    total: int
    ok: int
    data: int
    wire: int
    busy: float = 0.0
    latency: Percentiles | None = None

    @property
    def failed(self) -> int:
        """Requests that were not answered 2xx, for whatever reason."""
        return self.total - self.ok


def output(argv: Sequence[str], timeout: float) -> str:
    """Run a load generator and return all that it printed; over time it raises `LoadFailed`."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"not finished after {timeout:.0f} s") from error
    return done.stdout + done.stderr
