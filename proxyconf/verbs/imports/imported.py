"""A configuration read, written as a site file, and compared with what that file renders to."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from proxyconf.document.findings import Finding, SiteError
from proxyconf.output.files import STDIN, FileError, read
from proxyconf.spec.read import load
from proxyconf.verbs.imports import caddy, nginx
from proxyconf.verbs.imports.draft import Draft, Remark
from proxyconf.verbs.imports.statements import NotReadable, Statement, parsed, signature, signatures
from proxyconf.verbs.site import rendered

__all__ = ["FORMATS", "Imported", "NotReadable", "imported"]

FORMATS = ("nginx", "caddy")


@dataclass(frozen=True, slots=True)
class Imported:
    """A site file, what of the other one is not in it, and what `check` would say about it."""

    text: str
    remarks: tuple[Remark, ...]
    problems: tuple[str, ...] = ()


def imported(path: Path, kind: str) -> Imported:
    """Read a configuration. Raises `FileError`, `NotReadable`, `ProgramMissing`."""
    if path == STDIN:
        raise FileError("import reads a file and what it includes; give its name instead of '-'")
    raw = read(path)
    if not raw.strip():
        raise FileError(f"{path}: there is nothing in it")
    if b"\0" in raw:
        raise FileError(f"{path}: is no text: it has NUL bytes")
    if kind == "caddy":
        draft = caddy.drafted(path)
        return _finished(draft, path, draft.remarks)
    draft, top = nginx.drafted(path)
    return _finished(draft, path, [*draft.remarks, *_unread(draft, top, path)])


def _finished(draft: Draft, path: Path, remarks: list[Remark]) -> Imported:
    known = tuple(sorted(set(remarks)))
    text = draft.text(path.name, known)
    return Imported(text, known, tuple(_problems(text)))


def _problems(text: str) -> list[str]:
    try:
        file = load("site.yaml", text.encode(), {})
    except SiteError as error:
        return list(error.lines)
    made = rendered(file, [one.proxy for one in file.spec.targets])
    return file.lines([one for one in made.findings if _counts(one)])


def _counts(finding: Finding) -> bool:
    return finding.level in ("error", "refused")


def _unread(draft: Draft, top: Statement, path: Path) -> list[Remark]:
    """Return what nobody has read, but for what is rendered just so."""
    again = _again(draft, path)
    found = []
    for one in top.block or ():
        found += _unread_below(one, again)
    return found


def _unread_below(one: Statement, again: set[tuple[str, ...]]) -> list[Remark]:
    if one.is_read:
        return [remark for below in one.block or () for remark in _unread_below(below, again)]
    if signature(one) in again:
        below = [remark for inner in one.block or () for remark in _unread_below(inner, again)]
        return below
    return [Remark(one.file, one.line, str(one))]


def _again(draft: Draft, path: Path) -> set[tuple[str, ...]]:
    """Return what the site file would be rendered to, as statements."""
    try:
        file = load("site.yaml", draft.text(path.name).encode(), {})
    except SiteError:
        return set()
    files = rendered(file, ["nginx"]).bundles["nginx"].files
    if not files:
        return set()
    with tempfile.TemporaryDirectory(prefix="proxyconf-") as folder:
        for name, text in files.items():
            place = Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        return signatures(parsed(Path(folder, "nginx.conf"))[0])
