"""The command `appserver`: what it prints and how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import appserver
from appserver import cli
from appserver.config.options import Config
from appserver.errors import ConfigError, StartupError
from appserver.worker.stop import StopRequest

ROOT = Path(__file__).parents[2]
HEAVY = {"pydantic", "cyclopts", "jinja2", "yaml", "rich", "ssl", "asyncio", "h2", "hpack", "uvloop", "logging"}
ENGINE = {"engine": "kernel", "reason": "libnghttp2 1.70.0", "nghttp2": "1.70.0", "compiled": "compiled"}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("APPSERVER_"):
            monkeypatch.delenv(name)


def worker(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    module = ModuleType("appserver.worker.run")
    module.run = run  # type: ignore[attr-defined]  # the one function that cli asks for
    monkeypatch.setitem(sys.modules, "appserver.worker.run", module)


def python(*argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("APPSERVER_")}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT, env={**clean, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


# In this process


def test_run_hands_the_configuration_to_the_worker_and_returns_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Config] = []

    def run(config: Config, stop: StopRequest) -> int:
        seen.append(config)
        return 7

    worker(monkeypatch, run)

    assert cli.main(["main:app", "--backlog", "5"]) == 7
    assert seen[0].server.app == "main:app"
    assert seen[0].server.backlog == 5


def test_what_a_stop_has_left_of_its_bound_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: Config, stop: StopRequest) -> int:
        stop.request("SIGTERM")
        return 0

    worker(monkeypatch, run)
    left: list[float] = []

    assert cli.main(["main:app", "--timeout-graceful", "1h"], left.append) == 0
    assert 3_500 < left[0] <= 3_600


def test_a_user_s_mistake_is_a_line_for_each_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["main:app", "--backlog", "x", "--bind", "y"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "appserver: --backlog on the command line: 'x' is not a whole number",
        "appserver: --bind on the command line: 'y' has no port; write y:8000",
    ]


def test_a_setting_that_only_the_worker_finds_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(config: Config, stop: StopRequest) -> int:
        raise ConfigError(f"listening on {config.server.bind[0]}: Address already in use")

    worker(monkeypatch, run)

    assert cli.main(["main:app"]) == 2
    assert capsys.readouterr().err == "appserver: listening on 127.0.0.1:8000: Address already in use\n"


def test_an_application_that_fails_shows_its_own_traceback_and_exit_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(config: Config, stop: StopRequest) -> int:
        raise StartupError("importing 'main' failed: ValueError: no") from ValueError("no")

    worker(monkeypatch, run)

    assert cli.main(["main:app"]) == 3
    assert capsys.readouterr().err == "ValueError: no\nappserver: importing 'main' failed: ValueError: no\n"


def test_an_interrupt_has_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(config: Config, stop: StopRequest) -> int:
        raise KeyboardInterrupt

    worker(monkeypatch, run)

    assert cli.main(["main:app"]) == 130
    assert capsys.readouterr().err == ""


def test_check_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["nowhere_to_be_found:app", "--check-config"]) == 0
    assert capsys.readouterr().out.startswith("ok: 1 of ")


def test_version_tells_everything_that_matters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("appserver.h2.describe", lambda: ENGINE)

    assert cli.main(["--version"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"appserver {appserver.__version__} (engine: kernel, libnghttp2 1.70.0, loop ")
    assert line.endswith(", compiled)\n")


def test_version_without_the_kernel() -> None:
    line = cli.version_line({"engine": "pure", "reason": "no kernel", "nghttp2": "none", "compiled": "not compiled"})

    assert "(engine: pure, no kernel, libnghttp2 none, loop " in line
    assert line.endswith(", not compiled)")


def test_the_version_is_the_distribution_s() -> None:
    assert f'\nversion = "{appserver.__version__}"\n' in (ROOT / "pyproject.toml").read_text()


# As a process


def test_version_of_this_build() -> None:
    done = python("-m", "appserver", "--version")

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"appserver [0-9.]+ \(engine: (kernel|pure), .*libnghttp2 (none|1\.[0-9.]+), loop .+, Python 3\.[0-9.]+, "
        r"(not )?compiled\)\n",
        done.stdout,
    )


def test_an_unknown_flag_ends_with_2_and_one_line() -> None:
    done = python("-m", "appserver", "--bogus")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "appserver: --bogus on the command line: no such option; did you mean --backlog?\n"


def test_an_unknown_variable_ends_with_2() -> None:
    done = python("-m", "appserver", "main:app", "--check-config", env={"APPSERVER_BNID": ":1"})

    assert done.returncode == 2
    assert done.stderr == "appserver: APPSERVER_BNID in the environment: no such option; did you mean APPSERVER_BIND?\n"


def test_without_an_application() -> None:
    done = python("-m", "appserver")

    assert done.returncode == 2
    assert done.stderr == "appserver: --app by default: no application given; write: appserver MODULE:APP\n"


@pytest.mark.parametrize("action", ["--help", "--print-config", "--sample-config"])
def test_what_is_asked_for_goes_to_stdout(action: str) -> None:
    done = python("-m", "appserver", action)

    assert (done.returncode, done.stderr) == (0, "")
    assert "graceful" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--print-config"], ["main:app", "--check-config"], ["--bogus"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    done = python("-c", f"import sys; from appserver.cli import main; main({arguments}); print(*sys.modules)")

    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "appserver" in loaded
    assert HEAVY & loaded == set()


def test_version_imports_neither_the_loop_nor_the_application_side() -> None:
    script = (
        f"import sys, appserver.h2; appserver.h2.describe = lambda: {ENGINE}; before = set(sys.modules);"
        "from appserver.cli import main; main(['--version']); print(*set(sys.modules) - before)"
    )

    loaded = python("-c", script).stdout.splitlines()[-1].split()

    assert {name.partition(".")[0] for name in loaded} & (HEAVY - {"logging"}) == set()
    assert [name for name in loaded if name.startswith(("appserver.worker", "appserver.apps"))] == []
