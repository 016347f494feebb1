"""How a worker says that it lives, and where it stands, to whoever watches it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

__all__ = ["NoPulse", "Phase", "Pulse"]


class Phase(Enum):
    """Where a worker stands."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPED = "stopped"


class Pulse(Protocol):
    """Told of each new phase, and about once a second in between, from the loop: a worker that hangs is silent."""

    def beat(self, phase: Phase) -> None:
        """Take note; must not block and must not raise."""


class NoPulse:
    """For a worker that nobody watches."""

    def beat(self, phase: Phase) -> None:
        """Take no note."""
