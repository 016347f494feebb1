"""The measure by which receive windows grow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import appserver.h2.growth
from tests.support.plain import plain

MODULES = {"built": appserver.h2.growth, "plain": plain("appserver.h2.growth")}


@pytest.fixture(params=MODULES)
def growth(request: pytest.FixtureRequest) -> Any:
    return MODULES[request.param].WindowGrowth


def test_a_window_used_up_in_a_round_trip_is_doubled(growth: Any) -> None:
    one = growth(100_000, 1_000_000)
    assert one.consume(30_000)
    assert not one.consume(90_000)
    assert one.on_pong() == 200_000


def test_a_window_that_is_wide_enough_stays(growth: Any) -> None:
    one = growth(100_000, 1_000_000)
    assert one.consume(30_000)
    one.consume(60_000)
    assert one.on_pong() == 0
    assert one.window == 100_000


def test_a_pong_that_nobody_waits_for_is_none(growth: Any) -> None:
    one = growth(100_000, 1_000_000)
    assert one.on_pong() == 0


def test_it_is_measured_ever_more_seldom(growth: Any) -> None:
    one = growth(100_000, 1_000_000)
    pings = 0
    for _ in range(10_000):
        if one.consume(1_000):
            pings += 1
            one.on_pong()
    assert 5 < pings < 20


@given(sizes=st.lists(st.tuples(st.integers(1, 200_000), st.booleans())), limit=st.integers(0, 10**6))
def test_a_window_never_shrinks_nor_passes_its_limit(sizes: list[tuple[int, bool]], limit: int) -> None:
    one = appserver.h2.growth.WindowGrowth(65_535, limit)
    before = one.window
    for size, pong in sizes:
        assert not (one.consume(size) and one.window >= limit)
        if pong:
            one.on_pong()
        assert before <= one.window <= max(limit, 65_535)
        before = one.window
