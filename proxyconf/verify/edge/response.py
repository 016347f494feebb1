"""A response as a client got it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from proxyconf.verify.edge.link import EdgeError
from proxyconf.verify.seen import Seen

__all__ = ["Pairs", "Response"]

Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class Response:
    """What came; `status` 0 if no final head did."""

    protocol: str
    status: int = 0
    fields: Pairs = field(default_factory=list)
    informed: list[tuple[int, Pairs]] = field(default_factory=list)
    body: bytes = b""
    trailers: Pairs = field(default_factory=list)
    whole: bool = False
    bare: bool = False  # the head was the end: no DATA frame, no trailers
    reset: int | None = None  # the code of a RST_STREAM
    error: str = ""

    def value(self, name: str) -> str | None:
        """Return the one value of a field, None where there is none."""
        return next((value for key, value in self.fields if key.lower() == name), None)

    def trailer(self, name: str) -> str | None:
        """Return the value of a trailer field."""
        return next((value for key, value in self.trailers if key.lower() == name), None)

    @property
    def outcome(self) -> str:
        """The response in a word or two, for a report."""
        if self.status:
            return f"{self.status}" if self.whole else f"{self.status}, broken off"
        if self.reset is not None:
            return f"reset {self.reset}"
        return self.error or "closed"

    def seen(self) -> Seen:
        """Read what the origin saw out of the body; raises `EdgeError` if it holds something else."""
        try:
            given: dict[str, Any] = json.loads(self.body)
            return Seen.from_json(given)
        except (ValueError, KeyError, TypeError) as error:
            raise EdgeError(f"{self.outcome}; the body is not the probe origin's: {self.body[:80]!r}") from error
