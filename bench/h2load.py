"""h2load: its arguments, and what its output says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Counts", "LoadFailed", "arguments", "parse", "run"]

RATE = re.compile(r"finished in ([\d.]+)(us|ms|s|m|h)?, ([\d.]+) req/s")
REQUESTS = re.compile(
    r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout"
)
STATUS = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
TRAFFIC = re.compile(r"traffic: .*\((\d+)\) total, .*\((\d+)\) headers.*, .*\((\d+)\) data")
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class LoadFailed(Exception):
    """h2load gave no figures."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The outcome of one h2load run. `total` is what was asked for; `data` the body bytes that arrived.

    `ok` requests were answered 2xx and completed: a stream reset after its head counts as 2xx and as errored.
    """

    seconds: float
    rate: float
    total: int
    ok: int
    data: int
    wire: int

    @property
    def failed(self) -> int:
        """Requests that were not answered 2xx, for whatever reason."""
        return self.total - self.ok


def parse(text: str) -> Counts:
    """Read h2load's summary."""
    rate, requests, status, traffic = (
        pattern.search(text) for pattern in (RATE, REQUESTS, STATUS, TRAFFIC)
    )
    if rate is None or requests is None or status is None or traffic is None:
        last = [line for line in text.splitlines() if line.strip()][-1:]
        raise LoadFailed(f"h2load printed no summary: {' '.join(last) or '(nothing)'}")
    return Counts(
        seconds=float(rate[1]) * SECONDS[rate[2] or "s"],
        rate=float(rate[3]),
        total=int(requests[1]),
        ok=min(int(status[1]), int(requests[3])),
        data=int(traffic[3]),
        wire=int(traffic[1]),
    )


def arguments(
    url: str, requests: int, clients: int, streams: int, *, http1: bool = False, body: str = ""
) -> list[str]:
    """Return the argv of a run of that many requests."""
    argv = ["h2load", f"-n{requests}", f"-c{clients}", f"-m{streams}", "-t1"]
    if http1:
        argv.append("--h1")
    if body:
        argv += ["-d", body]
    return [*argv, url]


def run(argv: Sequence[str], timeout: float) -> Counts:
    """Run h2load and read its figures; a run over time or without figures raises `LoadFailed`."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"not finished after {timeout:.0f} s") from error
    return parse(done.stdout + done.stderr)
