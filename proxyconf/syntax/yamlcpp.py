"""YAML as Envoy reads it: yaml-cpp makes nodes of it, Envoy makes JSON of those, protobuf the fields.

A word that yaml-cpp or Envoy would take for something else than text (`y`, `on`, `null`, `010`, `0x1f`) is quoted, and
so is everything that is not plainly a word. Within double quotes PyYAML's escapes are YAML's, and yaml-cpp knows all
of them. A key stands before `:` and is quoted by the same rule.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml

__all__ = ["Shared", "dump", "is_plain"]

_PLAIN = re.compile(
    r"[A-Za-z_][A-Za-z0-9_./-]*"  # a word, a name, a path below one
    r"|/[A-Za-z0-9_./-]*"  # a path
    r"|[0-9]{1,9}(\.[0-9]{1,9})?s"  # protobuf's duration
    r"|[0-9]{1,3}(\.[0-9]{1,3}){3}",  # an IPv4 address
    re.ASCII,
)
# What yaml-cpp's conversions to bool and null know, in any spelling of theirs.
_WORDS = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null"})


@lru_cache(maxsize=4096)  # the same words stand in every site
def is_plain(text: str) -> bool:
    """Whether a text is read as itself without quotes."""
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS


class Shared(dict[str, Any]):
    """A mapping that is written once, under an anchor, and referred to wherever it stands again."""


class _Dumper(yaml.CSafeDumper):
    """Block style; aliases for `Shared` alone."""

    def ignore_aliases(self, data: Any) -> bool:
        return not isinstance(data, Shared)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain(text) else '"')


def _shared(dumper: _Dumper, data: Shared) -> yaml.MappingNode:
    return dumper.represent_dict(data.items())


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Shared, _shared)


def dump(data: dict[str, Any]) -> str:
    """Return data as YAML, keys in their order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False))
