"""Programs are found by any of their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyconf.programs.run import ProgramMissing, check, find_program, version


def test_apache_is_found_under_its_other_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "httpd"
    program.write_text("#!/bin/sh\necho 'Server version: Apache/2.4.62 (Red Hat Enterprise Linux)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert find_program("apache2") == str(program)
    assert version(("apache2", "-v")) == "2.4.62"
    check(("apache2", "-t"), {"httpd.conf": ""}, {})


def test_its_first_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("httpd", "apache2"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("apache2") == str(tmp_path / "apache2")


def test_both_names_are_named_where_there_is_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match=r"^apache2 or httpd is not installed: not on PATH, nor at "):
        find_program("apache2")
