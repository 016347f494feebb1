"""What the demo prints: progress, the table of what was observed, and what it comes to."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.demo.stack import Stack

__all__ = ["Outcome", "Report"]

GREEN, RED, YELLOW, PLAIN = "32", "31", "33", "0"


@dataclass(frozen=True)
class Outcome:
    """One row after it was tried."""

    claim: str
    observed: str
    holds: bool
    seconds: float


class Report:
    """Collects outcomes and writes to stdout."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.outcomes: list[Outcome] = []
        self.terminal = sys.stdout.isatty()
        self.colour = self.terminal and "NO_COLOR" not in os.environ

    @property
    def is_control(self) -> bool:
        """Whether another server stands in `appserver`'s place."""
        return self.backend != "appserver"

    def paint(self, text: str, colour: str) -> str:
        """Return `text` in `colour` where that can be seen."""
        return f"\033[{colour}m{text}\033[0m" if self.colour else text

    # Progress...

    def step(self, text: str) -> None:
        """Tell that something was done."""
        print(f"==> {text}", flush=True)

    def trying(self, claim: str) -> None:
        """Tell what is being tried, where that line can be replaced by its outcome."""
        if self.terminal:
            print(f"  ... {claim}", end="", flush=True)

    def add(self, outcome: Outcome) -> None:
        """Take an outcome and tell it."""
        self.outcomes.append(outcome)
        clear = "\r\033[K" if self.terminal else ""
        print(f"{clear}  {self.mark(outcome)} {outcome.claim} ({outcome.seconds:.1f} s)", flush=True)

    def mark(self, outcome: Outcome) -> str:
        """Return yes, no, or the control's own no."""
        if outcome.holds:
            return self.paint("ok  ", GREEN)
        return self.paint("no  ", YELLOW) if self.is_control else self.paint("FAIL", RED)

    # The result...

    def table(self) -> None:
        """Print what was proved with what was observed."""
        width = max(len(outcome.claim) for outcome in self.outcomes)
        title = f"proved on Caddy and {self.backend}"
        print(f"\n        {title:<{width}}  observed")
        for outcome in self.outcomes:
            print(f"  {self.mark(outcome)}  {outcome.claim:<{width}}  {outcome.observed}")
        print(flush=True)

    def invitation(self, stack: Stack) -> None:
        """Tell what can be tried on the stack that was left up."""
        curl = f"curl --cacert {stack.certificates.ca} --resolve {stack.hostname}:{stack.https_port}:127.0.0.1"
        print(
            f"The stack is up: {stack.url} (Caddy) -> 127.0.0.1:{stack.app_port} ({self.backend})\n"
            f"  {curl} {stack.url}/scope\n"
            f"  {curl} -H 'X-Forwarded-For: 203.0.113.9' --interface 127.0.0.2 {stack.url}/scope\n"
            f"  {curl} -T README.md -X POST {stack.url}/digest\n"
            f"  {curl} -N '{stack.url}/drip?parts=5&seed=x&pause=1' -o /dev/null\n"
            f"  {curl} {stack.url}/          # every endpoint\n"
            f"  curl --http2-prior-knowledge http://127.0.0.1:{stack.app_port}/scope          # the hop itself\n"
            f"Configuration and logs: {stack.directory}\n"
            "Ctrl-C stops it.",
            flush=True,
        )

    def failure(self, text: str) -> None:
        """Tell why there is no result."""
        print(f"\n{self.paint('demo:', RED)} {text}", file=sys.stderr, flush=True)

    def complete(self, rows: int) -> bool:
        """Say whether every row was tried."""
        return len(self.outcomes) == rows

    def exit_code(self, directory: Path) -> int:
        """Say in one sentence what came out; 0 unless `appserver` itself failed a row."""
        failed = [outcome for outcome in self.outcomes if not outcome.holds]
        total = len(self.outcomes)
        if not failed:
            print(f"All {total} rows hold.")
            return 0
        names = "; ".join(outcome.claim for outcome in failed)
        if self.is_control:
            print(f"{self.backend}, the control, holds {total - len(failed)} of {total} rows. Its own: {names}.")
            return 0
        self.failure(f"{len(failed)} of {total} rows failed: {names}. Logs: {directory}")
        return 1
