"""HAProxy as a proxy that can be rendered."""

from __future__ import annotations

from collections.abc import Mapping

from proxyconf.facts.gate import Gate
from proxyconf.proxies.contract import Program, TemplatedProxy
from proxyconf.proxies.haproxy.edge import plan
from proxyconf.proxies.haproxy.limitations import judge
from proxyconf.proxies.haproxy.plan import Plan
from proxyconf.spec.deployment import Deployment
from proxyconf.syntax.haproxy import HAPROXY

__all__ = ["PROXY", "Haproxy"]


class Haproxy(TemplatedProxy[Plan]):
    """The renderer."""

    name = "haproxy"
    syntax = HAPROXY
    templates = {"haproxy.cfg": "haproxy.cfg.j2", "body-limit.lua": "body-limit.lua.j2"}  # noqa: RUF012 -- a constant
    program = Program(
        stop="SIGUSR1",
        version=("haproxy", "-v"),
        check=("haproxy", "-c", "-f", "{folder}/haproxy.cfg"),
        run=("haproxy", "-W", "-db", "-f", "{folder}/haproxy.cfg"),
        reload_signal="SIGUSR2",
        settle_seconds=3.0,  # since 3.1 it is the new worker that binds, and tries to for 2 s
    )

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse what only HAProxy is particular about."""
        judge(deployment, gate)

    def plan(self, deployment: Deployment, gate: Gate) -> Plan:
        """Return what haproxy.cfg is to say."""
        return plan(deployment, gate)

    def files(self, plan: Plan, replaced: Mapping[str, str]) -> dict[str, str]:
        """Print the plan; the filter's file only where it is used."""
        printed = super().files(plan, replaced)
        return printed if plan.counts_bodies else {"haproxy.cfg": printed["haproxy.cfg"]}


PROXY = Haproxy()
