"""The list of every option, read from the dataclasses in `options`; owns the derived spellings.

Nothing here is written by hand: a new field of a section is a new option everywhere.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from appserver.config.options import Config, ListenerTable

__all__ = ["ENV_PREFIX", "LISTENER_OPTIONS", "LISTENER_SECTION", "OPTIONS", "SECTIONS", "Option", "Value", "sections"]

Value = str | bool | int | float | tuple[str, ...]

ENV_PREFIX = "APPSERVER_"
ROOT_SECTION = "server"  # its options carry no prefix
LISTENER_SECTION = "listener"  # an array of tables, in the file only


@dataclass(frozen=True, slots=True)
class Option:
    """One option: where it lives, what it accepts, how each source spells it."""

    section: str
    name: str
    kind: str  # the annotation as written: str, bool, int, float, tuple[str, ...]
    default: Value
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    unit: str
    metavar: str
    short: str

    @property
    def key(self) -> str:
        """The name in code and in `origins`."""
        return f"{self.section}.{self.name}"

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return "--" + self._prefixed("-").replace("_", "-")

    @property
    def env(self) -> str:
        """The name in the environment."""
        return ENV_PREFIX + self._prefixed("_").upper()

    @property
    def toml(self) -> str:
        """The name in the configuration file."""
        if self.section == LISTENER_SECTION:
            return f"[[{self.section}]] {self.name}"
        return f"[{self.section}] {self.name}"

    @property
    def is_list(self) -> bool:
        """Whether several values are taken."""
        return self.kind.startswith("tuple")

    def _prefixed(self, joint: str) -> str:
        return self.name if self.section == ROOT_SECTION else f"{self.section}{joint}{self.name}"


def sections() -> dict[str, type]:
    """Return the section classes by name, in the order of `Config`."""
    return {item.name: item.default_factory for item in dataclasses.fields(Config) if _is_section(item)}  # type: ignore[misc]  # a class


def _is_section(item: dataclasses.Field[Any]) -> bool:
    return isinstance(item.default_factory, type) and dataclasses.is_dataclass(item.default_factory)


def _options(section: str, owner: type) -> list[Option]:
    blank = owner()
    inherited = {item.name for base in owner.__mro__[1:-1] for item in dataclasses.fields(base)}
    own_first = sorted(dataclasses.fields(owner), key=lambda item: item.name in inherited)
    return [
        Option(
            section=section,
            name=item.name,
            kind=str(item.type),
            default=getattr(blank, item.name),
            help=item.metadata["help"],
            low=item.metadata["low"],
            high=item.metadata["high"],
            choices=item.metadata["choices"],
            unit=item.metadata["unit"],
            metavar=item.metadata["metavar"],
            short=item.metadata["flag"],
        )
        for item in own_first
        if "help" in item.metadata
    ]


SECTIONS: dict[str, type] = sections()
OPTIONS: dict[str, Option] = {
    option.key: option for section, owner in SECTIONS.items() for option in _options(section, owner)
}
# Of each `[[listener]]`, by name.
LISTENER_OPTIONS: dict[str, Option] = {option.name: option for option in _options(LISTENER_SECTION, ListenerTable)}
