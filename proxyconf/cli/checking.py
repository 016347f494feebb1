"""`check`: whether a site file is right, makes sense, and can be done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import Native, Set, SitePaths, app, opened
from proxyconf.cli.console import OK, REFUSED, USAGE, Stop, complain, show, show_findings, verdict
from proxyconf.document.findings import SiteError, nearest, shown
from proxyconf.output.files import FileError, shown_name
from proxyconf.verbs import reports
from proxyconf.verbs import site as rendering
from proxyconf.verbs.native import let_it_check

__all__: list[str] = []


Format = Annotated[str, Parameter(help="text, json, sarif, github or junit.")]
_ONE_EACH = ("text", "github")


@app.command
def check(
    *sites: SitePaths,
    native: Native = False,
    format: Format = "text",
    set_: Set = (),
) -> int:
    """Check site files: their form, their sense, and whether their targets can do it."""
    if format != "text" and format not in reports.FORMATS:
        known = ("text", *reports.FORMATS)
        raise Stop(USAGE, f"proxyconf: there is no format {shown(format)}{nearest(format, known)}")
    if not sites:
        raise Stop(USAGE, "proxyconf: check needs a site file, such as: proxyconf check site.yaml")
    if len(sites) > 1 and format not in _ONE_EACH:
        raise Stop(USAGE, f"proxyconf: --format {format} is about one site file; check them one by one")
    worst = OK
    for site in sites:
        try:
            code = _check(site, native, format, set_)
        except SiteError as error:
            complain(*error.lines)
            code = USAGE
        except FileError as error:
            complain(f"proxyconf: {error}")
            code = USAGE
        worst = max(worst, code)
    return worst


@app.command
def matcher() -> int:
    """Print where the problem matcher for GitHub Actions is: echo "::add-matcher::$(proxyconf matcher)"."""
    show(f"{reports.MATCHER}\n")
    return OK


def _check(site: Path, native: bool, format: str, set_: tuple[str, ...]) -> int:
    """Check one site file and print what is to be said about it."""
    try:
        file = opened(site, set_)
    except SiteError as error:
        if format == "text":
            raise
        show(reports.FORMATS[format](shown_name(site), list(error.placed)))
        return USAGE
    made = rendering.rendered(file, rendering.targets(file))
    code = verdict(made.findings)
    if format != "text":
        placed = [(file.document.find(finding), finding) for finding in made.findings]
        show(reports.FORMATS[format](shown_name(site), placed))
        return code
    show_findings(file, made.findings)
    if code in (USAGE, REFUSED):
        return code
    for name, bundle in made.bundles.items():
        if native and name != rendering.APPSERVER and (words := let_it_check(name, bundle.stamped(file.document.digest).files)):
            show(f"{name}: accepted by {words}\n")
    if code == OK:
        show(f"{shown_name(site)}: fine for {', '.join(bundle.target for bundle in made.bundles.values())}\n")
    return code
