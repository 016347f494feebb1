"""Traefik as a proxy that can be rendered."""

from __future__ import annotations

from collections.abc import Mapping

from proxyconf.facts.gate import Gate
from proxyconf.proxies.contract import Program, Proxy, Trial
from proxyconf.proxies.traefik.dynamic import dynamic
from proxyconf.proxies.traefik.limitations import judge
from proxyconf.proxies.traefik.plan import Plan
from proxyconf.proxies.traefik.static import static
from proxyconf.proxies.traefik.trial import trial
from proxyconf.spec.deployment import Deployment
from proxyconf.syntax.traefik import dump

__all__ = ["PROXY", "Traefik"]


class Traefik(Proxy[Plan]):
    """The renderer. Traefik is started in the folder of its files: traefik.yaml names the other one without a path."""

    name = "traefik"
    program = Program(
        version=("traefik", "version"),
        check=(),
        run=("traefik", "--configFile={folder}/traefik.yaml"),
        # Traefik watches dynamic.yaml; traefik.yaml is read at start only, and no signal changes that.
        reload=(),
        watches=("dynamic.yaml",),
        settle_seconds=3.0,
        listens_first=True,
        untrusted_statuses=frozenset({500}),
    )

    def judge(self, deployment: Deployment, gate: Gate) -> None:
        """Refuse what only Traefik is particular about."""
        judge(deployment, gate)

    def plan(self, deployment: Deployment, gate: Gate) -> Plan:
        """Return what the two files are to say."""
        return Plan(static(deployment, gate), dynamic(deployment, gate))

    def files(self, plan: Plan, replaced: Mapping[str, str]) -> dict[str, str]:
        """Print the plan."""
        return {"traefik.yaml": dump(plan.static), "dynamic.yaml": dump(plan.dynamic)}

    def trial(self, files: Mapping[str, str], port: int) -> Trial:
        """Return how Traefik is made to say what is wrong: it has no checker, and ignores a file with a fault."""
        return trial(files, port)

    def unquotable(self, text: str) -> str:
        """Return why a text cannot be written: YAML has an escape for everything, what is behind it has not."""
        if any(char < " " or char == "\x7f" for char in text):
            return "a control character; remove it"
        if any("\ud800" <= char <= "\udfff" for char in text):
            return "half of a surrogate pair is no character; remove it"
        return ""


PROXY = Traefik()
