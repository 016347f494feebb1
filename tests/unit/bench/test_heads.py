"""What is sent is recorded before anything is measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bench import heads, loadgen
from bench.load import LoadFailed
from bench.loads import Loads
from bench.place import ROOT
from bench.scenarios import SCENARIOS, named


def test_the_heads_of_the_road_pass_and_are_described(tmp_path: Path) -> None:
    loads = Loads(loadgen.build(tmp_path), tmp_path / "post.bin", [])
    found = heads.check(SCENARIOS, loads, Path(sys.executable), ROOT, tmp_path / "run")
    assert list(found) == ["road-h2-literal", "road-h2-indexed", "road-h1"]
    for recorded in found.values():
        assert "traceparent 4,096" in heads.described(recorded)


def test_heads_that_repeat_are_refused(tmp_path: Path) -> None:
    class Repeating(Loads):
        def argv(self, *arguments: Any, **named: Any) -> list[str]:
            return [*super().argv(*arguments, **named)[:-1], "--repeat", super().argv(*arguments, **named)[-1]]

    loads = Repeating(loadgen.build(tmp_path), tmp_path / "post.bin", [])
    with pytest.raises(LoadFailed, match="road-h1: the heads are not what they should be: :path has 1 values"):
        heads.check(named(["road-h1"]), loads, Path(sys.executable), ROOT, tmp_path)


def test_an_id_that_comes_twice_is_a_problem() -> None:
    fields = {name: {"distinct": 4096} for name in heads.VARIED}
    assert heads.problems({"requests": 4096, "fields": fields}) == []
    fields["x-request-id"] = {"distinct": 4095}
    assert heads.problems({"requests": 4096, "fields": fields}) == ["x-request-id has 4095 values"]
