"""What is written for Traefik comes back as itself through a model of its readers: template engine, YAML, Go's strings."""

from __future__ import annotations

import ast
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyconf.syntax.traefik import dump, go_string, is_plain, replacement

WORDS = [
    "", "a b", "{{", "{{{", "{ {", "}}", "{{ env `HOME` }}", "{{/*", "y", "On", "null", "~", "010", "0x1f", "1e3", "1.5", "12:30", "- a", "a: b",
    "*a", "&a", "!!x", "|", ">", "@", "`", "%", "#", " # x", "é", "\U0001f642", "\x00", "\x7f", "\u2028", "\n", "\t", "\\", '"', "'", "=",
    "127.0.0.1", "10.0.0.0/8", "10s", "noop@internal", "_", ".", "<<", "---", "...",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
TREES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=12,
)  # fmt: skip


def read(text: str) -> object:
    """Read a file as Traefik does: an expression of the template engine would be replaced, so there must be none."""
    assert "{{" not in text
    return yaml.safe_load(text)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, TREES, max_size=4))
def test_a_tree_is_read_as_itself(tree: dict[str, object]) -> None:
    assert read(dump(tree)) == tree


@pytest.mark.parametrize("text", WORDS)
def test_a_word_is_read_as_itself(text: str) -> None:
    assert read(dump({text: text, "list": [text]})) == {text: text, "list": [text]}


@pytest.mark.parametrize("text", ["y", "no", "On", "TRUE", "null", "~", "010", "0x1f", "1e3", "a b", "a:b", "", "<<", "="])
def test_what_yaml_reads_as_something_else_is_quoted(text: str) -> None:
    assert not is_plain(text)


@settings(deadline=None)
@given(TEXTS)
def test_a_rules_word_is_gos_string(text: str) -> None:
    written = go_string(text)
    assert not re.search(r"[\x00-\x1f\x7f\u2028]", written)
    # Python reads the escapes that are used here (\\, \", \U) as Go does.
    assert ast.literal_eval(written) == text


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_replacement_names_no_group(text: str) -> None:
    # In Go's templates `$$` is a dollar sign, and any other `$` names a group.
    assert re.sub(r"\$(.)", lambda found: "$" if found[1] == "$" else "GROUP", replacement(text)) == text
