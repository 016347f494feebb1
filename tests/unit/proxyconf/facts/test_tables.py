"""Every row of every table has a source and a proof that exists; every capability asked for has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from proxyconf.facts.table import Version, capabilities, tables
from proxyconf.proxies.registry import names, proxy

REPOSITORY = Path(__file__).resolve().parents[4]
ROWS = [(table, row) for table in tables().values() for row in table.rows.values()]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    ("table", "row"), ROWS, ids=lambda value: getattr(value, "capability", getattr(value, "proxy", ""))
)
def test_a_row_has_a_source_and_an_existing_proof(table: object, row: object) -> None:
    source, proof = getattr(row, "source", ""), getattr(row, "proof", "")
    assert re.match(r"https://[^ ]+$", source)
    path, _, test = proof.partition("::")
    assert test.startswith("test_")
    assert test in functions(REPOSITORY / path)


@pytest.mark.parametrize("name", names())
def test_a_proxy_is_a_package_and_a_table(name: str) -> None:
    table = tables()[name]
    assert proxy(name).name == table.proxy == name
    assert table.oldest <= table.newest


@pytest.mark.parametrize("name", names())
def test_a_table_knows_no_feature_that_there_is_not(name: str) -> None:
    table = tables()[name]
    assert set(table.rows) <= set(capabilities())
    assert {row.module for row in table.rows.values()} - {""} <= table.modules


def test_every_feature_has_its_words() -> None:
    for feature in capabilities().values():
        assert feature.title
        assert feature.instead


def test_there_is_no_table_without_a_proxy() -> None:
    assert set(tables()) == set(names())


@pytest.mark.parametrize(("text", "printed"), [("2.11.7", "2.11.7"), ("2.11", "2.11.0"), ("3", "3.0.0")])
def test_a_version_that_is_not_exact_promises_least(text: str, printed: str) -> None:
    assert str(Version.parse(text)) == printed
    assert Version.parse("2.9") < Version.parse("2.11")
