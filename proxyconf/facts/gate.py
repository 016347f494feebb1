"""One target measured against its table: what it can, what it is refused, what it goes without."""

from __future__ import annotations

from proxyconf.document.findings import Finding, Level, Path, Rule, nearest, shown
from proxyconf.facts.table import Row, Table, Version, capabilities, proxies_that_can, table
from proxyconf.facts.target import Target
from proxyconf.spec.targets import Policy

__all__ = ["Gate"]


class Gate:
    """Asks a proxy's table, and keeps what was refused and what is gone without."""

    def __init__(self, target: Target, policy: Policy | None = None) -> None:
        """Judge the version itself first."""
        self.target = target
        self._policy = policy or Policy()
        self._table: Table = table(target.proxy)
        self.findings: list[Finding] = []
        self.degraded: list[str] = []
        """Features that the target goes without, each once."""
        self._judge_version((*target.path, "version"))
        self._judge_modules()

    @property
    def version(self) -> Version:
        """The target's version."""
        return self.target.version

    @property
    def refused(self) -> bool:
        """Whether something was asked that the target cannot do."""
        return any(finding.level in (Level.ERROR, Level.REFUSED) for finding in self.findings)

    def _judge_version(self, path: Path) -> None:
        oldest, newest, asked = self._table.oldest, self._table.newest, self.target.version
        if asked < oldest:
            message = f"{self.target.proxy} {asked} is older than what was ever run here; use {oldest} or newer"
            self.findings.append(Finding(Rule.TOO_OLD, path, message))
        elif asked > newest:
            message = (
                f"{self.target.proxy} {asked} is newer than what was run here ({newest});"
                " let it check for itself: proxyconf check --native"
            )
            self.findings.append(Finding(Rule.UNTRIED, path, message))

    def _judge_modules(self) -> None:
        for module in sorted(self.target.modules - self._table.modules):
            message = f"{self.target.proxy} has no module {shown(module)} that is known here"
            message += nearest(module, self._table.modules)
            self.findings.append(Finding(Rule.UNKNOWN_WORD, (*self.target.path, "modules"), message))

    def can(self, capability: str) -> bool:
        """Whether the target has a capability; nothing is said."""
        assert capability in capabilities(), capability
        return self._table.can(capability, self.target.version, self.target.modules)

    def how(self, capability: str) -> str:
        """What the table says of a capability; empty if it has no row."""
        row = self._table.rows.get(capability)
        return row.how if row else ""

    def needs(self, capability: str, path: Path) -> bool:
        """Refuse what stands at `path` if the target lacks a capability, or note that it goes without."""
        if self.can(capability):
            return True
        feature = capabilities()[capability]
        word = self._policy.features.get(capability, self._policy.unsupported)
        if word == "refuse" or not feature.lost:
            self._add(Finding(Rule.CANNOT, path, self._refusal(capability)))
            return False
        rule = Rule.DEGRADED if word == "degrade" else Rule.DEGRADED_WARNING
        self._add(Finding(rule, path, f"{self._name} goes without: {feature.title}; {feature.lost}"))
        if capability not in self.degraded:
            self.degraded.append(capability)
        return False

    def refuse(self, path: Path, message: str, rule: Rule = Rule.LIMITATION) -> None:
        """Say that this target cannot do what stands at `path`."""
        self._add(Finding(rule, path, message))

    def note(self, path: Path, message: str) -> None:
        """Say something about this target that is worth knowing."""
        self._add(Finding(Rule.REMARK, path, message))

    def _add(self, finding: Finding) -> None:
        if finding not in self.findings:
            self.findings.append(finding)

    @property
    def _name(self) -> str:
        return f"{self.target.proxy} {self.target.version}"

    def _refusal(self, capability: str) -> str:
        feature = capabilities()[capability]
        row: Row | None = self._table.rows.get(capability)
        others = [other for other in proxies_that_can(capability) if not other.startswith(f"{self.target.proxy} ")]
        own = f"target {self.target.proxy} {row.needs}" if row and row.needs else ""
        policy = f"policy: {{features: {{{capability}: degrade}}}}" if feature.lost else ""
        ways = [way for way in (own, feature.instead, *others, policy) if way]
        needs = f" (needs {self.target.proxy} {row.needs})" if row and row.needs else ""
        return f"{self._name} cannot: {feature.title}{needs}; options: {' | '.join(ways)}"
