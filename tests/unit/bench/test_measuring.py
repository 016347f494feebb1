"""A whole benchmark with small servers and a load generator that invents its figures."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import bodies, report, runner
from bench.load import Counts, Percentiles
from bench.loadgen import PATHS
from bench.loads import Loads
from bench.progress import Progress
from bench.runner import Bench, Plan
from bench.scenarios import Scenario, named
from bench.servers import Server

LISTEN = Path(__file__).parent / "data" / "listen.py"
FACTS: dict[str, Any] = {
    "commit": "0", "python": {"version": "3.14"}, "nghttp2": {"h2load": "1.70.0"}, "machine": {"cpu": "cpu"},
}


def a_server(name: str) -> Server:
    return Server(name, name, f"{sys.executable} -IS {LISTEN} {{port}}", name)


def a_bench(
    tmp_path: Path, servers: Sequence[Server], scenarios: Sequence[str], soak: int = 0, latency_rounds: int = 0
) -> Bench:
    plan = Plan(
        named(list(scenarios)), servers, 3, 0.1, 1, "all", soak, Path("/venv/bin"), tmp_path, Path("/loadgen"),
        latency_rounds,
    )
    return Bench(plan, Progress(Bench.steps(plan), io.StringIO()))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Answer every load with 1000 requests per second; return the argv of all."""
    seen: list[list[str]] = []

    def run(self: Loads, argv: Sequence[str], timeout: float) -> Counts:
        seen.append(list(argv))
        sizes = [int(part.removeprefix("-n").removeprefix("--requests="))
                 for part in argv if part.startswith(("-n", "--requests="))]
        total, fixed = (sizes or [400])[0], any(part.startswith("--rate=") for part in argv)
        return Counts(
            seconds=total / 1000, rate=1000.0, total=total, ok=total, data=13 * total, wire=20 * total, busy=0.5,
            latency=Percentiles(0.001, 0.005, 0.01) if fixed else None,
        )

    monkeypatch.setattr(Loads, "run", run)
    monkeypatch.setattr(runner, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(bodies, "wrong_answer", lambda *arguments: "")
    monkeypatch.setattr(bodies, "wrong_client", lambda *arguments: "")
    return seen


@pytest.mark.usefixtures("loads")
def test_every_pair_is_measured_in_every_round(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, [a_server("kernel"), a_server("h2corn")], ["h2-c16-m16", "h1-c64"])
    table = bench.run()
    assert {pair: [run.round for run in cell.runs] for pair, cell in table.figures.items()} == {
        (server, scenario): [1, 2, 3] for server in ("kernel", "h2corn") for scenario in ("h2-c16-m16", "h1-c64")
    }
    assert set(table.memory) == {"kernel", "h2corn"}
    assert table.soaked == {}


def test_the_order_of_a_round_is_random_and_repeats_with_its_seed(tmp_path: Path, loads: list[list[str]]) -> None:
    def order() -> list[str]:
        loads.clear()
        bench = a_bench(tmp_path, [a_server("a"), a_server("b")], ["h2-c16-m16", "h2-c64-m1", "h1-c64"])
        bench.run()
        return [" ".join(part for part in argv if part.startswith(("-c", "-m", "--h1"))) for argv in loads]

    first = order()
    assert order() == first
    warm_up, rounds = first[:6], [first[start : start + 6] for start in (6, 12, 18)]
    assert all(sorted(each) == sorted(warm_up) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1


@pytest.mark.usefixtures("loads")
def test_a_server_that_does_not_start_spoils_only_its_own_figures(tmp_path: Path) -> None:
    broken = Server("h2corn", "h2corn", "/nonexistent/h2corn {port}", "h2corn")
    table = a_bench(tmp_path, [broken, a_server("kernel")], ["h2-c16-m16"]).run()
    assert "/nonexistent/h2corn" in table.cell("h2corn", "h2-c16-m16").problem
    assert len(table.cell("kernel", "h2-c16-m16").runs) == 3


@pytest.mark.usefixtures("loads")
def test_a_wrong_answer_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(scenario: Scenario, *arguments: object) -> str:
        return "the body is wrong" if scenario.http1 else ""

    monkeypatch.setattr(bodies, "wrong_answer", wrong)
    table = a_bench(tmp_path, [a_server("kernel")], ["h2-c16-m16", "h1-c64"]).run()
    assert table.cell("kernel", "h1-c64").problem == "the body is wrong"
    assert table.cell("kernel", "h1-c64").runs == []
    assert len(table.cell("kernel", "h2-c16-m16").runs) == 3


@pytest.mark.usefixtures("loads")
def test_body_bytes_that_do_not_add_up_are_reported(tmp_path: Path) -> None:
    table = a_bench(tmp_path, [a_server("kernel")], ["h2-body1m"]).run()
    assert all(run.data_wrong for run in table.cell("kernel", "h2-body1m").runs)


@pytest.mark.usefixtures("loads")
def test_a_soak_compares_the_kernels_memory_and_no_others(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, [a_server("kernel"), a_server("h2corn")], ["h2-c16-m16"], soak=5000)
    assert set(bench.run().soaked) == {"kernel"}


def test_latency_is_measured_at_half_of_the_slowest_servers_rate(tmp_path: Path, loads: list[list[str]]) -> None:
    bench = a_bench(tmp_path, [a_server("kernel"), a_server("h2corn")], ["road-h1"], latency_rounds=2)
    table = bench.run()
    assert table.rates == {"road-h1": 500.0}
    assert [argv for argv in loads if "--rate=500.000" in argv and "--requests=50" in argv]
    for server in ("kernel", "h2corn"):
        cell = table.cell(server, "road-h1")
        assert (cell.p50, cell.p99, [run.round for run in cell.latencies]) == (0.001, 0.005, [1, 2])


@pytest.mark.usefixtures("loads")
def test_the_rate_may_be_chosen(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, [a_server("kernel")], ["road-h1"], latency_rounds=1)
    bench.plan = dataclasses.replace(bench.plan, rate=70)
    assert bench.run().rates == {"road-h1": 70}


def test_heads_vary_on_the_road_and_no_number_comes_twice(tmp_path: Path, loads: list[list[str]]) -> None:
    a_bench(tmp_path, [a_server("kernel")], ["road-h2-literal"]).run()
    assert all(argv[0:3] == loads[0][0:3] and "/loadgen" in argv for argv in loads)
    assert not any("--repeat" in argv for argv in loads)


@pytest.mark.usefixtures("loads")
def test_there_is_a_file_for_every_path(tmp_path: Path) -> None:
    a_bench(tmp_path, [a_server("nghttpd")], ["road-h2-literal"]).run()
    www = tmp_path / "www" / "apps-road"
    assert {(www / path).read_bytes() for path in (PATHS[0], PATHS[-1])} == {b"Hello, World!"}
    assert len(list((www / "products").iterdir())) == len(PATHS)


@pytest.mark.usefixtures("loads")
def test_a_server_that_does_not_believe_the_proxy_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "wrong_client", lambda *arguments: "X-Forwarded-For is not believed")
    table = a_bench(tmp_path, [a_server("kernel")], ["road-h1", "h1-c64"]).run()
    assert table.cell("kernel", "road-h1").problem == "X-Forwarded-For is not believed"
    assert len(table.cell("kernel", "h1-c64").runs) == 3


@pytest.mark.usefixtures("loads")
def test_an_access_log_is_emptied_after_each_run(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, [a_server("kernel-log")], ["road-h1"])
    log = tmp_path / "kernel-log.access.log"
    log.write_text("a line\n")
    bench.run()
    assert log.read_text() == ""


@pytest.mark.usefixtures("loads")
def test_everything_is_told(tmp_path: Path) -> None:
    servers = [a_server("kernel"), a_server("h2corn")]
    bench = a_bench(tmp_path / "run", servers, ["road-h2-literal", "h2-c16-m16"], latency_rounds=1)
    bench.run()
    report.write(tmp_path, bench, FACTS, "now")
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["seed"] == 1
    assert {(row["server"], row["rate"], row["p99"]) for row in document["figures"]} == {
        ("kernel", 1000.0, 0.005), ("h2corn", 1000.0, 0.005),
    }
    assert {row["id"]: row["heads"] for row in document["scenarios"]} == {
        "road-h2-literal": "varied", "h2-c16-m16": "repeated",
    }
    assert any("h2load" in argv for argv in document["commands"].values())
    text = (tmp_path / "report.txt").read_text()
    assert "our kernel is 1.00x as fast" in text
    assert "16 connections of 16 streams (heads repeat)" in text
    assert "p50, p99 (ms) and CPU us of a request at 500 a second" in text
    assert "h2-c16-m16: requests per second against h2corn" in text
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")
