"""`schema`, `matrix`, `explain`: what there is to know without a site."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import app, known_proxy
from proxyconf.cli.console import OK, USAGE, Stop, show
from proxyconf.document.findings import shown
from proxyconf.facts.table import Version, tables
from proxyconf.proxies.registry import names
from proxyconf.spec.names import proxy_version
from proxyconf.spec.schema import schema_text
from proxyconf.verbs import explain as explanations
from proxyconf.verbs import matrix as matrices
from proxyconf.verbs import reference

__all__: list[str] = []


@app.command
def schema(*, docs: Annotated[bool, Parameter(negative="", help="The reference page instead.")] = False) -> int:
    """Print the JSON Schema of a site file, for editors."""
    show(reference.page() if docs else schema_text(names()))
    return OK


@app.command
def matrix(
    *proxies: Annotated[str, Parameter(help="Which proxies; default: all.")],
    since: Annotated[str | None, Parameter(help="What is new after this version (of one proxy).")] = None,
    until: Annotated[str | None, Parameter(help="Up to this one; default: the newest that was run.")] = None,
    json: Annotated[bool, Parameter(negative="", help="As JSON, with sources and proofs.")] = False,
    page: Annotated[bool, Parameter(negative="", help="As the page of the documentation.")] = False,
) -> int:
    """Print what each proxy can do since which version, or what changes between two versions of one."""
    chosen = [known_proxy(name) for name in proxies] or list(tables())
    if since is None and until is None:
        show(matrices.page() if page else matrices.json_text(chosen) if json else matrices.text(chosen))
        return OK
    if len(chosen) != 1 or len(proxies) != 1:
        raise Stop(USAGE, "proxyconf: --since and --until are about one proxy; name it, such as: proxyconf matrix nginx --since 1.28")
    table = tables()[chosen[0]]
    between = (_version("--since", since or "0"), _version("--until", until) if until else table.newest)
    for change in matrices.changes(chosen[0], *between):
        word = "can" if change.begins else "cannot any more"
        show(f"{change.version}  {word}: {change.row.capability} ({change.row.how})\n")
    return OK


@app.command
def explain(word: Annotated[str, Parameter(help="A rule (PC401), a key (upstreams.app.protocol) or a feature (early_hints).")]) -> int:
    """Explain a rule, a key of the site file, or a feature."""
    show(explanations.explained(word))
    return OK


def _version(option: str, text: str) -> Version:
    try:
        return Version.parse(proxy_version(text))
    except ValueError:
        raise Stop(USAGE, f"proxyconf: {option} takes a version such as 1.29.4, not {shown(text)}") from None
