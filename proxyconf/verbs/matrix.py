"""What each proxy can do since when: as data, as a table, as the page of the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxyconf.facts.table import Capability, Row, Version, capabilities, tables

__all__ = ["Change", "changes", "json_text", "page", "text"]

_GROUPS = {
    "edge": "Towards clients", "hop": "Towards the app server", "policy": "What a site or a route can say",
    "route": "Routes", "observe": "What it says about its work",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A capability that begins or ends between two versions of a proxy."""

    version: Version
    row: Row
    begins: bool


def changes(proxy: str, since: Version, until: Version) -> list[Change]:
    """Return what becomes possible, or stops to be, after one version and up to another."""
    found = []
    for row in tables()[proxy].rows.values():
        if row.since is not None and since < row.since <= until:
            found.append(Change(row.since, row, True))
        if row.until is not None and since < row.until <= until:
            found.append(Change(row.until, row, False))
    return sorted(found, key=lambda change: change.version)


def cell(row: Row | None) -> str:
    """Return what stands in a cell: since when, `no`, or nothing where nothing was tried."""
    if row is None:
        return ""
    return row.needs.removeprefix(">= ") if row.since else "no"


def text(proxies: Sequence[str]) -> str:
    """Return the matrix as a table for a terminal."""
    rows = [["", *proxies]]
    for capability in capabilities().values():
        rows.append([capability.id, *(cell(tables()[name].rows.get(capability.id)) for name in proxies)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def json_text(proxies: Sequence[str]) -> str:
    """Return the matrix as JSON: every row with its source and its proof."""
    made = {
        name: {
            "oldest": str(tables()[name].oldest), "newest": str(tables()[name].newest),
            "capabilities": {row.capability: _data(row) for row in tables()[name].rows.values()},
        }
        for name in proxies
    }  # fmt: skip
    titles = {capability.id: capability.title for capability in capabilities().values()}
    return json.dumps({"capabilities": titles, "proxies": made}, indent=2, ensure_ascii=False) + "\n"


def _data(row: Row) -> dict[str, str | None]:
    return {
        "since": str(row.since) if row.since else None, "until": str(row.until) if row.until else None,
        "module": row.module or None, "how": row.how, "source": row.source, "proof": row.proof,
    }  # fmt: skip


_HEAD = """\
# What each proxy can do

Generated from the tables by `proxyconf matrix --page`; a test fails when it drifts. A cell is the version since which a
proxy can, or `no`; an empty one was not tried. Every cell has its source and the test that proves it, run in CI against
the real program in the oldest and in the newest version of its column; both are below.
"""


def page() -> str:
    """Return the page of the documentation."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    known = tables()
    yield _HEAD
    yield f"| | {' | '.join(known)} |"
    yield f"|---|{'---|' * len(known)}"
    yield f"| proved on | {' | '.join(f'{table.oldest} to {table.newest}' for table in known.values())} |"
    for group, title in _GROUPS.items():
        yield f"| **{title}** |{' |' * len(known)}"
        for capability in capabilities().values():
            if capability.group == group:
                cells = [_linked(name, known[name].rows.get(capability.id)) for name in known]
                yield f"| {_escaped(capability.title)} <a id=\"{capability.id}\"></a> | {' | '.join(cells)} |"
    for name, table in known.items():
        yield f"\n## {name}\n\n| Feature | Since | How | Proof |\n|---|---|---|---|"
        for capability in capabilities().values():
            row = table.rows.get(capability.id)
            if row is not None:
                yield _line(name, capability, row)
    yield ""


def _linked(name: str, row: Row | None) -> str:
    return f"[{cell(row)}](#{name}-{row.capability})" if row else ""


def _line(name: str, capability: Capability, row: Row) -> str:
    anchor = f'<a id="{name}-{capability.id}"></a>'
    how = f"{_escaped(row.how)} ([source]({row.source}))"
    return f"| {anchor}{_escaped(capability.title)} | {cell(row)} | {how} | `{row.proof}` |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("{", "&#123;")
