"""What one source of options said: values, where each came from, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from appserver.config.catalog import Option, Value
from appserver.config.values import BadValue, from_text, from_texts, from_toml

__all__ = ["Layer", "nearest", "plain"]

CLOSE_ENOUGH = 0.6  # difflib's own default


@dataclass(slots=True)
class Layer:
    """The options of one source, by key, with the faults found while reading it.

    `listeners` are the `[[listener]]` tables of a file, each a layer of its own whose faults are told here;
    `where` is the place of such a table.
    """

    values: dict[str, Value] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    listeners: list[Layer] = field(default_factory=list)
    where: str = ""

    def put(self, option: Option, value: Value, origin: str) -> None:
        """Keep a value that is right already."""
        self.values[option.key] = value
        self.origins[option.key] = origin

    def read_text(self, option: Option, text: str, origin: str) -> None:
        """Read one word."""
        self._read(option, lambda: from_text(option, text), origin)

    def read_texts(self, option: Option, texts: list[str], origin: str) -> None:
        """Read the words of a list."""
        self._read(option, lambda: from_texts(option, texts), origin)

    def read_toml(self, option: Option, raw: object, origin: str) -> None:
        """Read a value that TOML has typed."""
        self._read(option, lambda: from_toml(option, raw), origin)

    def refuse(self, origin: str, suggestion: str) -> None:
        """Report a name that is not an option."""
        hint = f"did you mean {suggestion}?" if suggestion else "see appserver --help"
        self.faults.append(f"{origin}: no such option; {hint}")

    def _read(self, option: Option, read: Callable[[], Value], origin: str) -> None:
        try:
            self.put(option, read(), origin)
        except BadValue as bad:
            self.faults.append(f"{origin}: {bad}")
            self.broken.add(option.key)


def nearest(name: str, known: Iterable[str]) -> str:
    """return the known name nearest to `name`, or "" if none is close."""
    import difflib  # start-up: only a mistake needs it

    return next(iter(difflib.get_close_matches(name, list(known), 1, CLOSE_ENOUGH)), "")


def plain(text: str) -> str:
    """Return a name as a line of text may hold it."""
    return text if text.isprintable() else ascii(text)[1:-1]
