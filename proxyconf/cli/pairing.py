"""`pair`: the server's end of the hop."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from proxyconf.backend import pair as pairs
from proxyconf.cli.app import Folder, Set, SitePath, app, opened
from proxyconf.cli.console import OK, show, show_findings, verdict
from proxyconf.output.files import write
from proxyconf.verbs import site as sites

__all__: list[str] = []


@app.command
def pair(
    site: SitePath,
    *,
    output: Folder = None,
    force: Annotated[bool, Parameter(negative="", help="Replace files that were not written here, or changed since.")] = False,
    set_: Set = (),
) -> int:
    """Render the app server's end: its configuration, a systemd unit, and what the application has to be told."""
    file = opened(site, set_)
    targets = sites.proxy_targets(file)
    made = pairs.paired(file.deployment, targets)
    show_findings(file, (*file.findings, *made.findings))
    if made.refused:
        return verdict(made.findings)
    files = made.stamped(file.document.digest).files
    if output is not None:
        show("".join(f"{path}\n" for path in write(output, files, force=force)))
    else:
        show("\n".join(f"# ==> {name}\n{text}" for name, text in files.items()))
    show("\n# The application:\n", *(f"#   {line}".rstrip() + "\n" for line in pairs.advice(file.deployment, targets)))
    return OK
