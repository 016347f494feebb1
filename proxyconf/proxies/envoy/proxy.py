"""Envoy as a proxy that can be rendered."""

from __future__ import annotations

from collections.abc import Mapping

from proxyconf.facts.gate import Gate
from proxyconf.proxies.contract import Program, Proxy
from proxyconf.proxies.envoy.bootstrap import plan
from proxyconf.proxies.envoy.limitations import judge
from proxyconf.proxies.envoy.plan import Plan
from proxyconf.spec.deployment import Deployment
from proxyconf.syntax.yamlcpp import dump

__all__ = ["PROXY", "Envoy"]

_FILE = ("-c", "{folder}/envoy.yaml")


class Envoy(Proxy[Plan]):
    """The renderer."""

    name = "envoy"
    program = Program(
        version=("envoy", "--version"),
        check=("envoy", "--mode", "validate", "-l", "warning", *_FILE),
        # Access logs are written once a second; ten seconds are Envoy's own.
        run=("envoy", *_FILE, "-l", "warning", "--disable-hot-restart", "--file-flush-interval-msec", "1000"),
        # SIGTERM ends it at once; who drains it asks the admin interface to, or lets hot restart do so.
        stop="",
    )

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse what only Envoy is particular about."""
        judge(deployment, gate)

    def plan(self, deployment: Deployment, gate: Gate) -> Plan:
        """Return what envoy.yaml is to say."""
        return plan(deployment, gate)

    def files(self, plan: Plan, replaced: Mapping[str, str]) -> dict[str, str]:
        """Print the plan."""
        return {"envoy.yaml": dump(plan.bootstrap)}

    def unquotable(self, text: str) -> str:
        """Return why a text cannot be written: YAML has an escape for everything, the files behind it have not."""
        if any(char < " " or char == "\x7f" for char in text):
            return "a control character; remove it"
        if any("\ud800" <= char <= "\udfff" for char in text):
            return "half of a surrogate pair is no character; remove it"
        return ""


PROXY = Envoy()
