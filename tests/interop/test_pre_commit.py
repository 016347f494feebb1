"""The hooks of .pre-commit-hooks.yaml, run by pre-commit on a repository of a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RIGHT = "sites:\n- hostnames: [a.example]\n  upstream: http://127.0.0.1:1\n"
WRONG = "sites: [{hostnames: [a.example], upsteam: x}]\n"
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


def git(folder: Path, *words: str) -> str:
    # Of this machine's settings nothing counts: hooks, signatures, names of branches.
    clean = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ("-c", "user.name=a", "-c", "user.email=a@a.example", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *who, *words], cwd=folder, env=clean, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that uses the hooks, with the program of this environment in place of one that is installed for them."""
    hooks, user = tmp_path / "hooks", tmp_path / "user"
    for folder in (hooks, user):
        folder.mkdir()
        git(folder, "init", "-q")
    (hooks / ".pre-commit-hooks.yaml").write_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    git(hooks, "add", "-A")
    git(hooks, "commit", "-qm", "hooks")
    used = [{"id": hook["id"], "language": "system", "additional_dependencies": []} for hook in HOOKS]
    config = {"repos": [{"repo": str(hooks), "rev": git(hooks, "rev-parse", "HEAD"), "hooks": used}]}
    (user / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    return user


def run(repository: Path) -> tuple[int, str]:
    git(repository, "add", "-A")
    environment = {
        **os.environ, "PRE_COMMIT_HOME": str(repository.parent / "cache"), "PRE_COMMIT_COLOR": "never",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files"], cwd=repository, env=environment, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_site_files_are_checked_and_nothing_else(repository: Path) -> None:
    (repository / "site.yaml").write_text(RIGHT)
    (repository / "deploy").mkdir()
    (repository / "deploy/shop.site.yml").write_text(RIGHT.replace("a.example", "b.example"))
    (repository / "other.yaml").write_text(WRONG)
    code, said = run(repository)
    assert code == 0, said
    (repository / "deploy/shop.site.yml").write_text(WRONG)
    (repository / "site.yaml").write_text(f"{RIGHT.rstrip()}   \n")
    code, said = run(repository)
    assert code == 1
    assert "deploy/shop.site.yml:1:34: PC201 unknown key 'upsteam'" in said
    assert (repository / "site.yaml").read_text() == RIGHT, "in one style again"
