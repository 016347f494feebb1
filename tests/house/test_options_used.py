"""Every option is read by some module: an option that nothing reads is a promise that nothing keeps."""

from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass

from appserver.config.options import Config, ListenerTable
from tests.house.source import ROOT, sources

# Declared, but their feature is not built yet. Equality on purpose: what becomes read leaves the list.
NOT_YET_READ: frozenset[str] = frozenset()


def declared() -> set[str]:
    """Return section.option of every option."""
    names: set[str] = set()
    for section in fields(Config):
        if section.name == "listeners":
            continue
        default = section.default_factory
        assert callable(default)
        options = default()
        assert is_dataclass(options)
        names.update(f"{section.name}.{option.name}" for option in fields(options))
    return names | {f"listener.{option.name}" for option in fields(ListenerTable)}


def attributes_read() -> set[str]:
    """Return every attribute name that a module of appserver, the configuration apart, reads."""
    return {
        node.attr
        for path in sources("appserver")
        if path.relative_to(ROOT).parts[1] != "config"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def test_every_option_is_read_by_some_module() -> None:
    read = attributes_read()
    unread = {name for name in declared() if name.split(".")[1] not in read}
    assert unread == NOT_YET_READ
