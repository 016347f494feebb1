"""`matrix` and `explain`: nothing is said that no row says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxyconf.document.rules import Rule
from proxyconf.facts.table import Version, capabilities, tables
from proxyconf.spec.words import known_keys
from proxyconf.verbs.explain import NotKnown, explained
from proxyconf.verbs.matrix import changes, json_text, page, text

REPOSITORY = Path(__file__).resolve().parents[4]


def test_the_page_of_the_proxies_has_not_drifted() -> None:
    assert (REPOSITORY / "docs/reference/proxies.md").read_text() == page(), "run: proxyconf matrix --page"


def test_every_feature_and_proxy_is_in_the_matrix() -> None:
    lines = text(list(tables())).splitlines()
    assert lines[0].split() == list(tables())
    assert [line.split()[0] for line in lines[1:]] == list(capabilities())
    data = json.loads(json_text(["nginx"]))
    assert data["proxies"]["nginx"]["capabilities"]["early_hints"]["since"] == "1.29.0"


def test_what_changes_between_two_versions() -> None:
    found = changes("nginx", Version.parse("1.28"), Version.parse("1.29.4"))
    assert [(str(change.version), change.row.capability) for change in found] == [
        ("1.29.0", "early_hints"), ("1.29.4", "h2c_upstream"), ("1.29.4", "h2_upstream"), ("1.29.4", "upstream_ca"),
    ]


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_is_explained(rule: Rule) -> None:
    assert rule.title in explained(rule.id.lower())


def test_rules_have_ids_of_their_own() -> None:
    assert len({rule.id for rule in Rule}) == len(Rule)


@pytest.mark.parametrize("feature", capabilities())
def test_every_feature_is_explained(feature: str) -> None:
    assert capabilities()[feature].title in explained(feature)


@pytest.mark.parametrize("key", [*known_keys(()), "sites[0].hostnames", "sites.routes.static.root", "upstreams.any.servers.weight", "targets.version"])
def test_every_key_is_explained(key: str) -> None:
    assert explained(key).startswith(f"{key}: ")


@pytest.mark.parametrize("word", ["", "PC999", "early_hint", "sites.nothing", "."])
def test_what_there_is_not(word: str) -> None:
    with pytest.raises(NotKnown):
        explained(word)
