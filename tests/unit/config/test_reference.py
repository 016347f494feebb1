"""The generated reference pages are those of this code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from appserver.config.catalog import OPTIONS
from appserver.events import Event

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["options", "events"])
def test_a_page_has_not_drifted(generate: ModuleType, page: str) -> None:
    path = ROOT / f"docs/reference/{page}.md"

    assert path.read_text("utf-8") == generate.pages()[path], "run python docs/generate.py"


def test_every_option_and_every_event_is_there(generate: ModuleType) -> None:
    options, events = generate.options(), generate.events()

    assert all(f"`{item.env}` · `{item.toml}`" in options for item in OPTIONS.values())
    assert all(f"| `{item.name.lower()}` |" in events for item in Event)
