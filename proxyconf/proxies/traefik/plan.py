"""What Traefik's two files are to say, in its own words (its "install" and its "routing" configuration)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxyconf.spec.units import Duration

__all__ = ["NOBODY", "NO_SERVICE", "Plan", "Tree", "duration"]

Tree = dict[str, Any]
NO_SERVICE = "noop@internal"
"""The service of a router whose middlewares answer."""
NOBODY = ["255.255.255.255/32"]
"""A network that no client comes from: an `ipAllowList` with it answers everybody."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Each file is a tree of plain data, printed by the YAML library; rules are the only text that is put together."""

    static: Tree
    """traefik.yaml: read once, at start."""
    dynamic: Tree
    """dynamic.yaml: read again whenever it changes."""


def duration(value: Duration) -> str:
    """Return a duration as Go reads it; `off` is 0s, which is Traefik's word for it too."""
    whole, rest = divmod(value.milliseconds, 1000)
    return f"{value.milliseconds}ms" if rest else f"{whole}s"
