"""`init`, `fmt`, `migrate`: site files as they are begun and kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import SitePath, SitePaths, app
from proxyconf.cli.console import FINDINGS, OK, USAGE, Stop, complain, show
from proxyconf.output.files import STDIN, read, shown_name, write_site
from proxyconf.verbs import fmt as style
from proxyconf.verbs import init as starters

__all__: list[str] = []


@app.command
def init(
    site: SitePath = Path("site.yaml"),
    *,
    hostname: Annotated[str | None, Parameter(help="Which host name clients use.")] = None,
    proxy: Annotated[str | None, Parameter(help="Which proxy stands in front.")] = None,
    server: Annotated[str | None, Parameter(help="Which server runs the application.")] = None,
    listens: Annotated[str | None, Parameter(help="Where it listens, HOST:PORT or unix:/PATH.")] = None,
    app: Annotated[str, Parameter(help="The application, module:attribute.")] = "",
) -> int:
    """Begin a site file: four questions, or four flags."""
    if site.exists():
        raise Stop(USAGE, f"proxyconf: {site} is there already; name another file")
    given = {"hostname": hostname, "proxy": proxy, "server": server, "listens": listens}
    answers = {question.name: _answer(question, given[question.name]) for question in starters.QUESTIONS}
    write_site(site, starters.starter(starters.Answers(**answers, app=app)))
    show(f"{site}\n")
    complain(f"Next: proxyconf check {site}")
    return OK


def _answer(question: starters.Question, given: str | None) -> str:
    """Return the answer of a flag, of the user, or, where nobody can be asked, the default."""
    asks = given is None and sys.stdin is not None and sys.stdin.isatty()
    while True:
        try:
            return question.read(_ask(question) if asks else given or "")
        except ValueError as error:
            if not asks:
                raise Stop(USAGE, f"proxyconf: --{question.name}: {error}") from error
            complain(f"  {error}")


def _ask(question: starters.Question) -> str:
    choices = f" ({', '.join(question.choices)})" if question.choices else ""
    complain(f"{question.text}{choices} [{question.default}]")
    line = sys.stdin.readline()
    if not line:
        raise Stop(USAGE, "proxyconf: no answer; give flags instead: proxyconf init --help")
    return line


@app.command
def fmt(
    *sites: SitePaths,
    check: Annotated[bool, Parameter(negative="", help="Write nothing; exit 1 if the file would change.")] = False,
) -> int:
    """Put site files into one style; comments are kept."""
    if not sites:
        raise Stop(USAGE, "proxyconf: fmt needs a site file, such as: proxyconf fmt site.yaml")
    # All are read before one is written.
    raws = [read(site) for site in sites]
    texts = [style.formatted(shown_name(site), raw) for site, raw in zip(sites, raws, strict=True)]
    return max(_rewritten(*one, check) for one in zip(sites, raws, texts, strict=True))


@app.command
def migrate(
    site: SitePath,
    *,
    check: Annotated[bool, Parameter(negative="", help="Write nothing; exit 1 if the file would change.")] = False,
) -> int:
    """Bring a site file of an older version to the newest."""
    raw = read(site)
    return _rewritten(site, raw, style.migrated(shown_name(site), raw), check)


def _rewritten(site: Path, raw: bytes, text: str, check: bool) -> int:
    if site == STDIN:
        show(text)
        return OK
    if text.encode() == raw:
        return OK
    if not check:
        write_site(site, text)
    show(f"{site}\n")
    return FINDINGS if check else OK
