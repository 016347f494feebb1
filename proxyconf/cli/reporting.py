"""`report`: one page about a site over all of its targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import Set, SitePath, app, opened
from proxyconf.cli.console import FINDINGS, OK, REFUSED, UNVERIFIED, USAGE, Stop, show
from proxyconf.document.findings import Level, nearest, shown
from proxyconf.output.files import write_site
from proxyconf.verbs.report.forms import FORMS
from proxyconf.verbs.report.summary import Summary, summary
from proxyconf.verbs.report.verified import verified as read_again

__all__: list[str] = []

_BY_SUFFIX = {".html": "html", ".htm": "html", ".json": "json", ".xml": "junit"}


@app.command
def report(
    site: SitePath,
    *,
    verified: Annotated[
        tuple[Path, ...], Parameter(negative="", help="Reports of `verify -o FOLDER`: the folder, or single JSON files.")
    ] = (),
    format: Annotated[str, Parameter(help="text, json, html or junit. Default: by the output's name, else text.")] = "",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="Write the page to this file; default: stdout.")] = None,
    set_: Set = (),
) -> int:
    """Say on one page what a site comes to on its targets: findings, what is lost, the hop, what it needs since when."""
    wanted = format or (_BY_SUFFIX.get(output.suffix, "text") if output else "text")
    if wanted not in FORMS:
        raise Stop(USAGE, f"proxyconf: there is no format {shown(wanted)}{nearest(wanted, FORMS)}")
    made = summary(opened(site, set_), read_again(verified))
    text = FORMS[wanted](made)
    if output is not None:
        write_site(output, text)
        show(f"{output}\n")
    else:
        show(text)
    return _code(made)


def _code(made: Summary) -> int:
    if made.levels & {Level.ERROR, Level.REFUSED}:
        return REFUSED if Level.ERROR not in made.levels else USAGE
    if made.failed:
        return UNVERIFIED
    return FINDINGS if Level.WARNING in made.levels else OK
