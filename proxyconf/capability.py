"""What each proxy can do since which version: `tables/*.yaml`, a source and a proof in every row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from proxyconf.document import parse

__all__ = ["Row", "Table", "Version", "proxies_that_can", "table", "tables"]


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
class Row:
    """One fact about one proxy."""

    capability: str
    title: str
    since: Version | None  # None: no version can
    how: str
    source: str
    proof: str


@dataclass(frozen=True, slots=True)
class Table:
    """What is known about one proxy."""

    proxy: str
    oldest: Version  # the oldest and the newest version that were run
    newest: Version
    rows: dict[str, Row]

    def can(self, capability: str, version: Version) -> bool:
        """Whether this version has the capability."""
        since = self.rows[capability].since if capability in self.rows else None
        return since is not None and version >= since


@cache
def tables() -> dict[str, Table]:
    """Return all tables by the name of their proxy."""
    files = resources.files("proxyconf").joinpath("tables").iterdir()
    found = [_read(file.name, file.read_bytes()) for file in files if file.name.endswith(".yaml")]
    return {entry.proxy: entry for entry in sorted(found, key=lambda entry: entry.proxy)}


def table(proxy: str) -> Table:
    """Return the table of a proxy."""
    return tables()[proxy]


def proxies_that_can(capability: str) -> list[str]:
    """Return "proxy >= since" for every proxy that has a capability."""
    return [
        f"{entry.proxy} >= {row.since}"
        for entry in tables().values()
        if (row := entry.rows.get(capability)) and row.since
    ]


def _read(name: str, raw: bytes) -> Table:
    document = parse(name, raw, {})
    data = document.data
    if document.findings or not isinstance(data, dict):
        raise ValueError(f"{name}: {[finding.message for finding in document.findings]}")
    rows = [_row(name, entry) for entry in data["rows"]]
    return Table(
        data["proxy"],
        Version.parse(data["oldest"]),
        Version.parse(data["newest"]),
        {row.capability: row for row in rows},
    )


def _row(name: str, entry: dict[str, str]) -> Row:
    wanted = {"capability", "title", "since", "how", "source", "proof"}
    if set(entry) != wanted:
        raise ValueError(f"{name}: a row has exactly the keys {sorted(wanted)}, not {sorted(entry)}")
    since = None if entry["since"] == "never" else Version.parse(entry["since"])
    return Row(entry["capability"], entry["title"], since, entry["how"], entry["source"], entry["proof"])
