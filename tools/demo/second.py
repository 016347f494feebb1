"""The row about a second proxy: HAProxy, which passes bytes on and names the client by a PROXY header of version 2."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from proxyconf.programs.run import ProgramMissing, find_program
from proxyconf.spec.read import SiteFile
from proxyconf.verify.outcome import Result, Verdict
from proxyconf.verify.probes.client import proxy_header
from proxyconf.verify.probes.probe import Context, Observation, Probe
from proxyconf.verify.servers import Behind, Refused
from proxyconf.verify.site import Prepared, prepared_listener
from proxyconf.verify.subject import Feature

__all__ = ["PROBE", "second_proxy"]

PROXY = "haproxy"
PROBE = Probe(
    "second-proxy", "PROXY v2 from a second proxy", "the application's client is who the PROXY header names",
    frozenset({Feature.ORIGIN, Feature.PROXY_PROTOCOL}), proxy_header,
)  # fmt: skip


def second_proxy(file: SiteFile, backend: str) -> Result:
    """Run the site on HAProxy, and ask through it from two addresses. Raises `ProgramError`."""
    try:
        find_program(PROXY)
    except ProgramMissing:
        return Result(PROBE, Verdict.SKIPPED, f"no {PROXY} here to be the second proxy")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as place:
        try:
            made = prepared_listener(file, PROXY, Path(place), Behind(backend))
        except Refused as refused:
            reason = "; ".join(finding.message for finding in refused.findings)
            return Result(PROBE, Verdict.SKIPPED, f"{refused.name} cannot: {reason}")
        observed = asyncio.run(_observe(made))
    verdict = Verdict.FAILED if observed.wrong else Verdict.PASSED
    text = f"{made.subject.title}: {observed.text}"
    return Result(PROBE, verdict, text, tuple(observed.wrong), observed.facts, time.monotonic() - began)


async def _observe(made: Prepared) -> Observation:
    async with made.stack as stack, asyncio.timeout(PROBE.seconds):
        return await PROBE.run(Context(made.subject, stack.control))
