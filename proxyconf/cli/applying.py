"""`apply`: what a site file says, put into service, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import Set, SitePath, app, known_proxy, opened

__all__: list[str] = []


@app.command
def apply(
    target: Annotated[str, Parameter(help="A proxy.")],
    site: SitePath,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="The folder where the running proxy reads its files.")],
    reload: Annotated[str, Parameter(help="The command that makes it read them again. Default: the site's, or its own way.")] = "",
    pid_file: Annotated[Path | None, Parameter(help="Where the running proxy keeps its id.")] = None,
    health: Annotated[str, Parameter(help="A URL to ask afterwards, or `off`. Default: the site's health path, through the edge.")] = "",
    connect_to: Annotated[str | None, Parameter(help="With --health: the address to connect to.")] = None,
    ca: Annotated[Path | None, Parameter(help="With --health: the CA to trust, as a PEM file.")] = None,
    insecure: Annotated[bool, Parameter(negative="", help="With --health: trust any certificate.")] = False,
    within: Annotated[str, Parameter(help="How long it may take until it is healthy.")] = "10s",
    dry_run: Annotated[bool, Parameter(negative="", help="Check and show what would change; write nothing.")] = False,
    force: Annotated[bool, Parameter(negative="", help="Replace files that were not written here, or changed since.")] = False,
    allow_missing: Annotated[bool, Parameter(negative="", help="Go without the proxy's own check if it is not installed.")] = False,
    set_: Set = (),
) -> int:
    """Check, write, reload and ask whether it serves; if anything is red, put back what was there."""
    from proxyconf.cli import apply as applying

    wanted = applying.Wanted(known_proxy(target), output, reload, pid_file, within, force, allow_missing)
    question = applying.Question(health, connect_to, ca, insecure)
    return applying.site(opened(site, set_), wanted, question, dry_run=dry_run)
