"""`proxyconf verify`: what a user asks for, and every way it can go wrong as one clear line."""

from __future__ import annotations

import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from proxyconf.cli.console import FINDINGS, INTERRUPTED, OK, REFUSED, UNVERIFIED, USAGE, Stop, show, show_findings
from proxyconf.document.findings import nearest, shown
from proxyconf.output.files import write
from proxyconf.proxies.registry import names
from proxyconf.spec.read import SiteFile
from proxyconf.verbs import site as sites
from proxyconf.verbs import verify as verbs
from proxyconf.verify.edge.link import EdgeError
from proxyconf.verify.outcome import Report, Verdict
from proxyconf.verify.outside import UrlError
from proxyconf.verify.probes.probe import Probe
from proxyconf.verify.program import ProgramError
from proxyconf.verify.promises import NothingToAsk
from proxyconf.verify.report.text import TextReport
from proxyconf.verify.servers import ORIGIN, SERVERS, Behind, Refused

__all__ = ["Trust", "Wanted", "listing", "outside", "site"]



@dataclass(frozen=True, slots=True)
class Wanted:
    """What is tried, and on what."""

    targets: tuple[str, ...]
    server: str
    app: str | None
    hostname: str
    probes: tuple[str, ...]
    output: Path | None
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """How a stack outside is reached and believed."""

    connect_to: str | None
    ca: Path | None
    insecure: bool


def site(file: SiteFile, wanted: Wanted) -> int:
    """Verify a site on its targets, one after the other."""
    text, probes, images = TextReport(), _probes(wanted), _images(wanted)
    reports = []
    _see_to_output(wanted)
    # A plain kill ends as orderly as Ctrl-C: what was started is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in _targets(file, wanted, images):
        run = verbs.Run(_behind(wanted), wanted.hostname, wanted.output, images.get(name, ""))
        try:
            reports.append(verbs.verify_site(file, name, run, probes, text))
        except Refused as error:
            show_findings(file, error.findings)
            raise Stop(REFUSED, f"proxyconf: {error.name} was not run: the site cannot be rendered for it") from error
        except NothingToAsk as error:
            raise Stop(USAGE, f"proxyconf: {error}") from error
        except ProgramError as error:
            raise Stop(UNVERIFIED, f"proxyconf: {error}") from error
        except KeyboardInterrupt as error:
            raise Stop(INTERRUPTED, "proxyconf: interrupted; what was started has been ended") from error
        text.table(reports[-1])
    return _done(reports, wanted)


def listing() -> int:
    """Print the probes: id, claim, what is expected, what is needed."""
    for probe in verbs.chosen(()):
        needs = ", ".join(sorted(probe.needs))
        show(f"{probe.id:<20}  {probe.title}\n{'':<22}{probe.expects} [needs: {needs}]\n")
    return OK


def outside(url: str, wanted: Wanted, trust: Trust) -> int:
    """Verify what runs somewhere."""
    text = TextReport()
    if trust.ca is not None and not trust.ca.is_file():
        raise Stop(USAGE, f"proxyconf: --ca {trust.ca}: there is no such file")
    _see_to_output(wanted)
    try:
        report = verbs.verify_url(url, _probes(wanted), text, connect_to=trust.connect_to, ca=trust.ca, trust_any=trust.insecure)
    except UrlError as error:
        raise Stop(USAGE, f"proxyconf: --url {error}") from error
    except EdgeError as error:
        raise Stop(UNVERIFIED, f"proxyconf: {url}: {error}") from error
    text.table(report)
    return _done([report], wanted)


def _see_to_output(wanted: Wanted) -> None:
    """Find out before a long run whether its reports can be written."""
    if wanted.output is None:
        return
    try:
        wanted.output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=wanted.output).close()
    except OSError as error:
        raise Stop(USAGE, f"proxyconf: --output {wanted.output}: {error.strerror}") from error


def _probes(wanted: Wanted) -> tuple[Probe, ...]:
    try:
        return verbs.chosen(wanted.probes)
    except verbs.UnknownProbe as error:
        raise Stop(USAGE, f"proxyconf: {error}") from error


def _targets(file: SiteFile, wanted: Wanted, images: dict[str, str]) -> list[str]:
    for name in (*wanted.targets, *images):
        if name not in names():
            raise Stop(USAGE, f"proxyconf: there is no proxy {shown(name)}{nearest(name, names())}")
    if apart := [name for name in images if wanted.targets and name not in wanted.targets]:
        raise Stop(USAGE, f"proxyconf: --image {apart[0]}=...: {apart[0]} is none of the targets; add --target {apart[0]}")
    return list(wanted.targets) or list(images) or [name for name in sites.targets(file) if name != sites.APPSERVER]


def _images(wanted: Wanted) -> dict[str, str]:
    """Return the images by proxy. One without `PROXY=` is named like its proxy, or for the only target."""
    found: dict[str, str] = {}
    for text in wanted.images:
        name, mark, image = text.partition("=")
        if not mark:
            image, own = text, text.rpartition("/")[2].partition("@")[0].partition(":")[0]
            name = wanted.targets[0] if len(wanted.targets) == 1 else own
            if name not in names():
                raise Stop(USAGE, f"proxyconf: --image {shown(text)}: which proxy is in it? Write --image PROXY={text}")
        if name in found:
            raise Stop(USAGE, f"proxyconf: --image names two images for {name}; run verify once for each")
        found[name] = image
    return found


def _behind(wanted: Wanted) -> Behind:
    known = (ORIGIN, *SERVERS)
    if wanted.server not in known:
        raise Stop(USAGE, f"proxyconf: --server {shown(wanted.server)} is not known{nearest(wanted.server, known)}")
    if wanted.app is not None and wanted.server == ORIGIN:
        raise Stop(USAGE, "proxyconf: --app needs a server to run it: add --server appserver")
    return Behind(wanted.server, wanted.app, cwd=Path.cwd() if wanted.app else None)


def _done(reports: list[Report], wanted: Wanted) -> int:
    if wanted.output is not None:
        show("".join(f"{path}\n" for path in write(wanted.output, verbs.report_files(reports), force=True)))
    if any(report.failed for report in reports):
        return UNVERIFIED
    tried = any(report.counts()[Verdict.PASSED] for report in reports)
    return OK if tried else FINDINGS
