"""Findings in the forms that other programs read."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from proxyconf.document.findings import Finding, Place, Rule
from proxyconf.verbs.reports import FORMATS

FOUND = [
    (Place(3, 7), Finding(Rule.UNKNOWN_KEY, ("sites", 0), 'unknown key \'x\'; "a" < b & 100%')),
    (Place(9, 1), Finding(Rule.UNUSED, ("upstreams", "a"), "no site uses it")),
]


def test_json() -> None:
    data = json.loads(FORMATS["json"]("site.yaml", FOUND))
    assert data["findings"][0] == {
        "rule": "PC201", "level": "error", "line": 3, "column": 7, "path": ["sites", 0], "message": FOUND[0][1].message,
    }  # fmt: skip


def test_sarif() -> None:
    [run] = json.loads(FORMATS["sarif"]("site.yaml", FOUND))["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["PC201", "PC305"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 7}


def test_github() -> None:
    first, second = FORMATS["github"]("a,b:c.yaml", FOUND).splitlines()
    assert first == "::error file=a%2Cb%3Ac.yaml,line=3,col=7,title=PC201::unknown key 'x'; \"a\" < b & 100%25"
    assert second.startswith("::warning ")


def test_junit() -> None:
    suite = ElementTree.fromstring(FORMATS["junit"]("site.yaml", FOUND).encode())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert suite.findall("testcase")[0].find("failure").get("message") == FOUND[0][1].message  # type: ignore[union-attr]  # it is there


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_found_is_well_formed(form: str) -> None:
    text = FORMATS[form]("site.yaml", [])
    if form == "junit":
        assert ElementTree.fromstring(text.encode()).get("failures") == "0"
    elif form != "github":
        assert json.loads(text)
