"""What a renderer is given and gives, and how renderers are found.

A proxy is one module in `proxyconf.proxies` that holds `RENDERER`, and one table in `tables/`.
Nothing names the proxies: `names()` reads the folder.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol

from proxyconf import __version__, proxies
from proxyconf.capability import Row, Table, Version, proxies_that_can, table
from proxyconf.findings import Finding, Level, Path
from proxyconf.spec import Spec
from proxyconf.spec import Target as Wanted

__all__ = ["Bundle", "Gate", "Renderer", "Target", "names", "renderer"]


@dataclass(frozen=True, slots=True)
class Target:
    """A proxy in one version, as decided: nothing is left to default."""

    proxy: str
    version: Version
    admin: str = "off"
    path: Path = ()  # where in the site file it stands

    @classmethod
    def of(cls, proxy: str, spec: Spec) -> Target:
        """Return the target of a site for a proxy; without an entry, the newest version that was run."""
        for index, wanted in enumerate(spec.targets):
            if wanted.proxy == proxy:
                return cls(proxy, _version(wanted), wanted.admin, ("targets", index))
        return cls(proxy, table(proxy).newest)


def _version(wanted: Wanted) -> Version:
    if wanted.version in (None, "auto"):
        return table(wanted.proxy).newest
    return Version.parse(str(wanted.version))


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a renderer made."""

    files: dict[str, str]
    """Text by file name, in the order in which they are read."""
    findings: tuple[Finding, ...] = ()
    validate: tuple[str, ...] = ()
    """The proxy's own check, run in the folder that holds the files."""

    @property
    def refused(self) -> bool:
        """Whether the target cannot do what the site asks for."""
        return any(finding.level in (Level.ERROR, Level.REFUSED) for finding in self.findings)

    def stamped(self, digest: str) -> Bundle:
        """Return the same with a head in every file: what made it, and from what."""
        head = f"# Written by proxyconf {__version__} from a site file with sha256 {digest}.\n"
        head += "# Edit that file, not this one.\n"
        return replace(self, files={name: head + text for name, text in self.files.items()})


class Renderer(Protocol):
    """One proxy."""

    @property
    def name(self) -> str:
        """The proxy's name: the module's, the table's, and the command line's."""

    @property
    def version_command(self) -> tuple[str, ...]:
        """The command that prints the version of the installed program."""

    def render(self, spec: Spec, target: Target) -> Bundle:
        """Return the files for a target; what it cannot do is in the findings and never left out silently."""


class Gate:
    """Asks a proxy's table, and keeps what was refused."""

    def __init__(self, target: Target) -> None:
        """Judge the version itself first."""
        self._target = target
        self._table: Table = table(target.proxy)
        self.findings: list[Finding] = []
        self._judge_version((*target.path, "version"))

    def _judge_version(self, path: Path) -> None:
        oldest, newest, asked = self._table.oldest, self._table.newest, self._target.version
        if asked < oldest:
            self.refuse(
                path, f"{self._target.proxy} {asked} is older than what was ever run here; use {oldest} or newer"
            )
        elif asked > newest:
            message = (
                f"{self._target.proxy} {asked} is newer than what was run here ({newest});"
                " let it check for itself: proxyconf check --native"
            )
            self.findings.append(Finding(Level.NOTE, path, message))

    def can(self, capability: str) -> bool:
        """Whether the target has a capability; nothing is said."""
        return self._table.can(capability, self._target.version)

    def needs(self, capability: str, path: Path, way_out: str) -> bool:
        """Refuse the site at `path` if the target lacks a capability."""
        if self.can(capability):
            return True
        row: Row | None = self._table.rows.get(capability)
        others = [other for other in proxies_that_can(capability) if not other.startswith(f"{self._target.proxy} ")]
        since = f" (needs {self._target.proxy} >= {row.since})" if row and row.since else ""
        ways = [*([f"target {self._target.proxy} >= {row.since}"] if row and row.since else []), way_out, *others]
        what = row.title if row else capability
        self.refuse(
            path, f"{self._target.proxy} {self._target.version} cannot: {what}{since}; options: {' | '.join(ways)}"
        )
        return False

    def refuse(self, path: Path, message: str) -> None:
        """Say that this target cannot do what stands at `path`."""
        self.findings.append(Finding(Level.REFUSED, path, message))


def names() -> tuple[str, ...]:
    """Return the proxies that can be rendered."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(proxies.__path__)))


def renderer(name: str) -> Renderer:
    """Return the renderer of a proxy."""
    found: Renderer = import_module(f"{proxies.__name__}.{name}").RENDERER
    return found
