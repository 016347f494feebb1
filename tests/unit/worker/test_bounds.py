"""Every number that an option may be, at both its ends, serves both protocols: nothing overflows, nothing raises."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from appserver.config.catalog import OPTIONS, Option
from appserver.config.options import Config
from tests.support.clock import ClockLoop
from tests.support.frames import GET, POST, Client, Data, Head, Reset, Wire
from tests.unit.worker.test_worker import REQUEST, Site

NUMBERS = [option for option in OPTIONS.values() if option.kind in ("int", "float")]
CASES = [
    pytest.param(option, int(bound) if option.kind == "int" else bound, id=f"{option.key}-{bound:g}")
    for option in NUMBERS
    for bound in (option.low, option.high)
    if bound is not None
]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClockLoop]:
    monkeypatch.setattr(gc, "freeze", lambda: None)
    loop = ClockLoop()
    yield loop
    loop.wind_up()
    assert loop.complaints == []


@pytest.mark.parametrize("option", NUMBERS, ids=lambda option: option.key)
def test_every_number_has_an_end(option: Option) -> None:
    assert option.low is not None
    assert option.high is not None


@pytest.mark.parametrize("engine", ["auto", "pure"])
@pytest.mark.parametrize(("option", "value"), CASES)
def test_an_option_at_its_bound(loop: ClockLoop, option: Option, value: float, engine: str) -> None:
    section = replace(getattr(Config(), option.section), **{option.name: value})
    site = Site(loop, None, engine, **{option.section: section})
    site.app.go.set()
    client, wire = Client(), Wire()
    old, new = site.connect(), site.connect()

    answer = site.say(old, REQUEST)
    frames = wire.read(site.say(new, client.greet() + client.headers(1, GET, end=True)))
    frames += wire.read(site.say(new, client.headers(3, POST) + client.data(3, b"body", end=True)))
    loop.advance(2)

    # Limits of a few bytes may refuse them; nothing else may.
    if option.name not in ("head_size", "request_fields", "connections"):
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert sum(isinstance(frame, Data) and frame.body == b"hello" for frame in frames) == 2
    else:
        assert answer.startswith(b"HTTP/1.1 ") or option.name == "connections"
        assert any(isinstance(frame, Head | Reset) for frame in frames) or option.name == "connections"
    site.signal()
    loop.advance(40)
