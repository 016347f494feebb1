"""A site file read and understood: the model, the text's places, and every error in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from proxyconf.document.findings import Finding, Path, SiteError, line
from proxyconf.document.yaml import Document, parse
from proxyconf.spec.deployment import Deployment, resolved
from proxyconf.spec.references import references
from proxyconf.spec.root import Spec
from proxyconf.spec.sense import sense
from proxyconf.spec.words import translated

__all__ = ["SiteFile", "load"]


@dataclass(frozen=True, slots=True)
class SiteFile:
    """The model of a site, what it comes to, and the document it was read from."""

    spec: Spec
    deployment: Deployment
    document: Document
    findings: tuple[Finding, ...] = ()
    """Warnings and notes about the file itself."""

    def failure(self, findings: list[Finding]) -> SiteError:
        """Return these findings as an exception, each with its place."""
        return SiteError(self.document.name, findings, self.document.find)

    def lines(self, findings: Iterable[Finding]) -> list[str]:
        """Return findings as lines with their places."""
        return [line(self.document.name, self.document.find(finding), finding) for finding in findings]


def load(name: str, raw: bytes, variables: Mapping[str, str]) -> SiteFile:
    """Read a site file or raise `SiteError` with all that is wrong with it."""
    document = parse(name, raw, variables, multiline)
    spec: Spec | None = None
    # What could not even be composed needs no second message about missing keys.
    if document.data is not None:
        spec, wrong = _validated(document)
        wrong += references(document.data)
        document.findings += [finding for finding in wrong if not document.faulty(finding.path)]
    if document.findings or spec is None:
        raise SiteError(name, document.findings, document.find)
    deployment = resolved(spec)
    found = list(sense(deployment))
    if any(finding.level == "error" for finding in found):
        raise SiteError(name, found, document.find)
    return SiteFile(spec, deployment, document, tuple(found))


def multiline(path: Path) -> bool:
    """Whether the text at a path may hold line breaks: bodies of answers, and what is passed on as it stands."""
    return path[:1] == ("raw",) or "respond" in path


def _validated(document: Document) -> tuple[Spec | None, list[Finding]]:
    try:
        return Spec.model_validate(document.data), []
    except ValidationError as error:
        details: list[Any] = error.errors(include_url=False)
        return None, [finding for detail in details for finding in translated(document, detail)]
