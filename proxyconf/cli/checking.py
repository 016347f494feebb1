"""`check`: whether a site file is right, makes sense, and can be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import Native, Set, SitePath, app, opened
from proxyconf.cli.console import OK, REFUSED, USAGE, Stop, show, show_findings, verdict
from proxyconf.document.findings import SiteError, nearest, shown
from proxyconf.programs.run import check as check_files
from proxyconf.programs.trial import free_port, try_files
from proxyconf.proxies.registry import proxy
from proxyconf.verbs import reports
from proxyconf.verbs import site as sites

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
        if native and name != sites.APPSERVER:
            _let_it_check(name, bundle.stamped(file.document.digest).files)
    if code == OK:
        show(f"{site}: fine for {', '.join(bundle.target for bundle in made.bundles.values())}\n")
    return code


def _let_it_check(name: str, files: Mapping[str, str]) -> None:
    """Let a proxy check files by its own command, or by a start on free ports where it has none."""
    program = proxy(name).program
    trial = None if program.check else proxy(name).trial(files, free_port())
    if program.check:
        check_files(program.check, files, program.environment)
        words = " ".join(word.replace("{folder}/", "") for word in program.check)
        show(f"{name}: accepted by '{words}'\n")
    elif trial is not None:
        try_files(program.run, trial.files, trial.url, trial.faults, program.environment)
        show(f"{name}: accepted by '{program.run[0]}', started on free ports\n")
