"""A body counted against its declared length and the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appserver.http.body import BodyMeter
from appserver.http.verdicts import OK, RESET


def test_a_meter_counts_to_the_declared_length() -> None:
    meter = BodyMeter(5, 0)
    assert [meter.take(3), meter.take(2), meter.end()] == [OK, OK, OK]
    assert meter.take(1) == RESET


def test_a_meter_wants_all_of_it() -> None:
    meter = BodyMeter(5, 0)
    assert [meter.take(4), meter.end()] == [OK, RESET]


def test_a_meter_without_a_length_has_a_limit() -> None:
    meter = BodyMeter(-1, 5)
    assert [meter.take(5), meter.end(), meter.take(1)] == [OK, OK, 413]


def test_nothing_declared_and_no_limit_is_never_too_much() -> None:
    assert BodyMeter(-1, 0).take(2**40) == OK


@given(st.integers(-1, 50), st.integers(0, 50), st.lists(st.integers(0, 20), max_size=6))
def test_a_meter_is_arithmetic(length: int, limit: int, sizes: list[int]) -> None:
    meter, total = BodyMeter(length, limit), 0
    for size in sizes:
        total += size
        expected = RESET if 0 <= length < total else 413 if limit and total > limit else OK
        assert meter.take(size) == expected
    assert meter.received == total
    assert meter.end() == (RESET if length >= 0 and total != length else OK)
