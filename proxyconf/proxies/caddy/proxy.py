"""Caddy as a proxy that can be rendered."""

from __future__ import annotations

from proxyconf.facts.gate import Gate
from proxyconf.proxies.caddy.edge import plan
from proxyconf.proxies.caddy.limitations import judge
from proxyconf.proxies.caddy.plan import Plan
from proxyconf.proxies.contract import Program, TemplatedProxy
from proxyconf.spec.deployment import Deployment
from proxyconf.syntax.caddyfile import CADDYFILE

__all__ = ["PROXY", "Caddy"]


class Caddy(TemplatedProxy[Plan]):
    """The renderer."""

    name = "caddy"
    syntax = CADDYFILE
    templates = {"Caddyfile": "Caddyfile.j2"}  # noqa: RUF012 -- a constant
    program = Program(
        version=("caddy", "version"),
        check=("caddy", "validate", "--adapter", "caddyfile", "--config", "{folder}/Caddyfile"),
        run=("caddy", "run", "--adapter", "caddyfile", "--config", "{folder}/Caddyfile"),
        reload=(
            "caddy", "reload", "--force", "--adapter", "caddyfile", "--config", "{folder}/Caddyfile",
            "--address", "unix/{admin}",
        ),
    )

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse what only Caddy is particular about."""
        judge(deployment, gate)

    def plan(self, deployment: Deployment, gate: Gate) -> Plan:
        """Return what the Caddyfile is to say."""
        return plan(deployment, gate)


PROXY = Caddy()
