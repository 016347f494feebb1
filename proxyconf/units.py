"""Durations and sizes with explicit units: `30s`, `20MiB`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["Duration", "Size"]

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
    """A length of time, exact to the millisecond."""

    milliseconds: int

    UNITS: ClassVar[dict[str, int]] = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    PATTERN: ClassVar[str] = r"^[0-9]+ ?(ms|s|m|h|d)$"
    LONGEST: ClassVar[int] = 365 * 86_400_000

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Read `30s`, `500ms`, `2m`, `1h` or `1d`."""
        if isinstance(value, cls):
            return value
        amount = _split(value, "duration", cls.UNITS, "30s")
        if not 0 < amount <= cls.LONGEST:
            raise ValueError("a duration is more than 0 and at most 365d")
        return cls(amount)

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        """Print it the way it is written."""
        days = _joined(self.milliseconds, self.UNITS)
        # Not every proxy knows days; hours say the same.
        return f"{int(days[:-1]) * 24}h" if days.endswith("d") else days


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
