"""What keeps an address from being had; whoever knows the option makes a ConfigError of it."""

from __future__ import annotations

from appserver.config.grammar import Bind

__all__ = ["BindError"]


class BindError(Exception):
    """The address, and why; the reason ends a sentence."""

    def __init__(self, address: Bind, reason: str) -> None:
        super().__init__(f"{address}: {reason}")
