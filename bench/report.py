"""The report of a finished benchmark: tables, the bars, JSON, the chart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.bars import BEST, PEERS, Verdict, judge
from bench.chart import Bar, Panel, svg
from bench.figures import Comparison, Figures, Table
from bench.runner import Bench, Plan
from bench.scenarios import Scenario
from bench.servers import KERNEL, LIMIT, Server, is_ours

__all__ = ["as_json", "chart", "grid", "tables", "write"]

MIB = 1024 * 1024
ANSWERS = {True: "yes", False: "NO", None: "not measured"}
CORES = {
    "one": "each server held on one core, the load generator on another",
    "all": "servers on any core, the load generator held on one",
}
HEADS = (
    "server", "req/s", "req/CPU-s", "p50", "p99", "CPU us", "fastest/slowest", "failed", "kernel/this", "per CPU-s",
)
BUSY = 0.95
CAVEAT = (
    "Each server was held on one core: that flatters us against rivals with threads of their own (h2corn, granian).\n"
    "The bars are judged with --cores all, the default."
)


def grid(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lay rows out in columns; the first `left` columns are set to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if column < left else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def tables(plan: Plan, table: Table) -> str:
    """Return all tables as text."""
    parts = [_scenario(scenario, plan, table) for scenario in plan.scenarios]
    if table.memory:
        parts.append("Memory after the GET runs\n" + grid(list(_memory(plan, table))))
    parts.append("Bars (medians of the rounds' ratios; " + CORES[plan.cores] + ")\n" + bars(judge(table)))
    if plan.cores == "one":
        parts.append(CAVEAT)
    return "\n\n".join(parts)


def bars(verdicts: Sequence[Verdict]) -> str:
    """Return the bars and how they are met."""
    rows = [("bar", "needed", "measured", "met")]
    return grid([*rows, *((each.text, each.needed, each.measured, ANSWERS[each.met]) for each in verdicts)])


def _scenario(scenario: Scenario, plan: Plan, table: Table) -> str:
    rows: list[tuple[str, ...]] = [HEADS]
    notes = []
    for server in plan.servers:
        cell = table.figures.get((server.id, scenario.id))
        if cell is None:
            continue
        if cell.runs:
            rows.append(_row(server, cell, table, scenario))
        if cell.problem:
            notes.append(f"  {server.title}: {cell.problem}")
        if any(run.busy >= BUSY for run in cell.runs):
            notes.append(f"  {server.title}: the load generator was at its own limit; the server may do more")
    best, _ = table.best(PEERS, scenario.id, "rate")
    ours = table.compared(KERNEL, best, scenario.id, "rate")
    if ours:
        notes.insert(0, f"  {BEST}: {best}; our kernel is {ours.median:.2f}x as fast")
    if scenario.id in table.rates:
        rate, why = table.rates[scenario.id], "as asked" if plan.rate else "half of the slowest's rate"
        notes.append(f"  p50, p99 (ms) and CPU us of a request at {rate:,.0f} a second, {why}")
    return "\n".join([f"{scenario.id}: {scenario.heading}", grid(rows), *notes])


def _row(server: Server, cell: Figures, table: Table, scenario: Scenario) -> tuple[str, ...]:
    wrong = sum(run.data_wrong for run in cell.runs)
    failed = f"{cell.failed}" + (f", {wrong} wrong bodies" if wrong else "")
    latency = (f"{cell.p50 * 1e3:.2f}", f"{cell.p99 * 1e3:.2f}", f"{cell.cpu_each * 1e6:.1f}")
    against = (_against(server, table.compared(KERNEL, server.id, scenario.id, each)) for each in ("rate", "per_cpu"))
    return (
        server.title, f"{cell.rate:,.0f}", f"{cell.per_cpu:,.0f}", *(latency if cell.latencies else "---"),
        f"{cell.spread:.2f}", failed, *against,
    )


def _against(server: Server, found: Comparison | None) -> str:
    """Return the ratio of our kernel to this server, and how far the rounds lie apart."""
    if found is None or server.id == KERNEL:
        return "-"
    apart = f" [{found.lowest:.2f} {found.highest:.2f}]" if found.lowest < found.highest else ""
    return f"{found.median:.2f}x{apart}"


def _memory(plan: Plan, table: Table) -> Iterator[tuple[str, ...]]:
    yield "server", "PSS MiB", "RSS MiB", "private MiB"
    for server in plan.servers:
        usage = table.memory.get(server.id)
        if usage:
            yield server.title, *(f"{size / MIB:.1f}" for size in (usage.pss, usage.rss, usage.private))
        if server.id in table.soaked:
            after = table.soaked[server.id][1]
            yield f"{server.title}, after the soak", *(
                f"{size / MIB:.1f}" for size in (after.pss, after.rss, after.private)
            )


def as_json(bench: Bench, facts: dict[str, Any], started: str) -> dict[str, Any]:
    """Return everything that was measured and on what, ready to be dumped."""
    plan, table = bench.plan, bench.table
    return {
        "format": 2, "started": started, **facts,
        "seed": plan.seed, "rounds": plan.rounds, "seconds": plan.seconds, "cores": CORES[plan.cores],
        "latency_rounds": plan.latency_rounds, "hop": plan.hop,
        "commands": bench.commands,
        "scenarios": [_described(scenario) for scenario in plan.scenarios],
        "servers": [{"id": server.id, "title": server.title} for server in plan.servers],
        "figures": [
            {"server": server, "scenario": scenario, "rate": cell.rate, "per_cpu": cell.per_cpu,
             "failed": cell.failed, "spread": cell.spread, "problem": cell.problem,
             "p50": cell.p50, "p99": cell.p99, "cpu_each": cell.cpu_each,
             "runs": [asdict(run) for run in cell.runs], "latencies": [asdict(run) for run in cell.latencies]}
            for (server, scenario), cell in table.figures.items()
        ],
        "rates": table.rates,
        "memory": {server: asdict(usage) for server, usage in table.memory.items()},
        "soak": {
            server: {"requests_each": plan.soak, "before": asdict(before), "after": asdict(after), "failed": failed}
            for server, (before, after, failed) in table.soaked.items()
        },
        "bars": [asdict(verdict) for verdict in judge(table)],
    }


def _described(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": scenario.id, "title": scenario.title, "protocol": scenario.protocol, "clients": scenario.clients,
        "streams": scenario.streams, "app": scenario.app, "answer_bytes": len(scenario.answer), "post": scenario.post,
        "heads": "varied" if scenario.varied else "repeated", "styles": scenario.styles, "tls": scenario.tls,
    }


def chart(plan: Plan, table: Table, facts: dict[str, Any]) -> str:
    """Return the chart as SVG."""
    panels = []
    for scenario in plan.scenarios:
        found = [(server, table.figures.get((server.id, scenario.id))) for server in plan.servers]
        bars_ = [
            Bar(server.title, cell.rate, cell.per_cpu, _kind(server)) for server, cell in found if cell and cell.runs
        ]
        if bars_:
            panels.append(Panel(scenario.heading, sorted(bars_, key=lambda bar: -bar.rate)))
    note = (
        f"Python {facts['python']['version']}, nghttp2 {facts['nghttp2']['h2load']}, {facts['machine']['cpu']}; "
        f"{CORES[plan.cores]}{f'; through {plan.hop}' if plan.hop else ''}; median of {plan.rounds} rounds; "
        f"commit {facts['commit']}"
    )
    return svg("Requests per second (thin bar and brackets: per CPU-second of the server)", note, panels)


def _kind(server: Server) -> str:
    return "ours" if is_ours(server.id) else "limit" if server.id == LIMIT else "peer"


def write(folder: Path, bench: Bench, facts: dict[str, Any], started: str) -> None:
    """Write report.json, report.txt and chart.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(as_json(bench, facts, started), indent=1)
    (folder / "report.json").write_text(document + "\n")
    (folder / "report.txt").write_text(tables(bench.plan, bench.table) + "\n")
    (folder / "chart.svg").write_text(chart(bench.plan, bench.table, facts), encoding="utf-8")
