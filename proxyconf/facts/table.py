"""The tables: `capabilities.yaml`, the features there are, and `tables/PROXY.yaml`, one proxy's facts about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from proxyconf.document.yaml import parse

__all__ = ["Capability", "Row", "Table", "Version", "capabilities", "proxies_that_can", "table", "table_names", "tables"]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Up to three numbers; a missing one is 0, so "2.11" promises no more than 2.11.0."""

    numbers: tuple[int, int, int]

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `2.11.7`."""
        parts = [int(part) for part in text.split(".")]
        major, minor, patch = (*parts, 0, 0)[:3]
        return cls((major, minor, patch))

    def __str__(self) -> str:
        """Print it."""
        return ".".join(map(str, self.numbers))


@dataclass(frozen=True, slots=True)
class Capability:
    """One feature that a site can ask for."""

    id: str
    group: str
    title: str
    instead: str
    """The way out where a proxy cannot."""
    lost: str
    """What is missing when one goes without; empty: nobody can go without."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fact about one proxy."""

    capability: str
    since: Version | None  # None: no version can
    until: Version | None  # the first version that cannot any more; None: there is none
    module: str  # what the build needs besides; empty: nothing
    how: str
    source: str
    proof: str

    def holds(self, version: Version, modules: frozenset[str]) -> bool:
        """Whether a version with these modules can."""
        if self.since is None or version < self.since or (self.until is not None and version >= self.until):
            return False
        return not self.module or self.module in modules

    @property
    def needs(self) -> str:
        """What it takes, for a message: ">= 1.29.4 with module brotli"; empty: no version can."""
        if self.since is None:
            return ""
        words = [f">= {self.since}", f"< {self.until}" if self.until else "", f"with module {self.module}" if self.module else ""]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Table:
    """What is known about one proxy."""

    proxy: str
    oldest: Version  # the oldest and the newest version that were run
    newest: Version
    modules: frozenset[str]  # what a build can have besides
    rows: dict[str, Row]

    def can(self, capability: str, version: Version, modules: frozenset[str] = frozenset()) -> bool:
        """Whether this version with these modules has the capability."""
        return capability in self.rows and self.rows[capability].holds(version, modules)


@cache
def capabilities() -> dict[str, Capability]:
    """Return all features by id, in the order in which they are listed."""
    data = _data("capabilities.yaml", resources.files("proxyconf.facts").joinpath("capabilities.yaml").read_bytes())
    found = [
        Capability(entry["id"], entry["group"], entry["title"], entry["instead"], entry.get("lost", ""))
        for entry in data["capabilities"]
    ]
    return {capability.id: capability for capability in found}


def _folder() -> Traversable:
    return resources.files("proxyconf.facts").joinpath("tables")


@cache
def table_names() -> tuple[str, ...]:
    """Return the names of the proxies that have a table."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml")))


@cache
def table(proxy: str) -> Table:
    """Return the table of a proxy; raises KeyError if there is none."""
    if proxy not in table_names():
        raise KeyError(proxy)
    # Only this one: a command about one proxy does not read the tables of all.
    return _table(f"{proxy}.yaml", _folder().joinpath(f"{proxy}.yaml").read_bytes())


def tables() -> dict[str, Table]:
    """Return all tables by the name of their proxy."""
    return {name: table(name) for name in table_names()}


def proxies_that_can(capability: str) -> list[str]:
    """Return "proxy >= since" for every proxy that has a capability."""
    return [
        f"{entry.proxy} {row.needs}"
        for entry in tables().values()
        if (row := entry.rows.get(capability)) and row.since
    ]


def _data(name: str, raw: bytes) -> Any:
    document = parse(name, raw, {})
    if document.findings or not isinstance(document.data, dict):
        raise ValueError(f"{name}: {[finding.message for finding in document.findings]}")
    return document.data


def _table(name: str, raw: bytes) -> Table:
    data = _data(name, raw)
    rows = [_row(name, entry) for entry in data["rows"]]
    return Table(
        data["proxy"],
        Version.parse(data["oldest"]),
        Version.parse(data["newest"]),
        frozenset(data.get("modules", ())),
        {row.capability: row for row in rows},
    )


def _row(name: str, entry: dict[str, str]) -> Row:
    wanted, also = {"capability", "since", "how", "source", "proof"}, {"until", "module"}
    if not wanted <= set(entry) <= wanted | also:
        raise ValueError(f"{name}: a row has the keys {sorted(wanted)} and may have {sorted(also)}, not {sorted(entry)}")
    since = None if entry["since"] == "never" else Version.parse(entry["since"])
    until = Version.parse(entry["until"]) if "until" in entry else None
    return Row(
        entry["capability"], since, until, entry.get("module", ""), entry["how"], entry["source"], entry["proof"]
    )
