"""Reaching into raw data by a path with wildcards, however wrong the rest of it is."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.document.findings import Path

__all__ = ["ANY", "select"]

ANY = object()


def select(data: object, pattern: tuple[object, ...], path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every value that a path with `ANY` in it reaches."""
    if not pattern:
        yield path, data
        return
    step, rest = pattern[0], pattern[1:]
    if isinstance(data, dict):
        for key in data if step is ANY else [key for key in data if key == step]:
            yield from select(data[key], rest, (*path, key))
    elif isinstance(data, list) and step is ANY:
        for index, item in enumerate(data):
            yield from select(item, rest, (*path, index))
