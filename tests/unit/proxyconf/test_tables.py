"""Every row of every table has a source and a proof that exists; every capability asked for has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from proxyconf.capability import Version, tables
from proxyconf.render import names, renderer

REPOSITORY = Path(__file__).resolve().parents[3]
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


@pytest.mark.parametrize("proxy", names())
def test_a_proxy_is_a_module_and_a_table(proxy: str) -> None:
    table = tables()[proxy]
    assert renderer(proxy).name == table.proxy == proxy
    assert table.oldest <= table.newest


@pytest.mark.parametrize("proxy", names())
def test_what_a_renderer_asks_for_is_in_its_table(proxy: str) -> None:
    source = (REPOSITORY / f"proxyconf/proxies/{proxy}.py").read_text()
    asked = set(re.findall(r'gate\.(?:needs|can)\("([a-z0-9_]+)"', source))
    assert asked
    assert asked <= set(tables()[proxy].rows)


def test_there_is_no_table_without_a_proxy() -> None:
    assert set(tables()) == set(names())


@pytest.mark.parametrize(("text", "printed"), [("2.11.7", "2.11.7"), ("2.11", "2.11.0"), ("3", "3.0.0")])
def test_a_version_that_is_not_exact_promises_least(text: str, printed: str) -> None:
    assert str(Version.parse(text)) == printed
    assert Version.parse("2.9") < Version.parse("2.11")
