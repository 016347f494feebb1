"""Medians, spreads, ratios."""

from __future__ import annotations

import pytest

from bench.figures import Comparison, Figures, Latency, Run, Table


def run(rate: float, *, cpu: float = 1.0, failed: int = 0) -> Run:
    return Run(round=1, requests=1000, seconds=1.0, rate=rate, cpu=cpu, failed=failed)


def test_the_median_ignores_the_outlier_and_the_spread_shows_it() -> None:
    figures = Figures([run(100), run(110), run(10)])
    assert figures.rate == 100
    assert figures.spread == pytest.approx(11)


def test_requests_per_cpu_second_count_only_those_that_succeeded() -> None:
    assert run(100, cpu=0.5, failed=500).per_cpu == 1000


def test_a_server_that_used_no_measurable_time_has_no_figure_per_cpu_second() -> None:
    assert run(100, cpu=0.0).per_cpu == 0.0


def test_without_runs_everything_is_zero() -> None:
    empty = Figures()
    assert (empty.rate, empty.per_cpu, empty.failed, empty.spread) == (0.0, 0.0, 0, 0.0)


def test_the_best_is_the_highest_median_of_those_asked_about() -> None:
    table = Table()
    table.cell("a", "s").runs.append(run(10))
    table.cell("b", "s").runs.append(run(30))
    table.cell("c", "s").runs.append(run(90))
    assert table.best(["a", "b", "nobody"], "s", "rate") == ("b", 30)
    assert table.best(["nobody"], "s", "rate") == ("", 0.0)


def test_asking_for_a_value_does_not_invent_a_measurement() -> None:
    table = Table()
    assert table.value("a", "s", "rate") == 0.0
    assert table.figures == {}


def rounds(table: Table, server: str, rates: dict[int, float]) -> None:
    for number, rate in rates.items():
        table.cell(server, "s").runs.append(Run(number, 1000, 1.0, rate, 1.0, 0))


def test_servers_are_compared_within_each_round() -> None:
    table = Table()
    rounds(table, "a", {1: 200, 2: 20, 3: 300})
    rounds(table, "b", {2: 10, 1: 100, 3: 100})
    assert table.compared("a", "b", "s", "rate") == Comparison(2.0, 2.0, 3.0)


def test_a_comparison_needs_a_round_in_which_both_were_measured() -> None:
    table = Table()
    rounds(table, "a", {1: 200, 2: 20})
    rounds(table, "b", {2: 0, 3: 100})
    assert table.compared("a", "b", "s", "rate") is None
    assert table.compared("a", "nobody", "s", "rate") is None


def test_latencies_are_medians_of_their_rounds() -> None:
    runs = [Latency(number, 100.0, 50, p50, 2 * p50, 1.0, 0.5, 0) for number, p50 in enumerate((1.0, 5.0, 3.0))]
    figures = Figures(latencies=runs)
    assert (figures.p50, figures.p99, figures.cpu_each) == (3.0, 6.0, 0.01)
