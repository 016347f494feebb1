"""The documents name what exists: make targets, floors, packages, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appserver.config.catalog import OPTIONS, Option
from tests.house.floors import FLOORS
from tests.house.source import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / ".ci" / "run", ROOT / ".github/workflows/ci.yml"]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
# A command in running text is in backquotes; in a block it stands after a prompt, in CI after `run:` or `step`.
COMMAND = re.compile(r'(?:`|\$ |run: |step "[^"]*" )make ((?:[a-z0-9-]+ ?)+)')


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_targets_that_exist(page: Path) -> None:
    named = {word for words in COMMAND.findall(page.read_text(encoding="utf-8")) for word in words.split()}
    assert named <= targets()


@pytest.mark.parametrize("page", list(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_a_link_of_the_front_pages_leads_somewhere(page: Path) -> None:
    dead = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (ROOT / link).exists()]
    assert dead == []


def test_every_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    explained = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, flags=re.MULTILINE))
    assert targets() == explained


def test_the_architecture_page_draws_the_floors_that_are_enforced() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = {int(level): names.split() for level, names in re.findall(r"^([0-6])  (.{1,36})", page, flags=re.MULTILINE)}
    enforced = {level: names for level, names in enumerate(FLOORS) if names != {"__main__"}}
    assert {level: set(names) for level, names in drawn.items()} == enforced


def test_every_package_of_the_server_has_a_floor() -> None:
    packages = {path.parent.name for path in (ROOT / "appserver").glob("*/__init__.py")}
    assert packages <= set().union(*FLOORS)


GUIDE = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "guide").glob("*.md"))


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.key)
def test_every_option_has_an_example_in_the_guide(option: Option) -> None:
    spelled = (option.flag, option.env, f"{option.name} = ")
    assert any(words in GUIDE for words in spelled), f"docs/guide: show {option.flag} or [{option.section}] {option.name} at work"
