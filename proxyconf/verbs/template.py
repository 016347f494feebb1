"""A proxy's templates: handed out to be read and changed, and taken back."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from proxyconf.output.files import read
from proxyconf.proxies.contract import TemplatedProxy
from proxyconf.proxies.registry import proxy

__all__ = ["NoTemplates", "exported", "replacements"]


class NoTemplates(Exception):
    """The proxy's configuration is data, or a file is none of its templates."""


def exported(name: str) -> dict[str, str]:
    """Return the text of each template of a proxy by its name. Raises NoTemplates."""
    one = proxy(name)
    if not isinstance(one, TemplatedProxy):
        raise NoTemplates(f"what is written for {name} is data, printed by a library; there is no template")
    folder = resources.files(type(one).__module__.rpartition(".")[0]).joinpath("templates")
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)}


def replacements(name: str, paths: tuple[Path, ...]) -> dict[str, str]:
    """Return a user's own templates, each by the name of the one that it replaces. Raises NoTemplates, FileError."""
    known = exported(name) if paths else {}
    for path in paths:
        if path.name not in known:
            raise NoTemplates(f"{path}: {name} has no template {path.name}; it has: {', '.join(known)}")
    return {path.name: _text(path) for path in paths}


def _text(path: Path) -> str:
    try:
        return read(path).decode()
    except UnicodeDecodeError as error:
        raise NoTemplates(f"{path}: not UTF-8; save the file as UTF-8") from error
