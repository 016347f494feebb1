"""A proxy in one version, as decided: what a renderer renders for."""

from __future__ import annotations

from dataclasses import dataclass

from proxyconf.document.findings import Path
from proxyconf.facts.table import Version, table
from proxyconf.spec.root import Spec
from proxyconf.spec.targets import Target as Wanted

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A proxy in one version: nothing is left to default."""

    proxy: str
    version: Version
    modules: frozenset[str] = frozenset()
    admin: str = "off"
    user: str = ""  # of its workers; empty: the program's own
    path: Path = ()  # where in the site file it stands

    @classmethod
    def of(cls, proxy: str, spec: Spec) -> Target:
        """Return the target of a site for a proxy; without an entry, the newest version that was run."""
        for index, wanted in enumerate(spec.targets):
            if wanted.proxy == proxy:
                return cls(proxy, _version(wanted), frozenset(wanted.modules), wanted.admin, wanted.user or "", ("targets", index))
        return cls(proxy, table(proxy).newest)


def _version(wanted: Wanted) -> Version:
    if wanted.version in (None, "auto"):
        return table(wanted.proxy).newest
    return Version.parse(str(wanted.version))
