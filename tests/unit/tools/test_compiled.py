"""What the build compiles is read from setup.py, and what is in the tree is judged by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import compiled

SETUP = 'COMPILED = ["appserver.contract", "appserver.h1.stream"]\nKERNEL = "appserver.h2.kernel._kernel"\n'


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "setup.py").write_text(SETUP)
    (tmp_path / "appserver" / "h2" / "kernel").mkdir(parents=True)
    (tmp_path / "appserver" / "contract.py").touch()
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    return tmp_path


def build(tree: Path, *names: str) -> None:
    for name in names:
        (tree / (name + compiled.SUFFIX)).touch()


def test_sources_that_do_not_exist_are_not_expected(tree: Path) -> None:
    assert compiled.sources() == [Path("appserver/contract.py")]
    build(tree, "appserver/contract", "appserver/h2/kernel/_kernel")
    assert compiled.expected() == compiled.built()


def test_an_empty_tree_is_a_pure_build(tree: Path) -> None:
    assert compiled.fits("pure")
    assert not compiled.fits("auto")


def test_half_a_build_fits_no_wish(tree: Path) -> None:
    build(tree, "appserver/contract")
    assert not any(compiled.fits(wish) for wish in ("auto", "kernel", "pure"))


def test_a_whole_build_is_no_pure_one(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tree, "appserver/contract", "appserver/h2/kernel/_kernel")
    assert compiled.main(["--check", "kernel"]) == 0
    assert compiled.main(["--check", "pure"]) == 1
    assert compiled.main(["--state"]) == 0
    assert capsys.readouterr().out == "kernel\n"


def test_remove_leaves_the_builds_of_other_interpreters(tree: Path) -> None:
    build(tree, "appserver/contract")
    other = tree / "appserver" / "contract.cpython-27-other.so"
    other.touch()
    assert compiled.main(["--remove"]) == 0
    assert compiled.built() == []
    assert other.exists()
