"""Options as text: what is printed loads to the same configuration."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.catalog import OPTIONS
from appserver.config.file import from_toml_text
from appserver.config.flags import ACTIONS
from appserver.config.layer import Layer
from appserver.config.options import MAX_BYTES, Config, LimitOptions, ServerOptions, TimeoutOptions
from appserver.config.show import effective, help_text, sample, toml_value
from appserver.config.sources import load


def test_what_is_printed_loads_to_the_same_configuration(tmp_path: Path) -> None:
    first = load(
        ["main:app", "--bind", ":1", "--bind", 'unix:/tmp/"é", \\x', "--no-http1", "--print-config"],
        {"APPSERVER_TIMEOUT_PREFACE": "1.25m", "APPSERVER_FORWARDED_TRUST": ""},
    )
    path = tmp_path / "again.toml"
    path.write_text(effective(first.config, first.origins), encoding="utf-8")

    second = load(["-c", str(path)], {})

    assert second.config == first.config


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)


@given(TEXT, st.lists(TEXT, max_size=3), st.floats(0.1, 31_536_000), st.integers(0, MAX_BYTES))
def test_any_configuration_prints_as_toml_that_reads_back(
    text: str, binds: list[str], seconds: float, size: int
) -> None:
    config = replace(
        Config(),
        server=ServerOptions(server_header=text, bind=tuple(binds)),
        timeout=TimeoutOptions(keep_alive=seconds),
        limit=LimitOptions(request_body=size),
    )

    layer = from_toml_text(effective(config, dict.fromkeys(OPTIONS, "a\nb")), "again.toml")

    assert layer.faults == []
    assert layer.values["server.server_header"] == text
    assert layer.values["server.bind"] == tuple(binds)
    assert layer.values["timeout.keep_alive"] == seconds
    assert layer.values["limit.request_body"] == size


def test_each_printed_value_tells_its_origin() -> None:
    loaded = load(["main:app", "--print-config"], {"APPSERVER_BACKLOG": "5"})

    text = effective(loaded.config, loaded.origins)

    assert 'app = "main:app"  # MODULE:APP on the command line\n' in text
    assert "backlog = 5  # APPSERVER_BACKLOG in the environment\n" in text
    assert "http1 = true  # default\n" in text


def test_the_sample_is_the_defaults_as_it_is_and_uncommented() -> None:
    uncommented = re.sub(r"(?m)^# (?=[a-z0-9_]+ = )", "", sample())

    for text in (sample(), uncommented):
        layer = from_toml_text(text, "sample.toml")
        assert layer.faults == []
        assert all(layer.values[key] == OPTIONS[key].default for key in layer.values)
    assert len(from_toml_text(uncommented, "sample.toml").values) == len(OPTIONS)


def test_the_help_has_every_option_in_its_section_and_fits_a_terminal() -> None:
    text = help_text()

    for option in OPTIONS.values():
        flag = option.flag.replace("--", "--[no-]", 1) if option.kind == "bool" else option.flag
        assert f"  {flag}" in text
        assert text.index(f"[{option.section}]") < text.index(f"  {flag}")
    assert all(flag in text for flag in ACTIONS)
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("value", [True, False, 3, 1.5, 1e-7, "", "\\\"'é\U0001f600", (), ("a", "b\\")])
def test_toml_values(value: bool | int | float | str | tuple[str, ...]) -> None:
    read = tomllib.loads(f"x = {toml_value(value)}")["x"]

    assert (tuple(read) if isinstance(value, tuple) else read) == value


def test_a_layer_starts_empty() -> None:
    assert Layer() == Layer({}, {}, [], set())
