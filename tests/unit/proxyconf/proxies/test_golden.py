"""Goldens: one file is a site, a line of dashes, and what is rendered or what is said.

`golden/TARGET/CASE.txt` is rendered for TARGET. `# --set NAME=VALUE` in the site sets a variable.
`PROXYCONF_GOLDEN=write` writes what is rendered now; read the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxyconf.document.findings import SiteError
from proxyconf.output.bundle import Bundle
from proxyconf.proxies.registry import names
from proxyconf.spec.read import SiteFile, load
from proxyconf.verbs.site import bundle

GOLDENS = sorted((Path(__file__).parent / "golden").glob("*/*.txt"))
LINE = "----------\n"


def made(proxy: str, site: str) -> str:
    """Return what the second half of a golden has to be."""
    lines = [line.removeprefix("# --set ") for line in site.splitlines() if line.startswith("# --set ")]
    try:
        file = load("site.yaml", site.encode(), dict(line.split("=", 1) for line in lines))
    except SiteError as error:
        return "\n".join(error.lines) + "\n"
    made = bundle(proxy, file)
    return said(file, made) + "\n".join(made.files.values())


def said(file: SiteFile, made: Bundle) -> str:
    return "".join(f"{line}\n" for line in file.lines((*file.findings, *made.findings)))


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_golden(golden: Path) -> None:
    site, line, expected = golden.read_text().partition(LINE)
    result = made(golden.parent.name, site)
    if os.environ.get("PROXYCONF_GOLDEN") == "write":
        golden.write_text(site + LINE + result)
        return
    assert line, f"{golden} has no line of dashes"
    assert result == expected


def test_there_are_goldens_for_every_target() -> None:
    assert {golden.parent.name for golden in GOLDENS} == {*names(), "appserver"}
