"""What there is to say about a site over its targets: findings, what is gone without, the hop, what it needs since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxyconf.backend import pair as pairs
from proxyconf.document.findings import Finding, Level, Path, Rule
from proxyconf.facts.gate import Gate
from proxyconf.facts.needs import needs
from proxyconf.facts.table import capabilities, table
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.spec.read import SiteFile
from proxyconf.verbs import site as sites
from proxyconf.verbs.report.verified import Verified

__all__ = ["Cell", "Feature", "Hop", "Said", "Summary", "TargetSummary", "summary"]


@dataclass(frozen=True, slots=True)
class Said:
    """One finding with its place."""

    line: int
    column: int
    rule: str
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One feature on one target."""

    can: bool
    since: str
    """`>= 1.29.4`; empty: no version can, or none was tried."""
    source: str = ""
    proof: str = ""
    without: bool = False
    """Whether the policy lets the target go without it."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that the site asks for."""

    id: str
    title: str
    lost: str
    places: tuple[str, ...]
    """Where the file asks for it, as `line:column`."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Hop:
    """How requests get from the targets to one upstream."""

    upstream: str
    protocol: str
    servers: tuple[str, ...]
    websocket: tuple[str, ...]
    early_hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """One target."""

    title: str
    refused: bool
    files: tuple[str, ...]
    findings: tuple[Said, ...]
    degraded: tuple[str, ...]
    verified: tuple[Verified, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole page."""

    file: str
    digest: str
    hostnames: tuple[str, ...]
    findings: tuple[Said, ...]
    targets: tuple[TargetSummary, ...]
    features: tuple[Feature, ...]
    hops: tuple[Hop, ...]
    server: TargetSummary | None
    application: tuple[str, ...]
    """What the application has to be told."""
    levels: frozenset[Level]

    @property
    def failed(self) -> bool:
        """Whether a verification failed."""
        return any(one.failed for target in self.targets for one in target.verified)


def summary(file: SiteFile, verified: Sequence[Verified] = ()) -> Summary:
    """Render a site for all of its targets and say what came of it. Raises `ProgramFault`, `ProgramMissing` for `auto`."""
    targets = sites.proxy_targets(file)
    bundles = [sites.bundle(target.proxy, file) for target in targets]
    server = pairs.paired(file.deployment, targets) if file.spec.appserver else None
    every = [*file.findings, *(one for bundle in (*bundles, *((server,) if server else ())) for one in bundle.findings)]
    return Summary(
        file=file.document.name,
        digest=file.document.digest,
        hostnames=tuple(name for site in file.spec.sites for name in site.hostnames),
        findings=_said(file, file.findings),
        targets=tuple(
            _target(file, bundle, tuple(one for one in verified if one.proxy == target.proxy))
            for target, bundle in zip(targets, bundles, strict=True)
        ),
        features=tuple(_features(file, targets)),
        hops=tuple(_hops(file, targets)),
        server=_target(file, server) if server else None,
        application=tuple(pairs.advice(file.deployment, targets)) if server and not server.refused else (),
        levels=frozenset(one.level for one in every),
    )


def _said(file: SiteFile, findings: Sequence[Finding]) -> tuple[Said, ...]:
    placed = [(file.document.find(one), one) for one in findings]
    return tuple(Said(*place, one.rule.id, one.level.value, one.message) for place, one in placed)


def _target(file: SiteFile, bundle: Bundle, verified: tuple[Verified, ...] = ()) -> TargetSummary:
    found = _said(file, bundle.findings)
    return TargetSummary(bundle.target, bundle.refused, tuple(bundle.files), found, bundle.degraded, verified)


def _features(file: SiteFile, targets: Sequence[Target]) -> list[Feature]:
    places: dict[str, list[Path]] = {}
    for name, path in needs(file.deployment):
        places.setdefault(name, []).append(path)
    found = []
    for name, feature in capabilities().items():
        if name in places:
            at = [file.document.find(Finding(Rule.REMARK, path, "")) for path in places[name]]
            where = tuple(f"{place.line}:{place.column}" for place in dict.fromkeys(at))
            found.append(Feature(name, feature.title, feature.lost, where, tuple(_cell(file, one, name) for one in targets)))
    return found


def _cell(file: SiteFile, target: Target, capability: str) -> Cell:
    row = table(target.proxy).rows.get(capability)
    can = Gate(target).can(capability)
    word = file.spec.policy.features.get(capability, file.spec.policy.unsupported)
    without = not can and word != "refuse" and bool(capabilities()[capability].lost)
    if row is None:
        return Cell(can, "", without=without)
    return Cell(can, row.needs, row.source, row.proof, without)


def _hops(file: SiteFile, targets: Sequence[Target]) -> list[Hop]:
    gates = [Gate(target) for target in targets]
    found = []
    for one in file.deployment.upstreams:
        options = one.options
        servers = tuple(str(server.address) for server in options.servers)
        split = [_websocket(options.websocket, options.protocol, gate) for gate in gates]
        hints = ["passed on" if gate.can("early_hints") else "not passed on" for gate in gates]
        found.append(Hop(one.name, options.protocol, servers, tuple(split), tuple(hints)))
    return found


def _websocket(wish: str, protocol: str, gate: Gate) -> str:
    if wish == "off" or protocol in ("grpc", "grpcs"):
        return "none"
    if protocol == "http1" or wish == "over_http1":
        return "over HTTP/1.1"
    return "over HTTP/2" if gate.can("websocket_over_h2") else "over HTTP/1.1, beside"
