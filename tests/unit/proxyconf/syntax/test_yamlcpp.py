"""What is printed for Envoy is read back as it was meant, by YAML's own rules and by yaml-cpp's conversions."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.syntax.yamlcpp import Shared, dump, is_plain

_BOOLEANS = {word.lower() for word in ("y", "n", "yes", "no", "true", "false", "on", "off")}


def envoys(node: yaml.Node | None) -> Any:
    """Return what Envoy makes of a node: null, bool and int by yaml-cpp's conversions if it is plain, else text."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): envoys(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [envoys(item) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    text = str(node.value)
    if node.style is not None:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in _BOOLEANS:
        return text.lower() in ("y", "yes", "true", "on")
    if re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)", text):
        digits = text.lstrip("+-")
        base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") and len(digits) > 1 and "8" not in digits and "9" not in digits else 10
        return int(text, base)
    return text


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.from_regex(r"[yYnNoO0-9.xeE+~:-]{0,6}", fullmatch=True)
TREES = st.recursive(
    st.booleans() | st.integers(0, 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, TREES, max_size=4))
def test_whatever_is_printed_is_read_back(tree: dict[str, Any]) -> None:
    printed = dump(tree)
    assert envoys(yaml.compose(printed)) == tree
    assert yaml.safe_load(printed) == tree


@pytest.mark.parametrize("text", ["a", "shop.example", "/etc/x.pem", "10s", "0.5s", "127.0.0.1", "envoy.filters.http.router", "h2c-1", "ADD_IF_ABSENT"])
def test_words_are_plain(text: str) -> None:
    assert dump({"key": text}) == f"key: {text}\n"


@pytest.mark.parametrize("text", [
    "", "y", "N", "On", "OFF", "null", "NULL", "~", "010", "0x1f", "1", "1.5", "1e3", "*", "&a", "!x", "a: b", "a #b", "%x", "@type", "- a",
    " a", "a ", "é", "a\nb", "\u2028", "{a}", "[a]", "'", '"', "\\", "a:", "::", "x'y", "🙂",
])  # fmt: skip
def test_everything_else_is_quoted(text: str) -> None:
    assert not is_plain(text)
    printed = dump({"key": text})
    assert printed.startswith('key: "')
    assert printed.count("\n") == 1


def test_what_is_shared_is_written_once() -> None:
    one = Shared(a="b")
    printed = dump({"x": one, "y": [one], "z": {"c": {"a": "b"}}})
    assert printed.count("a: b") == 2
    assert yaml.safe_load(printed) == {"x": {"a": "b"}, "y": [{"a": "b"}], "z": {"c": {"a": "b"}}}
