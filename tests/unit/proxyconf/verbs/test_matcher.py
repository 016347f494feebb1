"""The problem matcher for GitHub Actions finds every finding in what `check` prints, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from proxyconf.cli import main
from proxyconf.document.findings import Finding, Level, Place, line
from proxyconf.document.rules import Rule

SITES = {
    "error": "sites: [{hostnames: [a.example], upsteam: x}]\n",
    "refused": "targets: [{proxy: nginx, version: '1.22.1'}]\nsites: [{hostnames: [a.example], upstream: 'h2c://127.0.0.1:1'}]\n",
    "warning": "sites: [{hostnames: [a.example], upstream: 'h2c://127.0.0.1:1'}]\nupstreams: {unused: {servers: ['127.0.0.1:2']}}\n",
    "note": "targets: [{proxy: caddy, version: '9.0.0'}]\nsites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1'}]\n",
}
SEVERITY = {"error": "error", "refused": "error", "warning": "warning", "note": "notice"}


def matchers(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["matcher"]) == 0
    given = json.loads(Path(capsys.readouterr().out.strip()).read_text())
    found: list[dict[str, Any]] = given["problemMatcher"]
    return found


def matched(text: str, known: list[dict[str, Any]]) -> list[tuple[str, str, int, int, str, str]]:
    found = []
    for one in text.splitlines():
        for matcher in known:
            (pattern,) = matcher["pattern"]
            if match := re.search(pattern["regexp"], one):
                part = {key: match[pattern[key]] for key in ("file", "line", "column", "code", "message")}
                found.append((matcher["severity"], part["file"], int(part["line"]), int(part["column"]), part["code"], part["message"]))
    return found


@pytest.mark.parametrize("level", SITES)
def test_what_check_prints(level: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = matchers(capsys)
    path = tmp_path / "site.yaml"
    path.write_text(SITES[level])
    main(["check", str(path)])
    out, err = capsys.readouterr()
    found = matched(out + err, known)
    assert len(found) == len(err.splitlines()), "each line once, by one matcher"
    assert SEVERITY[level] in [severity for severity, *_ in found]
    main(["check", str(path), "--format", "json"])
    told = json.loads(capsys.readouterr().out)["findings"]
    assert {(line, column, code, message) for _, _, line, column, code, message in found} == {
        (one["line"], one["column"], one["rule"], one["message"]) for one in told
    }
    assert {name for _, name, *_ in found} == {str(path)}


@pytest.mark.parametrize("rule", Rule)
def test_every_rule(rule: Rule, capsys: pytest.CaptureFixture[str]) -> None:
    known = matchers(capsys)
    severity = {Level.WARNING: "warning", Level.NOTE: "notice"}.get(rule.level, "error")
    said = line("a:b c/site.yaml", Place(3, 14), Finding(rule, (), "text: with: colons"))
    assert matched(said, known) == [(severity, "a:b c/site.yaml", 3, 14, rule.id, "text: with: colons")]


def test_other_lines_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    known = matchers(capsys)
    assert matched("site.yaml: fine for caddy 2.11.7\nproxyconf: site.yaml: cannot be read: Is a directory\n", known) == []
