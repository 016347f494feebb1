"""The bars: what our kernel has to reach, judged by the medians of the ratios of one run's rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import Table
from bench.scenarios import ROAD
from bench.servers import KERNEL, LIMIT, LOGGING, OURS, SERVERS

__all__ = ["BARS", "Bar", "Verdict", "judge"]

MIB = 1024 * 1024
MEMORY = 32 * MIB
GROWTH = MIB
BEST = "best peer"
PEERS = tuple(server.id for server in SERVERS if server.id not in (*OURS, LIMIT))
WEBSOCKET = ("ws-echo-64", "ws-echo-16k")
FILES = ("h2-file128k", "h1-file128k", "h2-file10m", "h1-file10m")
BODIES = ("h2-stream1m", "h2-post64k", "h1-post64k")


@dataclass(frozen=True, slots=True)
class Bar:
    """The figure of `server` in a scenario is to be at least so many times the other's."""

    scenario: str
    figure: str
    against: str
    needed: float
    server: str = KERNEL


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judged bar; `met` is nothing where it was not measured."""

    text: str
    needed: str
    measured: str
    met: bool | None


BARS = (
    Bar("road-h2-literal", "per_cpu", "h2corn", 1.75),
    Bar("road-h2-literal", "per_cpu", LIMIT, 0.7),
    Bar("road-h2-indexed", "per_cpu", "h2corn", 1.75),
    Bar("road-h2-indexed", "per_cpu", LIMIT, 0.7),
    Bar("road-h1", "per_cpu", "h2corn", 1.35),
    Bar("road-h1", "per_cpu", BEST, 1.25),
    *(Bar(scenario, "rate", KERNEL, 0.85, LOGGING) for scenario in ROAD),
    Bar("h2-c16-m16", "rate", "h2corn", 2.5),
    Bar("h2-c16-m16", "per_cpu", "h2corn", 3.6),
    Bar("h2-c16-m16", "rate", LIMIT, 0.5),
    Bar("h2-c64-m1", "rate", "h2corn", 1.45),
    Bar("h2-c64-m1", "rate", LIMIT, 0.8),
    Bar("h2-c1-m1", "rate", "h2corn", 1.6),
    Bar("h1-c64", "rate", "h2corn", 1.25),
    Bar("h2-tls-c16-m16", "per_cpu", "h2corn", 1.5),
    Bar("h2-tls-c16-m16", "per_cpu", LIMIT, 0.6),
    *(Bar(scenario, "rate", BEST, 1.1) for scenario in BODIES),
    *(Bar(scenario, "per_cpu", BEST, 1.4) for scenario in BODIES),
    Bar("h2-body1m", "rate", BEST, 1.0),
    *(Bar(scenario, "rate", BEST, 1.0) for scenario in FILES),
    Bar("h2-starlette", "rate", "h2corn", 1.4),
    *(Bar(scenario, "per_cpu", "h2corn", 1.5) for scenario in WEBSOCKET),
    *(Bar(scenario, "per_cpu", BEST, 1.0) for scenario in WEBSOCKET),
)
UNITS = {"rate": "requests per second", "per_cpu": "requests per CPU-second"}


def judge(table: Table) -> list[Verdict]:
    """Judge every bar."""
    return [*(_speed(bar, table) for bar in BARS), *_memory(table), _failures(table)]


def _speed(bar: Bar, table: Table) -> Verdict:
    other = name = bar.against
    if bar.against == BEST:
        other, _ = table.best(PEERS, bar.scenario, bar.figure)
        name = f"{BEST} ({other})" if other else BEST
    found = table.compared(bar.server, other, bar.scenario, bar.figure)
    whose = "" if bar.server == KERNEL else f" of {bar.server}"
    return Verdict(
        f"{bar.scenario}: {UNITS[bar.figure]}{whose} against {name}",
        f"{bar.needed:g}x",
        f"{found.median:.2f}x" if found else "-",
        found.median >= bar.needed if found else None,
    )


def _memory(table: Table) -> Iterator[Verdict]:
    usage = table.memory.get(KERNEL)
    yield Verdict(
        "memory (PSS) after the GET runs",
        f"at most {MEMORY // MIB} MiB",
        f"{usage.pss / MIB:.1f} MiB" if usage else "-",
        usage.pss <= MEMORY if usage else None,
    )
    soaked = table.soaked.get(KERNEL)
    # Private: its proportional share also moves when another process comes to share its pages, or ceases to.
    grown = soaked[1].private - soaked[0].private if soaked else 0
    yield Verdict(
        "memory (private) grown in the soak",
        f"at most {GROWTH // MIB} MiB",
        f"{grown / MIB:+.2f} MiB" if soaked else "- (--soak)",
        grown <= GROWTH if soaked else None,
    )


def _failures(table: Table) -> Verdict:
    """Count what went wrong with our kernel: requests, bodies, whole scenarios."""
    ours = [cell for (server, _), cell in table.figures.items() if server == KERNEL]
    failed = sum(cell.failed for cell in ours) + sum(failed for *_, failed in table.soaked.values())
    wrong = sum(run.data_wrong for cell in ours for run in cell.runs)
    broken = sum(bool(cell.problem) for cell in ours)
    words = [f"{failed} failed"]
    words += [f"{wrong} wrong bodies"] if wrong else []
    words += [f"{broken} scenarios broke"] if broken else []
    met = not (failed or wrong or broken) if ours else None
    return Verdict("failed requests of our kernel", "0", ", ".join(words) if ours else "-", met)
