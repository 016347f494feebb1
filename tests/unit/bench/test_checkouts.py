"""Another checkout or commit, found and copied."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.checkouts import CheckoutFailed, resolve
from bench.place import prune


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    argv = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository whose commit `before` holds another text than its files."""
    found = tmp_path / "repository"
    (found / "appserver").mkdir(parents=True)
    (found / "pyproject.toml").write_text("")
    (found / "appserver/a.py").write_text("before")
    git(found, "init", "-q", "-b", "main")
    git(found, "add", ".")
    git(found, "commit", "-q", "-m", "before")
    git(found, "tag", "before")
    (found / "appserver/a.py").write_text("after")
    (found / "appserver/a.so").write_text("built here")
    return found


def test_a_commit_is_exported_as_it_was(root: Path, tmp_path: Path) -> None:
    source = resolve("before", root, tmp_path / "checkouts")
    assert source.name == f"before-{git(root, 'rev-parse', 'HEAD')[:8]}"
    assert (source / "appserver/a.py").read_text() == "before"
    assert resolve("before", root, tmp_path / "checkouts") == source


def test_an_abbreviated_commit_needs_no_other_name(root: Path, tmp_path: Path) -> None:
    commit = git(root, "rev-parse", "HEAD")
    assert resolve(commit[:9], root, tmp_path / "checkouts").name == commit[:8]


def test_a_folder_is_copied_with_its_changes_and_without_what_was_built(root: Path, tmp_path: Path) -> None:
    source = resolve(str(root), root, tmp_path / "checkouts")
    assert (source / "appserver/a.py").read_text() == "after"
    assert not (source / "appserver/a.so").exists()
    (root / "appserver/a.py").write_text("later")
    assert resolve(str(root), root, tmp_path / "checkouts") != source


def test_what_was_copied_is_found_as_it_is(root: Path, tmp_path: Path) -> None:
    source = resolve("before", root, tmp_path / "checkouts")
    assert resolve(str(source), root, tmp_path / "checkouts") == source


@pytest.mark.parametrize("reference", ["no-such-branch", "--output=/tmp/x", ""])
def test_what_is_neither_a_folder_nor_a_commit_is_named(root: Path, tmp_path: Path, reference: str) -> None:
    with pytest.raises(CheckoutFailed, match=f"kernel@{reference}: "):
        resolve(reference, root, tmp_path / "checkouts")


def test_a_folder_without_a_server_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckoutFailed, match="holds no appserver"):
        resolve(str(tmp_path), root, tmp_path / "checkouts")


def test_venvs_of_checkouts_are_not_kept_for_ever(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    for age, name in enumerate(("venv", "venv-c", "venv-a", "venv-b")):
        stamp = tmp_path / name / "lasthop.sha256"
        stamp.parent.mkdir()
        stamp.touch()
        os.utime(stamp, (age, age))
    prune(venv, keep=2)
    assert {path.name for path in tmp_path.iterdir()} == {"venv", "venv-a", "venv-b"}
