"""Durations and sizes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.spec.units import Duration, Size


@pytest.mark.parametrize(
    ("text", "milliseconds", "printed"),
    [("30s", 30_000, "30s"), ("500ms", 500, "500ms"), ("90s", 90_000, "90s"), ("60s", 60_000, "1m"), ("2 h", 7_200_000, "2h"),
     ("1d", 86_400_000, "24h"), ("1500ms", 1500, "1500ms")],
)  # fmt: skip
def test_durations(text: str, milliseconds: int, printed: str) -> None:
    assert Duration.parse(text) == Duration(milliseconds)
    assert str(Duration(milliseconds)) == printed
    assert Duration(milliseconds).seconds == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "amount", "printed"),
    [("20MiB", 20 * 2**20, "20MiB"), ("1 kB", 1000, "1000B"), ("1024KiB", 2**20, "1MiB"), ("3GB", 3 * 10**9, "2929687.5KiB")],
)  # fmt: skip
def test_sizes(text: str, amount: int, printed: str) -> None:
    assert Size.parse(text) == Size(amount)
    assert str(Size(amount)) == ("3000000000B" if "." in printed else printed)


def test_unlimited_is_for_limits_only() -> None:
    assert str(Size.parse_limit("unlimited")) == "unlimited"
    with pytest.raises(ValueError, match="whole number and a unit"):
        Size.parse("unlimited")


@pytest.mark.parametrize(
    "text", ["30", "", "s", "30 sec", "-1s", "1.5s", "0s", "3651d", "1h30m", "٣s", 30, 1.5, None, [], True]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["20", "20M", "20mib", "0B", "9999999GiB", "1.5MiB", 20, None, {}])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        Size.parse(text)


@given(st.integers(1, Duration.LONGEST))
def test_a_printed_duration_is_read_back(milliseconds: int) -> None:
    assert Duration.parse(str(Duration(milliseconds))) == Duration(milliseconds)


@given(st.integers(1, Size.LARGEST))
def test_a_printed_size_is_read_back(amount: int) -> None:
    assert Size.parse(str(Size(amount))) == Size(amount)


@given(st.text(max_size=12))
def test_no_text_is_a_traceback(text: str) -> None:
    for parse in (Duration.parse, Size.parse, Size.parse_limit):
        with suppress(ValueError):
            parse(text)
