"""Verify: run what was rendered, or look at what runs, and report what was observed."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from proxyconf.document.findings import nearest, shown
from proxyconf.programs.run import ProgramMissing
from proxyconf.spec.read import SiteFile
from proxyconf.verify.outcome import Report
from proxyconf.verify.outside import edge_of, from_outside, look
from proxyconf.verify.probes.catalogue import PROBES
from proxyconf.verify.probes.probe import Probe
from proxyconf.verify.report.conformance import conformance_text
from proxyconf.verify.report.html import html_text
from proxyconf.verify.report.junit import junit_text
from proxyconf.verify.runner import Progress, verify
from proxyconf.verify.servers import Behind
from proxyconf.verify.site import Prepared, prepared

if TYPE_CHECKING:
    from proxyconf.verify.container import Image

__all__ = ["Narrator", "Run", "UnknownProbe", "chosen", "report_files", "verify_site", "verify_url"]



class UnknownProbe(ValueError):
    """There is no probe of that name."""


class Narrator(Progress, Protocol):
    """Hears what is done besides the probes."""

    def step(self, text: str) -> None:
        """Something was done."""
        ...


def chosen(names: Sequence[str]) -> tuple[Probe, ...]:
    """Return the probes with these ids; all of them for none."""
    known = {probe.id: probe for probe in PROBES}
    for name in names:
        if name not in known:
            raise UnknownProbe(f"there is no probe {shown(name)}{nearest(name, known)}")
    return tuple(known[name] for name in names) or PROBES


@dataclass(frozen=True, slots=True)
class Run:
    """How a site is tried on this machine."""

    behind: Behind = field(default_factory=Behind)
    hostname: str = ""
    keep: Path | None = None  # where configuration and logs are put afterwards
    image: str = ""  # the container image that the proxy is in; empty: it is installed here


def verify_site(file: SiteFile, name: str, run: Run, probes: Iterable[Probe], narrator: Narrator) -> Report:
    """Run a site on one proxy, installed or in an image. Raises what `prepared` does, and `ProgramError`."""
    with tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as place, contextlib.ExitStack() as engine:
        folder = Path(place)
        image = engine.enter_context(contextlib.closing(_image(run.image, narrator))) if run.image else None
        made = prepared(file, name, folder, run.behind, run.hostname, image)
        for note in made.notes:
            narrator.step(note)
        try:
            return asyncio.run(_tried(made, probes, narrator))
        finally:
            if run.keep is not None:
                _keep(folder, made.files, run.keep / name)


def _image(name: str, narrator: Narrator) -> Image:
    try:
        from proxyconf.verify.container import Image
    except ImportError as error:
        raise ProgramMissing("an image needs the Docker SDK: pip install 'lasthop[docker]'") from error
    return Image(name, narrator.step)


async def _tried(made: Prepared, probes: Iterable[Probe], narrator: Narrator) -> Report:
    async with made.stack as stack:
        narrator.step(f"{made.subject.title} serves {made.subject.edge.url}")
        return await verify(made.subject, probes, narrator, stack)


def _keep(folder: Path, files: Sequence[Path], target: Path) -> None:
    """Copy what a user may want to read: configuration and logs."""
    for path in (*files, *sorted(folder.glob("*.log"))):
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def verify_url(
    url: str, probes: Iterable[Probe], narrator: Narrator, *, connect_to: str | None = None, ca: Path | None = None,
    trust_any: bool = False,
) -> Report:  # fmt: skip
    """Probe a running stack from outside. Raises `UrlError`, `EdgeError`."""
    edge = edge_of(url, connect_to=connect_to, ca=ca, verify=not trust_any)

    async def run() -> Report:
        subject = await look(edge, url)
        narrator.step(f"{edge.url} speaks {', '.join(sorted(subject.features & {'h2', 'http1', 'http2', 'tls'}))}")
        return await verify(subject, [probe for probe in probes if from_outside(probe)], narrator)

    return asyncio.run(run())


def report_files(reports: Sequence[Report]) -> dict[str, str]:
    """Return the reports as files by name."""
    names = [report.subject.title.replace(" ", "-").replace(":", "-") for report in reports]
    said = {f"{name}.json": conformance_text(report) for name, report in zip(names, reports, strict=True)}
    return {**said, "junit.xml": junit_text(reports), "report.html": html_text(reports)}
