"""What a value may look like: turns the text or TOML value of one option into its type, or says why not.

Seconds: 30, 1.5, "30s", "500ms", "2m", "1h". Bytes: 1024, "64KiB", "1MiB" (1024s), "1kB", "1MB" (1000s).
A bare K, M or G is refused: half of the world reads it as 1000, the other half as 1024.
"""

from __future__ import annotations

import math
import re

from appserver.config.catalog import Option, Value

__all__ = ["BadValue", "from_text", "from_texts", "from_toml", "quoted", "spell"]

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})
SECONDS_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
BYTES_UNITS = {
    "": 1, "b": 1,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    "kb": 10**3, "mb": 10**6, "gb": 10**9,
}  # fmt: skip
SHOWN = 60  # characters of a bad value that an error repeats

# The digits are ASCII and bounded: int() takes other scripts, and time quadratic in the length.
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_SECONDS = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)[ ]?([a-z]*)")
_BYTES = re.compile(r"([0-9]{1,18})[ ]?([a-z]*)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class BadValue(ValueError):
    """The value does not fit the option; the text completes the sentence '<origin>: ...'."""


def from_text(option: Option, text: str) -> Value:
    """Read one word of the command line or the environment."""
    if option.kind == "bool":
        return _bool(text)
    if option.kind == "str":
        return _string(option, text)
    return _bounded(option, _number(option, text))


def from_texts(option: Option, texts: list[str]) -> tuple[str, ...]:
    """Read the words of a list option; empty ones are dropped, so that '' means none."""
    return tuple(_string(option, text) for text in texts if text)


def from_toml(option: Option, raw: object) -> Value:
    """Read a value that TOML has typed already; only units may come as text."""
    if option.is_list:
        return _toml_list(option, raw)
    if option.kind == "bool":
        if not isinstance(raw, bool):
            raise BadValue(f"{quoted(raw)} is not true or false")
        return raw
    if option.kind == "str":
        if not isinstance(raw, str):
            raise BadValue(f"{quoted(raw)} is not a string")
        return _string(option, raw)
    if isinstance(raw, str) and option.unit:
        return from_text(option, raw)
    return _bounded(option, _toml_number(option, raw))


def spell(option: Option, value: Value) -> str:
    """Return a value as people write it, for help, docs and errors."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if option.unit == "B" and isinstance(value, int):
        return _spell_bytes(value)
    if option.unit == "s" and isinstance(value, (int, float)):
        return f"{value:.12g}s" if value >= 1 or value == 0 else f"{value * 1000:.9g}ms"
    return str(value)


def quoted(raw: object) -> str:
    """Return a value as an error may repeat it: printable, bounded."""
    text = ascii(raw) if isinstance(raw, str) and not raw.isprintable() else repr(raw)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


# Text


def _bool(text: str) -> bool:
    word = text.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise BadValue(f"{quoted(text)} is not true or false")


def _string(option: Option, text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise BadValue(f"{quoted(text)} has control characters or is not UTF-8")
    if not option.choices:
        return text
    if text.lower() not in option.choices:
        raise BadValue(f"{quoted(text)} is none of {', '.join(option.choices)}")
    return text.lower()


# Numbers


def _number(option: Option, text: str) -> int | float:
    if option.unit == "s":
        return _seconds(text)
    if option.unit == "B":
        return _bytes(text)
    if not _WHOLE.fullmatch(text):
        raise BadValue(f"{quoted(text)} is not a whole number")
    return int(text)


def _seconds(text: str) -> float:
    match = _SECONDS.fullmatch(text.lower())
    if match is None or match[2] not in SECONDS_UNITS:
        raise BadValue(f"{quoted(text)} is not a duration; write 30, 1.5, 30s, 500ms, 2m or 1h")
    return float(match[1]) * SECONDS_UNITS[match[2]]


def _bytes(text: str) -> int:
    match = _BYTES.fullmatch(text.lower())
    if match is None or match[2] not in BYTES_UNITS:
        raise BadValue(f"{quoted(text)} is not a size; write bytes, or 64KiB, 1MiB, 1GiB (1kB, 1MB: 1000s)")
    return int(match[1]) * BYTES_UNITS[match[2]]


def _bounded(option: Option, value: int | float) -> int | float:
    if option.low is not None and value < option.low:
        raise BadValue(f"{value} is too small, the minimum is {_limit(option, option.low)}")
    if option.high is not None and value > option.high:
        raise BadValue(f"{value} is too big, the maximum is {_limit(option, option.high)}")
    return value


def _limit(option: Option, bound: float) -> str:
    return spell(option, int(bound) if option.kind == "int" else bound)


def _spell_bytes(value: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)


# TOML


def _toml_list(option: Option, raw: object) -> tuple[str, ...]:
    if isinstance(raw, str):
        raw = [raw]  # the one entry of its list
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        raise BadValue(f"{quoted(raw)} is not a string or an array of strings")
    return tuple(_string(option, item) for item in raw)


def _toml_number(option: Option, raw: object) -> int | float:
    if option.kind == "int":
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise BadValue(f"{quoted(raw)} is not a whole number")
        return raw
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not math.isfinite(raw):
        raise BadValue(f"{quoted(raw)} is not a number of seconds")
    return float(raw)
