"""`proxyconf apply`: what a user asks for, and every way it can go wrong as one clear line."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxyconf.cli import console
from proxyconf.cli.console import OK, USAGE, Stop, complain, show, show_findings, verdict
from proxyconf.output.transaction import unfinished
from proxyconf.spec.read import SiteFile
from proxyconf.spec.units import Duration
from proxyconf.verbs import apply as verbs
from proxyconf.verbs import drift as drifts
from proxyconf.verbs import health as healths
from proxyconf.verify.outside import UrlError

__all__ = ["Question", "Wanted", "site"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which proxy, where, and how."""

    proxy: str
    folder: Path
    reload: str
    pid_file: Path | None
    within: str
    force: bool
    allow_missing: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked afterwards: a URL, `off`, or nothing for what the site itself says."""

    url: str
    connect_to: str | None
    ca: Path | None
    insecure: bool


class _Steps:
    """Says what is done while it is done."""

    def step(self, text: str) -> None:
        show(f"{text}\n")


def site(file: SiteFile, wanted: Wanted, question: Question, *, dry_run: bool) -> int:
    """Apply a site to one proxy, or show what that would do."""
    order, steps = verbs.Order(wanted.folder, _seconds(wanted.within), wanted.force, wanted.allow_missing), _Steps()
    try:
        way = verbs.reloading(wanted.proxy, file, wanted.folder.absolute(), _command(wanted.reload), wanted.pid_file)
        if not dry_run:
            with _orderly_end():
                verbs.repair(order, way, steps)
        prepared = verbs.prepare(wanted.proxy, file, order, way, _question(file, question), steps)
        show_findings(file, (*file.findings, *prepared.bundle.findings))
        if dry_run:
            way.ready()
            return _dry(order, prepared)
        with _orderly_end():
            verbs.apply(order, prepared, steps)
    except verbs.Refused as error:
        show_findings(file, error.findings)
        return verdict(error.findings)
    except verbs.NoWay as error:
        raise Stop(USAGE, f"proxyconf: {error}") from error
    except verbs.Busy as error:
        raise Stop(console.UNVERIFIED, f"proxyconf: {error}") from error
    except verbs.NotApplied as error:
        raise Stop(console.UNVERIFIED, f"proxyconf: not applied: {error}") from error
    except verbs.Interrupted as error:
        raise Stop(console.INTERRUPTED, f"proxyconf: {error}") from error
    except verbs.NotRestored as error:
        raise Stop(console.BROKEN, f"proxyconf: {error}") from error
    return OK


def _dry(order: verbs.Order, prepared: verbs.Prepared) -> int:
    if unfinished(order.folder) is not None:
        complain(f"{order.folder}: an earlier apply did not finish; what was there before it would be put back first")
    found = verbs.changes(order, prepared)
    for one in found:
        complain(f"{one.path}: {one.reason}")
        show("".join(f"{line}\n" for line in drifts.changed_lines(one)))
    asks = f"ask {prepared.health.url}" if prepared.health else "ask nothing"
    show(f"{len(found)} of {len(prepared.files)} files would change; then: reload by {prepared.reload}, {asks}\n")
    return OK


def _command(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise Stop(USAGE, f"proxyconf: --reload: {error}") from error


def _seconds(text: str) -> float:
    try:
        found = Duration.parse(text).seconds
    except ValueError as error:
        raise Stop(USAGE, f"proxyconf: --within: {error}") from error
    if found <= 0:
        raise Stop(USAGE, "proxyconf: --within takes a duration above 0, such as 10s")
    return found


def _question(file: SiteFile, asked: Question) -> healths.Health | None:
    if asked.url == "off":
        return None
    if asked.ca is not None and not asked.ca.is_file():
        raise Stop(USAGE, f"proxyconf: --ca {asked.ca}: there is no such file")
    if asked.url:
        try:
            return healths.of_url(asked.url, connect_to=asked.connect_to, ca=asked.ca, trust_any=asked.insecure)
        except UrlError as error:
            raise Stop(USAGE, f"proxyconf: --health {error}") from error
    found = healths.of_site(file.deployment)
    if found is None:
        message = "the site has nothing that a plain client on this machine could ask for; give --health URL or --health off"
        raise Stop(USAGE, f"proxyconf: {message}")
    return found


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Make Ctrl-C, a plain kill and a lost terminal end in the same order: what was there is put back, undisturbed."""
    heard: list[int] = []

    def once(number: int, frame: object) -> None:
        heard.append(number)
        if len(heard) > 1:
            complain("proxyconf: putting back what was there; one moment")
            return
        raise KeyboardInterrupt

    before = {number: signal.signal(number, once) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
