"""What the demo says besides the table: how to try the stack oneself, and what came out."""

from __future__ import annotations

import sys
from pathlib import Path

from proxyconf.verify.outcome import Report, Verdict
from proxyconf.verify.report.text import TextReport
from proxyconf.verify.subject import Subject

__all__ = ["DemoReport"]


class DemoReport(TextReport):
    """Writes to stdout; where a control stands in `appserver`'s place, its failures are its own."""

    def __init__(self, backend: str) -> None:
        """Remember what is behind the proxy."""
        super().__init__()
        self.backend = backend
        if self.is_control:
            self.marks = {**self.marks, Verdict.FAILED: ("no  ", "33")}

    @property
    def is_control(self) -> bool:
        """Whether another server stands in `appserver`'s place."""
        return self.backend != "appserver"

    def invitation(self, subject: Subject, folder: Path) -> None:
        """Tell what can be tried on the stack that was left up."""
        edge, app = subject.edge, subject.origins[0]
        curl = f"curl --cacert {edge.ca} --resolve {edge.hostname}:{edge.port}:127.0.0.1"
        self.write(
            f"\nThe stack is up: {edge.url} ({subject.name}) -> {app} ({self.backend})\n"
            f"  {curl} {edge.url}/scope\n"
            f"  {curl} -H 'X-Forwarded-For: 203.0.113.9' --interface 127.0.0.2 {edge.url}/scope\n"
            f"  {curl} -T README.md -X POST {edge.url}/digest\n"
            f"  {curl} -N '{edge.url}/drip?parts=5&seed=x&pause=1' -o /dev/null\n"
            f"  {curl} -D - -H 'TE: trailers' -H 'Sec-Fetch-Mode: navigate' {edge.url}/hints\n"
            f"  {curl} {edge.url}/          # every endpoint\n"
            f"  curl --http2-prior-knowledge http://{app}/scope          # the hop itself\n"
            f"Configuration and logs: {folder}\n"
            "Ctrl-C stops it."
        )

    def failure(self, text: str) -> None:
        """Tell why there is no result."""
        print(f"\ndemo: {text}", file=sys.stderr, flush=True)

    def exit_code(self, report: Report, folder: Path) -> int:
        """Say in one sentence what came out; 0 unless a claim failed that is ours."""
        names = "; ".join(result.probe.title for result in report.failed)
        if not names:
            return 0
        if self.is_control:
            self.write(f"{self.backend} is the control. Its own: {names}.")
            return 0
        self.failure(f"{len(report.failed)} of {len(report.results)} claims failed: {names}. Reports and logs: {folder}")
        return 1
