"""The application of commands, and what several of them take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from proxyconf import __version__
from proxyconf.cli.console import USAGE, Stop
from proxyconf.document.findings import nearest, shown
from proxyconf.proxies.registry import names
from proxyconf.spec.read import SiteFile
from proxyconf.verbs import site as sites

__all__ = ["Folder", "Native", "Set", "SitePath", "SitePaths", "TargetName", "app", "known_proxy", "opened", "wanted"]

app = App(
    name="proxyconf",
    help="Render the proxy's configuration and the app server's from one site file.",
    version=f"proxyconf {__version__} ({', '.join(names())})",
)

Set = Annotated[
    tuple[str, ...], Parameter(name="--set", negative="", help="NAME=VALUE: what ${NAME} stands for in the file.")
]
SitePath = Annotated[Path, Parameter(help="The site file; `-` is stdin.")]
SitePaths = Annotated[Path, Parameter(help="The site files; `-` is stdin.")]
TargetName = Annotated[str, Parameter(help="A proxy, `appserver`, or `all`.")]
Folder = Annotated[Path | None, Parameter(name=["--output", "-o"], help="Write into this folder; default: stdout.")]
Native = Annotated[bool, Parameter(negative="", help="Also let the installed proxies check what is rendered.")]


def opened(path: Path, settings: Sequence[str]) -> SiteFile:
    """Read a site file with the variables of `--set`."""
    variables: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise Stop(USAGE, f"proxyconf: --set takes NAME=VALUE, not {shown(setting)}")
        variables[name] = value
    return sites.open_site(path, variables)


def wanted(target: str, file: SiteFile) -> list[str]:
    """Return what to render: one target, or all that the site names."""
    known = (*names(), sites.APPSERVER, "all")
    if target not in known:
        raise Stop(USAGE, f"proxyconf: there is no target {shown(target)}{nearest(target, known)}")
    return sites.targets(file) if target == "all" else [target]


def known_proxy(name: str) -> str:
    """Return the name of a proxy, or say which there are."""
    if name not in names():
        raise Stop(USAGE, f"proxyconf: there is no proxy {shown(name)}{nearest(name, names())}")
    return name
