"""Apache httpd as a proxy that can be rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from proxyconf.facts.gate import Gate
from proxyconf.proxies.apache.edge import plan
from proxyconf.proxies.apache.limitations import judge
from proxyconf.proxies.apache.plan import Answer, Plan
from proxyconf.proxies.contract import Program, TemplatedProxy
from proxyconf.spec.deployment import Deployment
from proxyconf.syntax.apache import APACHE, DOLLAR

__all__ = ["PROXY", "Apache"]

# Relative names (the process id, shared memory, fixed answers) are below the folder.
_HERE = ("-d", "{folder}", "-f", "{folder}/httpd.conf")


class Apache(TemplatedProxy[Plan]):
    """The renderer."""

    name = "apache"
    syntax = APACHE
    templates = {"httpd.conf": "httpd.conf.j2"}  # noqa: RUF012 -- a constant
    program = Program(
        version=("apache2", "-v"),
        check=("apache2", "-t", *_HERE),
        run=("apache2", *_HERE, "-DFOREGROUND"),
        reload=("kill", "-USR1", "{pid}"),
        pid_file="{folder}/httpd.pid",
        stop="SIGWINCH",
    )

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse what only Apache is particular about."""
        judge(deployment, gate)

    def plan(self, deployment: Deployment, gate: Gate) -> Plan:
        """Return what httpd.conf is to say."""
        return plan(deployment, gate)

    def files(self, plan: Plan, replaced: Mapping[str, str]) -> dict[str, str]:
        """Print the plan, and each fixed answer as a file; a dollar sign is defined only where one is needed."""
        made = super().files(plan, replaced)
        if not plan.dollar and DOLLAR in made["httpd.conf"]:
            made = super().files(replace(plan, dollar=True), replaced)
        return made | {answer.file: _as_it_is(answer) for answer in plan.answers}


def _as_it_is(answer: Answer) -> str:
    """Return a file of mod_asis: fields, an empty line, the body."""
    kind = f"Content-Type: {answer.content_type}\n" if answer.content_type else ""
    return f"Status: {answer.status}\n{kind}\n{answer.body}"


PROXY = Apache()
