"""The proof beside the figures: what the load generator sends is recorded before anything is measured by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.apps import HELLO
from bench.load import LoadFailed
from bench.loads import Loads
from bench.process import ServerProcess, free_port
from bench.scenarios import Scenario

__all__ = ["check", "described", "problems"]

REQUESTS = 4096
SECONDS = 30
UNIQUE = ("x-request-id", "traceparent")
VARIED = (":path", "cookie", "user-agent", "referer", "x-forwarded-for", *UNIQUE)


def check(scenarios: Sequence[Scenario], loads: Loads, python: Path, root: Path, work: Path) -> dict[str, Any]:
    """Return what arrives in each scenario whose heads vary; heads that do not vary raise `LoadFailed`."""
    found = {}
    for scenario in scenarios:
        if scenario.varied and scenario.answer == HELLO:
            found[scenario.id] = _recorded(scenario, loads, python, root, work)
            wrong = problems(found[scenario.id])
            if wrong:
                raise LoadFailed(f"{scenario.id}: the heads are not what they should be: {'; '.join(wrong)}")
    return found


def _recorded(scenario: Scenario, loads: Loads, python: Path, root: Path, work: Path) -> dict[str, Any]:
    port, log = free_port(), work / "recorder.log"
    work.mkdir(parents=True, exist_ok=True)
    with ServerProcess([str(python), "-m", "bench.recorder", str(port)], port, root, log):
        counts = loads.run(loads.argv(scenario, port, requests=REQUESTS), SECONDS)
    if counts.failed:
        raise LoadFailed(f"{scenario.id}: the recorder answered {counts.ok} of {counts.total} requests")
    found: dict[str, Any] = json.loads(log.read_text())
    return found


def problems(recorded: dict[str, Any]) -> list[str]:
    """Return how recorded heads differ from those of clients behind a proxy."""
    requests, fields = recorded["requests"], recorded["fields"]
    wrong = [] if requests == REQUESTS else [f"{requests} requests in place of {REQUESTS}"]
    for name in VARIED:
        distinct = fields.get(name, {"distinct": 0})["distinct"]
        if distinct < 2 or (name in UNIQUE and distinct != requests):
            wrong.append(f"{name} has {distinct} values")
    return wrong


def described(recorded: dict[str, Any]) -> str:
    """Return in one line how many values each field had."""
    counts = (f"{name} {field['distinct']:,}" for name, field in recorded["fields"].items() if field["distinct"] > 1)
    return f"of {recorded['requests']:,} heads distinct: {', '.join(counts)}"
