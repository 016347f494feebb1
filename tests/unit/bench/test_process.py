"""Processes: their tree, their time, their memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.process import ServerFailed, ServerProcess, cpu_seconds, free_port, memory, tree

LISTEN = (Path(__file__).parent / "data" / "listen.py").read_text()


def server(code: str, folder: Path, port: int) -> ServerProcess:
    return ServerProcess([sys.executable, "-c", code, str(port)], port, folder, folder / "log")


def test_the_tree_holds_children_and_grandchildren() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert len(tree(child.pid)) == 2
        assert child.pid in tree(os.getpid())
        assert memory(child.pid).rss > memory(child.pid).pss > 0
        child.communicate(b"\n")


def test_time_is_counted_in_cpu_seconds() -> None:
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) - before < 0.05:
        sum(range(10_000))
    assert cpu_seconds(os.getpid()) > before


def test_a_process_that_is_gone_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert cpu_seconds(child.pid) == 0.0
    assert memory(child.pid).pss == 0


def test_a_server_listens_between_start_and_stop(tmp_path: Path) -> None:
    port = free_port()
    with server(LISTEN, tmp_path, port) as running:
        pid = running.pid
        running.must_live()
        assert cpu_seconds(pid) >= 0
    assert not Path(f"/proc/{pid}").exists()


def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="exit 3: no such application"):
        server("import sys; print('no such application', flush=True); sys.exit(3)", tmp_path, free_port()).start()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="/nonexistent/program"):
        ServerProcess(["/nonexistent/program"], free_port(), tmp_path, tmp_path / "log").start()
