"""The vocabulary of the log: each event is said somewhere, with exactly the values that its sentence names."""

from __future__ import annotations

import ast
import logging
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import appserver
from appserver.events import Event, logger
from tests.support.events import EventLog

SOURCES = sorted(Path(appserver.__file__).parent.rglob("*.py")) + sorted(Path(appserver.__file__).parent.rglob("*.pyx"))


def placeholders(event: Event) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(event.sentence) if name}


def uses() -> Iterator[tuple[str, str, set[str]]]:
    """Yield (place, event, keywords) of each `Event.X.log(...)` or `.record(...)`."""
    for path in SOURCES:
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("log", "record")
                and isinstance(node.func.value, ast.Attribute)
                and isinstance(node.func.value.value, ast.Name)
                and node.func.value.value.id == "Event"
            ):
                keywords = {str(keyword.arg) for keyword in node.keywords} - {"exc_info"}
                yield f"{path.name}:{node.lineno}", node.func.value.attr, keywords


USES = list(uses())


@pytest.mark.parametrize(("place", "name", "keywords"), USES, ids=[f"{place} {name}" for place, name, _ in USES])
def test_what_is_said_is_what_the_sentence_names(place: str, name: str, keywords: set[str]) -> None:
    assert keywords == placeholders(Event[name])


def test_every_event_is_said_somewhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name != "events.py")

    assert [event.name for event in Event if f"Event.{event.name}" not in text] == []


def test_no_two_events_are_one() -> None:
    assert len({event.sentence for event in Event}) == len(Event.__members__) == len(list(Event))


@pytest.fixture
def log() -> Iterator[EventLog]:
    log = EventLog()
    log.open()
    yield log
    log.shut()


def test_a_record_carries_its_event_and_values(log: EventLog) -> None:
    error = LookupError("why")
    Event.LIFESPAN_FAILED.log(phase="startup", reason="no database", exc_info=error)

    (record,) = log.records
    assert record.getMessage() == "lifespan startup failed: no database"
    assert record.levelno == logging.ERROR
    assert vars(record)["event"] == "lifespan_failed"
    assert vars(record)["values"] == {"phase": "startup", "reason": "no database"}
    assert log.error() is error


def test_a_percent_sign_is_only_text(log: EventLog) -> None:
    Event.LISTENING.log(address="100%s {x}")

    assert log.texts == ["listening on 100%s {x}"]


def test_what_the_level_hides_is_not_even_rendered(log: EventLog) -> None:
    logger.setLevel(logging.WARNING)
    Event.LISTENING.log(nothing="of what the sentence names")

    assert log.records == []
