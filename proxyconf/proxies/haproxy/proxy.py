"""HAProxy as a proxy that can be rendered."""

from __future__ import annotations

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
    templates = {"haproxy.cfg": "haproxy.cfg.j2"}  # noqa: RUF012 -- a constant
    program = Program(
        version=("haproxy", "-v"),
        check=("haproxy", "-c", "-f", "{folder}/haproxy.cfg"),
        run=("haproxy", "-W", "-db", "-f", "{folder}/haproxy.cfg"),
    )

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse what only HAProxy is particular about."""
        judge(deployment, gate)

    def plan(self, deployment: Deployment, gate: Gate) -> Plan:
        """Return what haproxy.cfg is to say."""
        return plan(deployment, gate)


PROXY = Haproxy()
