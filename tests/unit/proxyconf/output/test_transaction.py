"""Files replaced as one: whenever the process that replaces them is killed, what was there can be put back."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from proxyconf.output import transaction
from proxyconf.output.bundle import Bundle
from proxyconf.output.files import FileError, write

OLD = Bundle("nginx 1", {"nginx.conf": "old\n", "errors/503.http": "old page\n"}).stamped("1").files
NEW = Bundle("nginx 1", {"nginx.conf": "new\n", "errors/503.http": "new page\n", "more.conf": "more\n"}).stamped("2").files


class Killed(BaseException):
    """The process is gone: nothing after it is done."""


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".proxyconf" not in path.parts
    }


@pytest.mark.parametrize("steps", range(12))
def test_killed_after_any_step(steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, OLD)
    real, left = os.fsync, iter(range(steps))

    def fsync(handle: int) -> None:
        if next(left, None) is None:
            raise Killed
        real(handle)

    with transaction.locked(tmp_path), monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with suppress(Killed):
            begun = transaction.begin(tmp_path, NEW)
            write(tmp_path, NEW)
            begun.commit()
    found = transaction.unfinished(tmp_path)
    if found is not None:
        assert found.edited() == []
        found.restore()
    # An fsync each: two copies, the journal and its folder, three files, the end.
    assert contents(tmp_path) == (NEW if found is None and steps > 6 else OLD)
    assert transaction.unfinished(tmp_path) is None


def test_owner_and_mode_survive_there_and_back(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    path = tmp_path / "nginx.conf"
    path.chmod(0o604)
    begun = transaction.begin(tmp_path, NEW)
    write(tmp_path, NEW)
    assert sorted(changed.name for changed in begun.restore()) == ["503.http", "more.conf", "nginx.conf"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert contents(tmp_path) == OLD


def test_a_file_that_was_mended_by_hand_is_named(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    transaction.begin(tmp_path, NEW)
    write(tmp_path, NEW)
    (tmp_path / "nginx.conf").write_text("mended\n")
    found = transaction.unfinished(tmp_path)
    assert found is not None
    assert found.edited() == [tmp_path / "nginx.conf"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 1}', '{"files": {"../x": true}}', '{"files": {"/etc/passwd": false}}'])
def test_a_journal_of_somebody_else(text: str, tmp_path: Path) -> None:
    (tmp_path / ".proxyconf").mkdir()
    (tmp_path / ".proxyconf/journal.json").write_text(text)
    with pytest.raises(FileError, match=r"journal.json: "):
        transaction.unfinished(tmp_path)


def test_two_at_once(tmp_path: Path) -> None:
    with transaction.locked(tmp_path), pytest.raises(transaction.Busy, match=f"process {os.getpid()}"), transaction.locked(tmp_path):
        pass
    with transaction.locked(tmp_path):
        pass
