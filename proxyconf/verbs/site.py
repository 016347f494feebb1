"""A site file together with its targets: what every verb begins with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from proxyconf.backend import pair
from proxyconf.document.findings import Finding, Rule, nearest, shown
from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.output.files import read, shown_name
from proxyconf.programs import run as programs
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import SiteFile, load

__all__ = ["APPSERVER", "DEFAULT_PROXY", "Rendered", "bundle", "open_site", "proxy_targets", "rendered", "target", "targets"]

APPSERVER = "appserver"
DEFAULT_PROXY = "caddy"  # the target of a site that names none


@dataclass(frozen=True, slots=True)
class Rendered:
    """Everything that was rendered of a site."""

    file: SiteFile
    bundles: dict[str, Bundle]

    @property
    def files(self) -> dict[str, str]:
        """The text of every file with its banner, by name."""
        digest = self.file.document.digest
        return {name: text for bundle in self.bundles.values() for name, text in bundle.stamped(digest).files.items()}

    @property
    def findings(self) -> list[Finding]:
        """What is said about the file and about its targets."""
        return [*self.file.findings, *(one for bundle in self.bundles.values() for one in bundle.findings)]


def open_site(path: Path, variables: Mapping[str, str]) -> SiteFile:
    """Read a site file; `variables` win over the environment. Raises `SiteError`, `FileError`."""
    file = load(shown_name(path), read(path), {**os.environ, **variables})
    unknown = [
        Finding(
            Rule.UNKNOWN_PROXY,
            ("targets", index, "proxy"),
            f"there is no proxy {shown(wanted.proxy)}{nearest(wanted.proxy, names())}",
        )
        for index, wanted in enumerate(file.spec.targets)
        if wanted.proxy not in names()
    ]
    unused = [
        Finding(Rule.UNUSED, (), f"--set {name}: the file has no ${{{name}}}")
        for name in variables
        if name not in file.document.variables
    ]
    if unknown:
        raise file.failure(unknown)
    return replace(file, findings=(*file.findings, *unused))


def targets(file: SiteFile) -> list[str]:
    """Return everything that a site is rendered for: its proxies, and the app server if it is ours."""
    proxies = [wanted.proxy for wanted in file.spec.targets] or [DEFAULT_PROXY]
    return [*proxies, *([APPSERVER] if file.spec.appserver else [])]


def target(name: str, file: SiteFile) -> Target:
    """Return the target for a proxy; a version of `auto` asks the installed program."""
    found = Target.of(name, file.spec)
    wanted = next((wanted for wanted in file.spec.targets if wanted.proxy == name), None)
    if wanted is None or wanted.version != "auto":
        return found
    return replace(found, version=Version.parse(programs.version(proxy(name).program.version)))


def proxy_targets(file: SiteFile) -> list[Target]:
    """Return the proxies of a site, each in its version."""
    return [target(one, file) for one in targets(file) if one != APPSERVER]


def bundle(name: str, file: SiteFile, replaced: Mapping[str, str] | None = None) -> Bundle:
    """Render a site for one target."""
    if name == APPSERVER:
        return pair.render(file.deployment, proxy_targets(file))
    return render(proxy(name), file.deployment, target(name, file), replaced)


def rendered(file: SiteFile, wanted: list[str], replaced: Mapping[str, str] | None = None) -> Rendered:
    """Render a site for some targets."""
    return Rendered(file, {name: bundle(name, file, replaced) for name in wanted})
