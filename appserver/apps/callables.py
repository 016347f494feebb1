"""What can be said of a callable without a call: how many arguments it takes, what it is."""

from __future__ import annotations

import inspect

__all__ = ["kind", "takes"]


def takes(target: object, count: int) -> bool | None:
    """Tell whether `target` can be called with `count` positional arguments; None for C without a signature."""
    try:
        signature = inspect.signature(target)  # type: ignore[arg-type]  # the callers ask callable() first
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def kind(value: object) -> str:
    """Return what a value is, for a sentence: "a str"."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
