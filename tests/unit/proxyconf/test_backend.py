"""The app server's end: what is written loads, and a wrong option would be found. Goldens hold the text."""

from __future__ import annotations

import dataclasses

import pytest

from appserver.config.options import Config
from proxyconf.backend import problems


def test_all_defaults_are_without_problems() -> None:
    values = {
        section.name: {
            option.name: list(value)
            if isinstance(value := getattr(getattr(Config(), section.name), option.name), tuple)
            else value
            for option in dataclasses.fields(getattr(Config(), section.name))
        }
        for section in dataclasses.fields(Config)
    }
    assert problems(values) == []


@pytest.mark.parametrize(
    ("section", "option", "value", "words"),
    [
        ("nothing", "x", 1, "there is no section [nothing]"), ("server", "bnd", [], "there is no [server] bnd"),
        ("server", "bind", "x", "not of the type"), ("server", "bind", [1], "not of the type"),
        ("server", "http1", 1, "not of the type"), ("timeout", "graceful", "30s", "not of the type"),
        ("timeout", "preface", 0.0, "at least 0.1"), ("limit", "field_size", 2**21, "at most 1048576"),
        ("server", "loop", "trio", "not one of auto, uvloop, asyncio"),
    ],
)  # fmt: skip
def test_problems(section: str, option: str, value: object, words: str) -> None:
    [problem] = problems({section: {option: value}} if option != "x" else {section: {}})
    assert words in problem
