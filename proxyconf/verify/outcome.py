"""What came of the probes: one result each, one report for a subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from proxyconf.verify.probes.probe import Probe, Profile
from proxyconf.verify.subject import Subject

__all__ = ["Report", "Result", "Verdict"]


class Verdict(StrEnum):
    """Gateway API's three words."""

    PASSED = "Passed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One probe after it was tried, or the reason why it was not."""

    probe: Probe
    verdict: Verdict
    observed: str  # what was seen, or what is missing
    wrong: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The line for people: what was observed and, if it failed, what is wrong with it."""
        return "; ".join((*([self.observed] if self.observed else []), *self.wrong))


@dataclass(frozen=True, slots=True)
class Report:
    """All results for one subject."""

    subject: Subject
    server: str  # what answered behind the proxy
    began: datetime
    results: tuple[Result, ...]

    def of(self, profile: Profile) -> list[Result]:
        """Return the results of a profile."""
        return [result for result in self.results if result.probe.profile is profile]

    def counts(self) -> Counter[Verdict]:
        """Count the verdicts."""
        return Counter(result.verdict for result in self.results)

    @property
    def failed(self) -> list[Result]:
        """Return what failed."""
        return [result for result in self.results if result.verdict is Verdict.FAILED]
