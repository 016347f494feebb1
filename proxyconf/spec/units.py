"""Durations, sizes and rates with explicit units: `30s`, `20MiB`, `20/s`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["Duration", "Rate", "Size"]

_NUMBER = re.compile(r"([0-9]{1,15})(?: ?)([A-Za-z]+)", re.ASCII)


def _split(value: object, kind: str, units: dict[str, int], example: str) -> int:
    """Return number times unit, or say what is wrong with `value`."""
    if not isinstance(value, str):
        raise ValueError(f"a {kind} needs a number and a unit, such as {example}")
    match = _NUMBER.fullmatch(value)
    if match is None:
        raise ValueError(f"a {kind} is a whole number and a unit, such as {example}")
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f"unknown unit '{unit}' of a {kind}; units: {', '.join(units)}")
    return int(number) * units[unit]


def _joined(amount: int, units: dict[str, int]) -> str:
    """Print `amount` in the largest unit that divides it."""
    for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
        if amount % factor == 0:
            return f"{amount // factor}{unit}"
    raise AssertionError("the smallest unit divides everything")


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, exact to the millisecond; 0 is "off"."""

    milliseconds: int

    UNITS: ClassVar[dict[str, int]] = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "y": 31_536_000_000}
    PATTERN: ClassVar[str] = r"^[0-9]+ ?(ms|s|m|h|d|y)$"
    LONGEST: ClassVar[int] = 10 * 365 * 86_400_000

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Read `30s`, `500ms`, `2m`, `1h`, `1d` or `1y` (365 days)."""
        if isinstance(value, cls):
            return value
        amount = _split(value, "duration", cls.UNITS, "30s")
        if not 0 < amount <= cls.LONGEST:
            raise ValueError("a duration is more than 0 and at most 10y")
        return cls(amount)

    @classmethod
    def parse_or_off(cls, value: object) -> Duration:
        """Read a duration, or the word `off` for no limit."""
        return cls(0) if value == "off" else cls.parse(value)

    @property
    def is_off(self) -> bool:
        """Whether there is no limit."""
        return not self.milliseconds

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        """Print it the way it is written."""
        if self.is_off:
            return "off"
        # Not every proxy knows days and years; hours say the same.
        return _joined(self.milliseconds, {unit: self.UNITS[unit] for unit in ("ms", "s", "m", "h")})


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """An amount of bytes; 0 is "unlimited"."""

    bytes: int

    UNITS: ClassVar[dict[str, int]] = {
        "B": 1,
        "kB": 10**3,
        "KiB": 2**10,
        "MB": 10**6,
        "MiB": 2**20,
        "GB": 10**9,
        "GiB": 2**30,
    }
    PATTERN: ClassVar[str] = r"^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)$"
    LARGEST: ClassVar[int] = 2**40

    @property
    def is_unlimited(self) -> bool:
        """Whether there is no limit."""
        return not self.bytes

    @classmethod
    def parse(cls, value: object) -> Size:
        """Read `20MiB`, `512KiB`, `1000B`."""
        if isinstance(value, cls):
            return value
        amount = _split(value, "size", cls.UNITS, "20MiB")
        if not 0 < amount <= cls.LARGEST:
            raise ValueError("a size is more than 0 and at most 1024GiB")
        return cls(amount)

    @classmethod
    def parse_limit(cls, value: object) -> Size:
        """Read a size, or the word `unlimited`."""
        return cls(0) if value == "unlimited" else cls.parse(value)

    def __str__(self) -> str:
        """Print it the way it is written."""
        if not self.bytes:
            return "unlimited"
        return _joined(
            self.bytes, {unit: factor for unit, factor in self.UNITS.items() if unit in ("B", "KiB", "MiB", "GiB")}
        )


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """So many requests in a period."""

    requests: int
    period: str

    PERIODS: ClassVar[dict[str, int]] = {"s": 1, "m": 60, "h": 3600}
    PATTERN: ClassVar[str] = r"^[0-9]+/(s|m|h)$"
    LARGEST: ClassVar[int] = 1_000_000

    @classmethod
    def parse(cls, value: object) -> Rate:
        """Read `20/s`, `100/m` or `1000/h`."""
        if isinstance(value, cls):
            return value
        match = re.fullmatch(r"([0-9]{1,7})/(s|m|h)", value, re.ASCII) if isinstance(value, str) else None
        if match is None or not 0 < int(match[1]) <= cls.LARGEST:
            raise ValueError("a rate is a number of requests per s, m or h, such as 20/s")
        return cls(int(match[1]), match[2])

    @property
    def seconds(self) -> int:
        """The period in seconds."""
        return self.PERIODS[self.period]

    def __str__(self) -> str:
        """Print it the way it is written."""
        return f"{self.requests}/{self.period}"
