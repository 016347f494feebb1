"""Try one probe after the other on a stack, each within its time, and say how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from proxyconf.verify.edge.link import EdgeError
from proxyconf.verify.origin.control import ControlError
from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.probe import Context, Observation, Probe
from proxyconf.verify.program import ProgramError
from proxyconf.verify.stack import LocalStack
from proxyconf.verify.subject import Feature, Subject

__all__ = ["OF_THE_SERVER", "Progress", "attempt", "until_served", "verify"]

# What the server behind the proxy must be able to do, by the name it calls it.
OF_THE_SERVER = (
    ("early_hints", Feature.EARLY_HINTS), ("early_hints", Feature.HINTED), ("trailers", Feature.TRAILERS),
    ("trailers", Feature.GRPC), ("request_trailers", Feature.REQUEST_TRAILERS), ("websocket", Feature.WEBSOCKET),
    ("websocket", Feature.WEBSOCKET_OVER_HTTP2), ("raw", Feature.RAW_ORIGIN), ("tls", Feature.TLS_ORIGIN),
)  # fmt: skip

SERVED_SECONDS, POLL, NOT_FOUND = 20.0, 0.05, 404


class Progress(Protocol):
    """Hears how it goes."""

    def trying(self, probe: Probe) -> None:
        """A probe begins."""
        ...

    def done(self, result: Result) -> None:
        """A probe has a verdict."""
        ...


async def verify(
    subject: Subject, probes: Iterable[Probe], progress: Progress, stack: LocalStack | None = None
) -> Report:
    """Try `probes` on a subject; raises `ProgramError` if the stack cannot be brought up again."""
    began, results = datetime.now(UTC), list[Result]()
    if stack is not None:
        await until_served(Context(subject, stack.control))
    server, subject = await _with_server(subject, stack)
    for probe in sorted(probes, key=lambda probe: probe.disturbs):
        missing = subject.lacks(probe.needs)
        if missing:
            result = Result(probe, Verdict.SKIPPED, missing)
        else:
            progress.trying(probe)
            result = await _attempt(probe, subject, stack)
        results.append(result)
        progress.done(result)
    return Report(subject, server, began, tuple(results))


async def until_served(context: Context) -> None:
    """Ask until the site answers: some proxies accept connections before they have read their sites."""
    end = time.monotonic() + SERVED_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(EdgeError, OSError):
            if (await context.ask(context.protocols[-1])).status not in (0, NOT_FOUND):
                return
        await asyncio.sleep(POLL)


async def _with_server(subject: Subject, stack: LocalStack | None) -> tuple[str, Subject]:
    """Return what answers behind the proxy, and the subject without what that cannot do."""
    if stack is None or stack.control is None:
        return "the application", subject
    # A server tells what it can with its first request, which was made by now.
    server, can = await stack.control.server(), await stack.control.features()
    lacking = {feature for name, feature in OF_THE_SERVER if name not in can} & subject.features
    reasons = {**subject.reasons, **dict.fromkeys(lacking, f"{server} does not offer it")}
    return server, replace(subject, features=subject.features - lacking, reasons=reasons)


async def _attempt(probe: Probe, subject: Subject, stack: LocalStack | None) -> Result:
    if stack is None:
        return await attempt(probe, Context(subject, None))
    await stack.ensure()
    result = await attempt(probe, Context(subject, stack.control, stack))
    await stack.tidy()
    ended = tuple(stack.ended())
    return replace(result, verdict=Verdict.FAILED, wrong=(*result.wrong, *ended)) if ended else result


async def attempt(probe: Probe, context: Context) -> Result:
    """Try one probe within its time; whatever goes wrong is its result."""
    began = time.monotonic()
    observed = await _observe(probe, context)
    verdict = Verdict.FAILED if observed.wrong else Verdict.PASSED
    return Result(probe, verdict, observed.text, tuple(observed.wrong), observed.facts, time.monotonic() - began)


async def _observe(probe: Probe, context: Context) -> Observation:
    try:
        async with asyncio.timeout(probe.seconds):
            return await probe.run(context)
    except TimeoutError:
        return Observation("", wrong=[f"no end after {probe.seconds:g} s"])
    except (EdgeError, ControlError, ProgramError) as error:
        return Observation("", wrong=[str(error)])
    except Exception as error:  # a fault of one probe is its own result; the others still run
        return Observation("", wrong=[f"{type(error).__name__}: {error}"])
