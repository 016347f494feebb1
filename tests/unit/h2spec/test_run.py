"""The command: whom it judges, what it prints, how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from h2spec import install, run, target
from h2spec.junit import Case
from h2spec.run import Outcome

RECORDED = Path(__file__).parent / "data" / "nghttpd.xml"
FAKE = """#!/bin/sh
while [ "$#" -gt 0 ]; do [ "$1" = -j ] && cp "$RECORDED" "$2"; shift; done
exit 1
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in place of h2spec that hands in the recorded report."""
    program = tmp_path / "h2spec"
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("H2SPEC", str(program))
    monkeypatch.setenv("RECORDED", str(RECORDED))
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")


@pytest.mark.usefixtures("fake")
def test_a_failure_without_a_waiver_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--target", "127.0.0.1:9"]) == 1
    told = capsys.readouterr().out
    assert "http2/5.1.1/2    FAILED   Sends stream identifier" in told
    assert "target: 145 of 146 passed, 0 waived: NOT as waived" in told
    report = json.loads((tmp_path / "results" / "report.json").read_text())
    assert report["targets"][0]["passed"] == 145
    assert len(report["targets"][0]["cases"]) == 146


@pytest.mark.usefixtures("fake")
def test_the_same_failure_with_its_waiver_ends_with_0(tmp_path: Path) -> None:
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(
        '[[waiver]]\ncase = "http2/5.1.1/2"\nengines = ["target"]\nrfc9113 = "5.1.1"\nreason = "as nghttp2 does"\n'
    )
    assert run.main(["--target", "127.0.0.1:9", "--waivers", str(waivers)]) == 0


@pytest.mark.usefixtures("fake")
def test_a_server_that_does_not_start_ends_with_1_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = target.Target("pure", "127.0.0.1", 9, ("/nonexistent/appserver",))
    monkeypatch.setattr(run, "targets", lambda chosen: [broken])
    assert run.main([]) == 1
    assert "/nonexistent/appserver" in capsys.readouterr().out


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:0", ":80"])
@pytest.mark.usefixtures("fake")
def test_a_wrong_address_ends_with_2(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--target", address]) == 2
    assert f"{address} is not HOST:PORT" in capsys.readouterr().err


def test_a_missing_program_ends_with_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.delenv("H2SPEC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run.main(["--target", "127.0.0.1:9"]) == 5
    assert "golang-go" in capsys.readouterr().err


def test_go_is_asked_for_the_next_version_when_one_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.write_text(
        '#!/bin/sh\ncase "$2" in *@v2.6.0) echo "https://proxy.example/x: not available" >&2; exit 1;; esac\n'
        'echo "#!/bin/sh" > "$GOBIN/h2spec"; chmod +x "$GOBIN/h2spec"\n'
    )
    go.chmod(0o755)
    monkeypatch.delenv("H2SPEC", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said: list[str] = []
    program, version = install.install(tmp_path / "tools", said.append)
    assert os.access(program, os.X_OK)
    assert version == install.VERSIONS[1]
    assert said[1] == "h2spec v2.6.0 cannot be had: not available"
    assert install.install(tmp_path / "tools", said.append) == (program, version)


def test_the_table_sets_the_verdicts_side_by_side() -> None:
    first = Outcome(target.Target("kernel", "", 0), [Case("a/1/1", "1. S", "t", "passed")])
    cases = [Case("a/1/1", "1. S", "t", "failed"), Case("a/1/2", "1. S", "u", "passed")]
    second = Outcome(target.Target("pure", "", 0), cases)
    assert run.table([first, second]).splitlines() == [
        "case   kernel   pure     title",
        "-- a 1. S",
        "a/1/1  ok       FAILED   t",
        "a/1/2  -        ok       u",
    ]


def test_both_engines_are_judged_unless_others_are_named() -> None:
    assert [each.name for each in run.targets(run.options([]))] == ["kernel", "pure", "kernel-tls"]
    assert [each.engine for each in run.targets(run.options(["--tls"]))] == ["kernel", "pure"]
    assert all(each.tls for each in run.targets(run.options(["--tls"])))
    assert [each.name for each in run.targets(run.options(["--server", "hypercorn"]))] == ["hypercorn"]
    assert [each.name for each in run.targets(run.options(["--engine", "pure"]))] == ["pure"]
