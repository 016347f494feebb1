"""The bars of the benchmark and how they are judged."""

from __future__ import annotations

from bench.bars import BARS, judge
from bench.figures import Run, Table
from bench.process import Usage
from bench.scenarios import SCENARIOS
from bench.servers import SERVERS

MIB = 1024 * 1024


def measured(values: dict[tuple[str, str], tuple[float, float]]) -> Table:
    """Return a table of these (rate, rate per CPU-second) by (server, scenario)."""
    table = Table()
    for (server, scenario), (rate, per_cpu) in values.items():
        run = Run(1, requests=int(per_cpu), seconds=1.0, rate=rate, cpu=1.0, failed=0)
        table.cell(server, scenario).runs.append(run)
    return table


def met(table: Table, text: str) -> bool | None:
    found = [verdict for verdict in judge(table) if text in verdict.text]
    assert len(found) == 1, found
    return found[0].met


def test_every_bar_names_a_scenario_and_a_server_that_exist() -> None:
    assert {bar.scenario for bar in BARS} <= {scenario.id for scenario in SCENARIOS}
    assert {bar.against for bar in BARS} <= {"best peer", *(server.id for server in SERVERS)}


def test_exactly_the_needed_ratio_is_enough() -> None:
    table = measured({("kernel", "h2-c16-m16"): (250, 360), ("h2corn", "h2-c16-m16"): (100, 100)})
    assert met(table, "h2-c16-m16: requests per second against h2corn") is True
    assert met(table, "h2-c16-m16: requests per CPU-second against h2corn") is True


def test_one_request_less_is_not() -> None:
    table = measured({("kernel", "h2-c16-m16"): (249, 359), ("h2corn", "h2-c16-m16"): (100, 100)})
    assert met(table, "h2-c16-m16: requests per second against h2corn") is False
    assert met(table, "h2-c16-m16: requests per CPU-second against h2corn") is False


def test_the_best_peer_is_neither_ours_nor_the_limit() -> None:
    table = measured({
        ("kernel", "h2-body1m"): (100, 1), ("pure", "h2-body1m"): (500, 1), ("nghttpd", "h2-body1m"): (500, 1),
        ("h2corn", "h2-body1m"): (90, 1), ("granian", "h2-body1m"): (99, 1),
    })
    assert met(table, "h2-body1m: requests per second against best peer (granian)") is True


def test_an_access_log_may_cost_fifteen_percent() -> None:
    table = measured({("kernel", "road-h1"): (1000, 1), ("kernel-log", "road-h1"): (850, 1)})
    assert met(table, "road-h1: requests per second of kernel-log against kernel") is True
    table = measured({("kernel", "road-h1"): (1000, 1), ("kernel-log", "road-h1"): (849, 1)})
    assert met(table, "road-h1: requests per second of kernel-log against kernel") is False


def test_our_own_rows_are_no_peers() -> None:
    table = measured({("kernel", "road-h1"): (1, 125), ("kernel-log", "road-h1"): (1, 500), ("h2corn", "road-h1"): (1, 100)})
    assert met(table, "road-h1: requests per CPU-second against best peer (h2corn)") is True


def test_what_was_not_measured_is_not_met_and_not_missed() -> None:
    verdicts = judge(Table())
    assert {verdict.met for verdict in verdicts} == {None}
    assert all(verdict.measured.startswith("-") for verdict in verdicts)


def test_memory_is_judged_by_its_proportional_share() -> None:
    table = Table()
    table.memory["kernel"] = Usage(pss=32 * MIB, rss=90 * MIB, private=MIB)
    assert met(table, "after the GET runs") is True
    table.memory["kernel"] = Usage(pss=32 * MIB + 1, rss=0, private=0)
    assert met(table, "after the GET runs") is False


def test_a_soak_may_add_one_mebibyte_and_no_more() -> None:
    table = Table()
    before = Usage(20 * MIB, 0, private=15 * MIB)
    table.soaked["kernel"] = (before, Usage(25 * MIB, 0, private=16 * MIB), 0)
    assert met(table, "grown in the soak") is True
    table.soaked["kernel"] = (before, Usage(15 * MIB, 0, private=16 * MIB + 4096), 0)
    assert met(table, "grown in the soak") is False


def test_one_failed_request_one_wrong_body_or_one_broken_scenario_misses_the_last_bar() -> None:
    good = measured({("kernel", "h1-c64"): (1, 1)})
    assert met(good, "failed requests") is True

    table = measured({("kernel", "h1-c64"): (1, 1)})
    table.cell("kernel", "h1-c64").runs.append(Run(2, 10, 1.0, 1.0, 1.0, failed=1))
    assert met(table, "failed requests") is False

    table = measured({("kernel", "h1-c64"): (1, 1)})
    table.cell("kernel", "h1-c64").runs.append(Run(2, 10, 1.0, 1.0, 1.0, failed=0, data_wrong=True))
    assert met(table, "failed requests") is False

    table = measured({("kernel", "h1-c64"): (1, 1)})
    table.cell("kernel", "h2-c1-m1").problem = "exit 1"
    assert met(table, "failed requests") is False


def test_a_rival_that_fails_is_not_our_failure() -> None:
    table = measured({("kernel", "h1-c64"): (1, 1)})
    table.cell("hypercorn", "h1-c64").problem = "no answer"
    assert met(table, "failed requests") is True
