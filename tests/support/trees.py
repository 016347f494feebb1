"""Configurations that are data, as tests look through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["strings"]


def strings(tree: Any) -> Iterator[str]:
    """Yield every text of a tree, keys too."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            yield from strings(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from strings(item)
    elif isinstance(tree, str):
        yield tree
