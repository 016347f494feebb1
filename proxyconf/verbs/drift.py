"""What is on the disk against what would be rendered now, and one rendering against another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

from proxyconf.output.bundle import without_banner
from proxyconf.output.files import Drift

__all__ = ["changed_lines", "changes"]


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a unified diff between two renderings, banners left out."""
    for name in sorted(before.keys() | after.keys()):
        yield from _diff(without_banner(before.get(name, "")), without_banner(after.get(name, "")), name, name)


def changed_lines(drifted: Drift) -> Iterator[str]:
    """Yield the lines of a unified diff between a file and what would be written."""
    yield from _diff(drifted.on_disk, drifted.rendered, str(drifted.path), f"{Path(drifted.path).name} (rendered)")


def _diff(old: str, new: str, old_name: str, new_name: str) -> Iterator[str]:
    yield from unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="")
