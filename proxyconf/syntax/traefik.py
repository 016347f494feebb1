"""Traefik's files, and who reads their texts one after the other.

`traefik.yaml` is read as YAML (go-yaml). A dynamic file is first run through Go's text/template, comments included, in
which two braces begin an expression, then read as YAML. Rules are read once more: words in them are Go's string
literals. The replacement of a redirect is a template of Go's regexp, in which `$` names a group.

In YAML every text that is not plainly a word is double-quoted, and two braces are written by their number: the template
engine sees no expression, YAML reads the braces.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml

__all__ = ["dump", "go_string", "is_plain", "replacement"]

_PLAIN = re.compile(
    r"[A-Za-z_][A-Za-z0-9_./@-]*"  # a word, a name, a path below one
    r"|/[A-Za-z0-9_./-]*"  # a path
    r"|[0-9]{1,9}(ms|s)"  # a duration
    r"|[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?",  # an IPv4 address or network
    re.ASCII,
)
# What YAML 1.1 and 1.2 take for a truth value, for nothing or for no number.
_WORDS = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null"})
_ESCAPED = {"\\": "\\\\", '"': '\\"'}


@lru_cache(maxsize=4096)  # the same words stand in every site
def is_plain(text: str) -> bool:
    """Whether a text is read as itself without quotes."""
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS


def go_string(text: str) -> str:
    """Return a text as Go's string literal, as rules have them."""
    return '"' + "".join(_ESCAPED.get(char, char if char.isprintable() else f"\\U{ord(char):08x}") for char in text) + '"'


def replacement(text: str) -> str:
    """Return a text that stands for itself in the replacement of a regular expression."""
    return text.replace("$", "$$")


class _Dumper(yaml.CSafeDumper):
    """Block style; everything is written where it belongs."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain(text) else '"')


_Dumper.add_representer(str, _text)


def dump(data: dict[str, Any]) -> str:
    """Return data as YAML that is no template."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False)
    # Two braces stand in double quotes only: plain words have none, and no empty mapping holds another.
    return str(text).replace("{{", r"\x7b\x7b")
