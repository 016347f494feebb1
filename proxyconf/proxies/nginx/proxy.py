"""nginx as a proxy that can be rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from proxyconf.facts.gate import Gate
from proxyconf.proxies.contract import Program, TemplatedProxy
from proxyconf.proxies.nginx.edge import plan
from proxyconf.proxies.nginx.limitations import judge
from proxyconf.proxies.nginx.plan import Plan
from proxyconf.spec.deployment import Deployment
from proxyconf.syntax.nginx import DOLLAR, NGINX

__all__ = ["PROXY", "Nginx"]

_HERE = ("-c", "{folder}/nginx.conf", "-g", "pid {folder}/nginx.pid;")


class Nginx(TemplatedProxy[Plan]):
    """The renderer."""

    name = "nginx"
    syntax = NGINX
    templates = {"nginx.conf": "nginx.conf.j2"}  # noqa: RUF012 -- a constant
    program = Program(
        version=("nginx", "-v"),
        check=("nginx", "-t", *_HERE),
        run=("nginx", *_HERE[:3], "daemon off; pid {folder}/nginx.pid;"),
        reload=("nginx", "-s", "reload", *_HERE),
        reload_signal="SIGHUP",
        pid_file="{folder}/nginx.pid",
        stop="SIGQUIT",
    )

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse what only nginx is particular about."""
        judge(deployment, gate)

    def plan(self, deployment: Deployment, gate: Gate) -> Plan:
        """Return what nginx.conf is to say."""
        return plan(deployment, gate)

    def files(self, plan: Plan, replaced: Mapping[str, str]) -> dict[str, str]:
        """Print the plan; the variable that stands for a dollar sign is made only where one is needed."""
        made = super().files(plan, replaced)
        if plan.dollar or not any(DOLLAR in text for text in made.values()):
            return made
        return super().files(replace(plan, dollar=True), replaced)


PROXY = Nginx()
