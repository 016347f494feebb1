"""`explain`: a rule, a key of the site file, or a feature, in a few lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxyconf.document.findings import nearest, shown
from proxyconf.document.rules import Rule
from proxyconf.facts.table import capabilities, tables
from proxyconf.spec.words import known_keys, purpose

__all__ = ["NotKnown", "explained"]


class NotKnown(Exception):
    """There is no such rule, key or feature."""


def explained(word: str) -> str:
    """Return what there is to say about a rule's id, a key's path such as `upstreams.app.protocol`, or a feature."""
    for lines in (_rule(word), _feature(word), _key(word)):
        found = list(lines)
        if found:
            return "".join(f"{line}\n" for line in found)
    known = [*(rule.id for rule in Rule), *capabilities(), *known_keys(())]
    raise NotKnown(f"there is no rule, feature or key {shown(word)}{nearest(word, known).partition('; known here')[0]}")


def _rule(word: str) -> Iterator[str]:
    for rule in Rule:
        if rule.id == word.upper():
            yield f"{rule.id} ({rule.level.value}): {rule.title}"
            yield rule.way_out


def _feature(word: str) -> Iterator[str]:
    feature = capabilities().get(word)
    if feature is None:
        return
    yield f"{feature.id}: {feature.title}"
    yield f"instead: {feature.instead}"
    if feature.lost:
        yield f"without it: {feature.lost} (policy: {{features: {{{feature.id}: degrade}}}})"
    for name, table in tables().items():
        row = table.rows.get(word)
        if row is not None:
            yield f"{name} {row.needs or 'cannot'}: {row.how}"
            yield f"  {row.source}"
            yield f"  proved by {row.proof}"


def _key(word: str) -> Iterator[str]:
    steps = [step for step in re.split(r"[.\[\]]+", word) if step]
    path = tuple(int(step) if step.isdigit() else step for step in steps)
    if not steps:
        return
    text = purpose(path)
    below = known_keys(path)
    if text:
        yield f"{word}: {text}"
    if below:
        yield f"keys: {', '.join(below)}"
