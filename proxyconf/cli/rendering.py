"""`render`, `diff`, `drift`, `template`: what is written, and how it differs from what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import Folder, Set, SitePath, TargetName, app, known_proxy, opened, wanted
from proxyconf.cli.console import FINDINGS, OK, USAGE, Stop, complain, show, show_findings, verdict
from proxyconf.document.findings import nearest, shown
from proxyconf.output.files import drift as drifted
from proxyconf.output.files import write
from proxyconf.spec.read import SiteFile
from proxyconf.verbs import drift as drifts
from proxyconf.verbs import site as sites
from proxyconf.verbs import template as templates

__all__: list[str] = []

Template = Annotated[
    tuple[Path, ...], Parameter(negative="", help="A template of your own in place of the proxy's of that name.")
]


@app.command
def render(
    target: TargetName,
    site: SitePath,
    *,
    output: Folder = None,
    check: Annotated[bool, Parameter(negative="", help="Write nothing; exit 1 if --output would change.")] = False,
    force: Annotated[bool, Parameter(negative="", help="Replace files that were not written here, or changed since.")] = False,
    template: Template = (),
    set_: Set = (),
) -> int:
    """Render a site file for a proxy, for the app server, or for all of its targets."""
    file = opened(site, set_)
    names = wanted(target, file)
    if template and target in (sites.APPSERVER, "all"):
        raise Stop(USAGE, "proxyconf: --template belongs to one proxy; name it instead of " + shown(target))
    if check and output is None:
        raise Stop(USAGE, "proxyconf: --check compares with a folder; add --output FOLDER")
    replaced = templates.replacements(target, template) if template else {}
    made = sites.rendered(file, names, replaced)
    show_findings(file, made.findings)
    if any(bundle.refused for bundle in made.bundles.values()):
        return verdict(made.findings)
    files = made.files
    if output is not None and check:
        return _report_drift(output, files)
    if output is not None:
        show("".join(f"{path}\n" for path in write(output, files, force=force)))
    elif len(files) == 1:
        show(*files.values())
    else:
        show("\n".join(f"# ==> {name}\n{text}" for name, text in files.items()))
    return OK


@app.command
def drift(
    site: SitePath,
    folder: Annotated[Path, Parameter(help="Where it was rendered to.")],
    *,
    target: TargetName = "all",
    set_: Set = (),
) -> int:
    """Compare a folder with what would be rendered now; exit 1 if they differ."""
    return _report_drift(folder, _files(opened(site, set_), target))


@app.command
def diff(
    before: Annotated[Path, Parameter(help="A site file; `-` is stdin.")],
    after: Annotated[Path, Parameter(help="Another, or the same changed.")],
    *,
    target: TargetName = "all",
    set_: Set = (),
) -> int:
    """Show what a change of the site file changes in what is rendered; exit 1 if anything."""
    lines = list(drifts.changes(_files(opened(before, set_), target), _files(opened(after, set_), target)))
    show("".join(f"{line}\n" for line in lines))
    return FINDINGS if lines else OK


@app.command
def template(
    action: Annotated[str, Parameter(help="`export`.")],
    name: Annotated[str, Parameter(help="A proxy.")],
    *,
    output: Folder = None,
    force: Annotated[bool, Parameter(negative="", help="Replace files that are there.")] = False,
) -> int:
    """Export a proxy's templates, to be read, or changed and given to `render --template`."""
    if action != "export":
        raise Stop(USAGE, f"proxyconf: template knows no {shown(action)}{nearest(action, ['export'])}")
    texts = templates.exported(known_proxy(name))
    if output is not None:
        show("".join(f"{path}\n" for path in write(output, texts, force=force)))
    else:
        show("\n".join(f"{{# ==> {file} #}}\n{text}" for file, text in texts.items()))
    return OK


def _files(file: SiteFile, target: str) -> dict[str, str]:
    made = sites.rendered(file, wanted(target, file))
    show_findings(file, made.findings)
    if any(bundle.refused for bundle in made.bundles.values()):
        raise Stop(verdict(made.findings))
    return made.files


def _report_drift(folder: Path, files: dict[str, str]) -> int:
    found = drifted(folder, files)
    for one in found:
        complain(f"{one.path}: {one.reason}")
        if one.on_disk:
            show("".join(f"{line}\n" for line in drifts.changed_lines(one)))
    return FINDINGS if found else OK
