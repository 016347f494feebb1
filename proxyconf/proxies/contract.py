"""What a proxy's package provides, and how a site is rendered through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from jinja2 import PackageLoader
from pydantic import BaseModel

from proxyconf.document.findings import Finding, Path, Rule
from proxyconf.facts.gate import Gate
from proxyconf.facts.needs import judge, policy_findings
from proxyconf.facts.table import capabilities
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.deployment import Deployment
from proxyconf.syntax.templates import Templates
from proxyconf.syntax.words import Syntax, Unquotable

__all__ = ["Program", "Proxy", "TemplatedProxy", "Trial", "render"]

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Program:
    """How the real program is called; `{folder}` stands for the folder that holds the rendered files."""

    version: tuple[str, ...]
    """Prints its version."""
    check: tuple[str, ...]
    """Checks the files; empty: the program has no such command, and `Proxy.trial` says how it is tried instead."""
    run: tuple[str, ...]
    """Serves in the foreground."""
    reload: tuple[str, ...] = ()
    """Makes a running one read its files again; empty: it does so by itself or cannot. `{pid}` is the running
    program's, `{admin}` the path of its control socket."""
    reload_signal: str = ""
    """The signal that does the same to a running one whose id is known; its workers are then replaced by new ones."""
    watches: tuple[str, ...] = ()
    """Files that a running one reads again by itself when they change."""
    settle_seconds: float = 0.5
    """How long a new worker lives at most that cannot serve after all; or until a file that is watched is read."""
    pid_file: str = ""
    """Where `run` keeps its id, if `reload` looks for it there."""
    stop: str = "SIGTERM"
    """The signal of a graceful stop; empty: there is none."""
    listens_first: bool = False
    """Whether it accepts connections before it has read its sites; until then TLS does not begin, or it answers 404."""
    untrusted_statuses: frozenset[int] = frozenset({502, 503})
    """What it answers where a server's certificate is not to be trusted."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it needs in its environment besides."""

    @property
    def signal(self) -> str:
        """The signal of a reload: `reload_signal`, or what `reload` sends by `kill -USR1 {pid}`; empty: there is none."""
        if self.reload_signal or self.reload[:1] != ("kill",):
            return self.reload_signal
        return f"SIG{self.reload[1].lstrip('-')}"


@dataclass(frozen=True, slots=True)
class Trial:
    """A start on free ports, for a program that has no checker: it runs until it has said what it thinks of its files."""

    files: Mapping[str, str]
    """What is written in place of the real ones."""
    url: str
    """Where it is asked, again and again."""
    faults: Callable[[str, str], Sequence[str] | None]
    """What is wrong, of its answer (empty: none yet) and its log; None: nothing can be said yet."""


class Proxy(ABC, Generic[P]):
    """One proxy. *Python decides*: `plan` takes every decision; *what is written shows*: `files` only prints it."""

    name: str
    """The package's, the table's and the command line's."""
    program: Program

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse or note what only this proxy is particular about; the table was asked before."""

    @abstractmethod
    def plan(self, deployment: Deployment, gate: Gate) -> P:
        """Return what the files are to say, in this proxy's own words; nothing in it is refused any more."""

    @abstractmethod
    def files(self, plan: P, replaced: Mapping[str, str]) -> dict[str, str]:
        """Return the text of each file; `replaced` holds a user's own templates by name."""

    def unquotable(self, text: str) -> str:
        """Return why a user's text cannot be written in this proxy's files; empty if it can."""
        return ""

    def trial(self, files: Mapping[str, str], port: int) -> Trial | None:
        """Return how files are tried without a checker, with a free port of 127.0.0.1; None: they cannot be."""
        return None


class TemplatedProxy(Proxy[P]):
    """A proxy whose files are printed by Jinja2 templates in its package."""

    syntax: Syntax
    templates: Mapping[str, str]
    """The template's name by the file's."""

    def files(self, plan: P, replaced: Mapping[str, str]) -> dict[str, str]:
        """Print the plan by the templates."""
        templates = self.own if not replaced else self._load(replaced)
        return {file: templates.render(template, plan) for file, template in self.templates.items()}

    @cached_property
    def own(self) -> Templates:
        """The templates of the package, compiled once."""
        return self._load({})

    def _load(self, replaced: Mapping[str, str]) -> Templates:
        return Templates(self.syntax, PackageLoader(type(self).__module__.rpartition(".")[0]), replaced)

    def unquotable(self, text: str) -> str:
        """Try a text on the syntax's quoting."""
        try:
            self.syntax.quote(text)
        except Unquotable as error:
            return str(error)
        return ""


def render(proxy: Proxy[P], deployment: Deployment, target: Target, replaced: Mapping[str, str] | None = None) -> Bundle:
    """Return the files for a target; what it cannot do is in the findings and never left out silently."""
    gate = Gate(target, deployment.spec.policy)
    gate.findings += policy_findings(deployment)
    for path, text in _texts(deployment.spec.model_copy(update={"appserver": None, "raw": {}}), ()):
        if reason := proxy.unquotable(text):
            gate.refuse(path, reason, Rule.UNQUOTABLE)
    judge(deployment, gate)
    proxy.judge(deployment, gate)
    title = f"{target.proxy} {target.version}"
    degraded = tuple(f"{name} ({capabilities()[name].lost})" for name in gate.degraded)
    if gate.refused:
        return Bundle(title, {}, tuple(gate.findings), degraded)
    plan = proxy.plan(deployment, gate)
    try:
        files = proxy.files(plan, replaced or {})
    except Unquotable as error:
        gate.findings.append(Finding(Rule.UNQUOTABLE, (), str(error)))
        files = {}
    return Bundle(title, files, tuple(gate.findings), degraded)


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every text of a site, so that a refusal has a place; bodies of answers are each proxy's own matter."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name not in ("body", "data"):
                yield from _texts(getattr(value, name), (*path, type(value).model_fields[name].alias or name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from _texts(item, (*path, at))
    elif isinstance(value, str | ServerAddress):
        yield path, str(value)
