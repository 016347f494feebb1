"""The grid of docs/guide/examples.md: it says `yes` where an example is rendered, and something else where it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyconf.facts.target import Target
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import load

REPOSITORY = Path(__file__).parents[4]
EXAMPLES = REPOSITORY / "examples/real"
GUIDE = (REPOSITORY / "docs/guide/examples.md").read_text()


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def grid() -> dict[str, dict[str, str]]:
    """Return what the guide says of each example, by proxy."""
    lines = GUIDE.splitlines()
    [head] = [line for line in lines if line.startswith("| | nginx |")]
    heads = [name.lower() for name in _cells(head)[1:]]
    rows = [_cells(line) for line in lines if line.startswith("| [")]
    return {row[0][1:].partition("]")[0]: dict(zip(heads, row[1:], strict=True)) for row in rows}


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_the_guide_says_which_proxies_can_have_an_example(example: str) -> None:
    file = load("site.yaml", (EXAMPLES / example / "site.yaml").read_bytes(), {})
    said = grid()[example]
    assert set(said) == set(names())
    refused = {name for name in names() if render(proxy(name), file.deployment, Target.of(name, file.spec)).refused}
    assert {name for name, text in said.items() if text != "yes"} == refused
