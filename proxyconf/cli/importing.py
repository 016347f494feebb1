"""`import`: another configuration as a site file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import app
from proxyconf.cli.console import FINDINGS, OK, USAGE, Stop, complain, show
from proxyconf.document.findings import nearest, shown
from proxyconf.output.files import FileError, write_site

__all__: list[str] = []


@app.command(name="import")
def import_(
    file: Annotated[Path, Parameter(help="An nginx.conf (or one server file of it), or a Caddyfile.")],
    *,
    proxy: Annotated[str, Parameter(help="Whose it is: nginx or caddy. Default: by the file's name.")] = "",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="Write the site file here; default: stdout.")] = None,
) -> int:
    """Read a configuration of nginx or Caddy into a site file, and list what was not understood."""
    from proxyconf.verbs.imports import imported as imports

    kind = proxy or ("caddy" if "caddyfile" in file.name.lower() else "nginx")
    if kind not in imports.FORMATS:
        raise Stop(USAGE, f"proxyconf: cannot import from {shown(kind)}{nearest(kind, imports.FORMATS)}")
    if output is not None and output.exists():
        raise Stop(USAGE, f"proxyconf: {output} is there already; name another file")
    try:
        made = imports.imported(file, kind)
    except imports.NotReadable as error:
        raise FileError(str(error)) from error
    complain(*(f"{remark.file}:{remark.line}: not understood: {remark.text}" for remark in made.remarks))
    complain(*made.problems)
    if output is not None:
        write_site(output, made.text)
        show(f"{output}\n")
    else:
        show(made.text)
    return FINDINGS if made.remarks or made.problems else OK
