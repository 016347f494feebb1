"""The wheel, installed into an empty environment, serves an application from another directory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.house.source import ROOT
from tests.support.ports import free_port
from tools.compiled import fits
from tools.wheel import build

HELLO = (ROOT / "examples" / "hello" / "app.py").read_text(encoding="utf-8")
START_SECONDS = 15

# The first of them builds the wheel: every module is translated and compiled.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin/ of an environment that holds the wheel and what it requires, nothing else."""
    environment = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", f"{wheel}[proxyconf]"]
    subprocess.run(command, check=True)
    return environment / "bin"


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "APPSERVER_"))}


def run(cwd: Path, *command: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(cwd: Path, *command: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([str(word) for word in command], cwd=cwd, env=clean_environment())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def get(port: int) -> httpx.Response:
    """Ask over h2c with prior knowledge as soon as something listens."""
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(http1=False, http2=True) as client:
        while True:
            try:
                return client.get(f"http://127.0.0.1:{port}/")
            except httpx.ConnectError:
                assert time.monotonic() < deadline, "the server never listened"
                time.sleep(0.05)


def test_the_wheel_holds_the_packages_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"appserver", "proxyconf"}
    assert {"appserver/py.typed", "proxyconf/py.typed", "appserver/contract.pxd"} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_is_imported_from_the_environment_and_not_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = run(tmp_path, installed / "python", "-c", "import appserver; print(appserver.__file__)")
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_it_has_the_kernel_where_the_checkout_has(installed: Path, tmp_path: Path) -> None:
    version = run(tmp_path, installed / "appserver", "--version")
    assert ("kernel" in version) == fits("kernel"), version


def test_it_serves_an_application_of_the_current_directory(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HELLO, encoding="utf-8")
    port = free_port()
    with serving(tmp_path, installed / "appserver", "app:app", "--bind", f"127.0.0.1:{port}") as server:
        response = get(port)
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        assert response.text == "Hello over HTTP/2\n"
        server.terminate()
        assert server.wait(10) == 0


def test_proxyconf_runs(installed: Path, tmp_path: Path) -> None:
    assert "proxyconf" in run(tmp_path, installed / "proxyconf", "--help")
