"""`check`: whether a site file is right, makes sense, and can be done."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import Native, Set, SitePath, app, opened
from proxyconf.cli.console import OK, REFUSED, USAGE, Stop, show, show_findings, verdict
from proxyconf.document.findings import SiteError, nearest, shown
from proxyconf.verbs import reports
from proxyconf.verbs import site as sites
from proxyconf.verbs.native import let_it_check

__all__: list[str] = []


@app.command
def check(
    site: SitePath,
    *,
    native: Native = False,
    format: Annotated[str, Parameter(help="text, json, sarif, github or junit.")] = "text",
    set_: Set = (),
) -> int:
    """Check a site file: its form, its sense, and whether its targets can do it."""
    if format != "text" and format not in reports.FORMATS:
        known = ("text", *reports.FORMATS)
        raise Stop(USAGE, f"proxyconf: there is no format {shown(format)}{nearest(format, known)}")
    try:
        file = opened(site, set_)
    except SiteError as error:
        if format == "text":
            raise
        show(reports.FORMATS[format](str(site), list(error.placed)))
        return USAGE
    made = sites.rendered(file, sites.targets(file))
    code = verdict(made.findings)
    if format != "text":
        placed = [(file.document.find(finding), finding) for finding in made.findings]
        show(reports.FORMATS[format](str(site), placed))
        return code
    show_findings(file, made.findings)
    if code in (USAGE, REFUSED):
        return code
    for name, bundle in made.bundles.items():
        if native and name != sites.APPSERVER and (words := let_it_check(name, bundle.stamped(file.document.digest).files)):
            show(f"{name}: accepted by {words}\n")
    if code == OK:
        show(f"{site}: fine for {', '.join(bundle.target for bundle in made.bundles.values())}\n")
    return code
