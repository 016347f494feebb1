"""JSON in the shape of Gateway API's ConformanceReport: profiles, statistics, supported features.

Source: gateway-api, conformance/apis/v1, `ConformanceReport`. What is ours besides stands under `tests`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from proxyconf import __version__
from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.probe import Profile
from proxyconf.verify.subject import Feature

__all__ = ["conformance_report", "conformance_text"]

API_VERSION = "proxyconf/v1"
LOOKED_WITH = frozenset({Feature.ORIGIN, Feature.RAW_ORIGIN, Feature.APP_SERVER, Feature.TCP_HOP, Feature.STACK})


def conformance_report(report: Report) -> dict[str, Any]:
    """Return the report as data."""
    subject = report.subject
    core, extended = report.of(Profile.CORE), report.of(Profile.EXTENDED)
    probed = {feature for result in report.results for feature in result.probe.needs} - LOOKED_WITH
    return {
        "apiVersion": API_VERSION,
        "kind": "ConformanceReport",
        "date": report.began.isoformat(timespec="seconds"),
        "mode": "default",
        "implementation": {"organization": "", "project": subject.name, "version": subject.version, "url": "", "contact": []},
        "verifier": {"project": "proxyconf", "version": __version__, "server": report.server, "edge": subject.edge.url},
        "profiles": [
            {
                "name": "LAST-HOP",
                "core": _profile(core),
                "extended": {
                    **_profile(extended),
                    "supportedFeatures": sorted(probed & subject.features),
                    "unsupportedFeatures": sorted(probed - subject.features),
                },
                "summary": f"Core tests {_outcome(core)}. Extended tests {_outcome(extended)}.",
            }
        ],
        "tests": [_test(result) for result in report.results],
    }


def conformance_text(report: Report) -> str:
    """Return the report as JSON."""
    return json.dumps(conformance_report(report), indent=2, ensure_ascii=False) + "\n"


def _profile(results: list[Result]) -> dict[str, Any]:
    counts = {str(verdict): sum(result.verdict is verdict for result in results) for verdict in Verdict}
    said: dict[str, Any] = {"result": _result(results), "statistics": counts}
    for verdict, key in ((Verdict.FAILED, "failedTests"), (Verdict.SKIPPED, "skippedTests")):
        if names := [result.probe.id for result in results if result.verdict is verdict]:
            said[key] = names
    return said


def _result(results: Iterable[Result]) -> str:
    verdicts = {result.verdict for result in results}
    if Verdict.FAILED in verdicts:
        return "failure"
    return "partial" if Verdict.SKIPPED in verdicts else "success"


def _outcome(results: list[Result]) -> str:
    words = {"failure": "failed with {} test failures", "partial": "partially succeeded with {} test skips",
             "success": "succeeded"}  # fmt: skip
    result = _result(results)
    verdict = Verdict.FAILED if result == "failure" else Verdict.SKIPPED
    return words[result].format(sum(one.verdict is verdict for one in results))


def _test(result: Result) -> dict[str, Any]:
    said = {
        "name": result.probe.id, "title": result.probe.title, "expects": result.probe.expects,
        "profile": str(result.probe.profile), "result": str(result.verdict), "observed": result.observed,
        "seconds": round(result.seconds, 3),
    }  # fmt: skip
    if result.verdict is Verdict.SKIPPED:
        said["reason"] = said.pop("observed")
    if result.wrong:
        said["wrong"] = list(result.wrong)
    if result.facts:
        said["facts"] = dict(result.facts)
    return said
