"""nginx.conf as statements, by crossplane: each with its place, and whether somebody has read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crossplane

from proxyconf.verbs.imports.draft import Remark

__all__ = ["NotReadable", "Statement", "parsed", "signatures"]


_WITHOUT_VALUE = frozenset({"internal", "ip_hash", "least_conn", "random", "break", "stub_status", "least_time", "keepalive"})
# Those that need more words than one. crossplane drops what has too few only where the directive may stand.
_WORDS = {"add_header": 2, "grpc_set_header": 2, "large_client_header_buffers": 2, "proxy_set_header": 2, "rewrite": 2, "error_page": 2}


class NotReadable(Exception):
    """The file cannot be parsed; the text has its place."""


@dataclass(slots=True)
class Statement:
    """One directive with its block, if it has one."""

    name: str
    args: list[str]
    file: str
    line: int
    block: list[Statement] | None = None
    parent: Statement | None = field(default=None, repr=False)
    is_read: bool = False

    def read(self) -> Statement:
        """Mark it as understood."""
        self.is_read = True
        return self

    def all(self, *names: str) -> list[Statement]:
        """Return the directives of these names in its block."""
        return [one for one in self.block or () if one.name in names]

    def first(self, *names: str) -> Statement | None:
        """Return the first of them."""
        return next(iter(self.all(*names)), None)

    def value(self, name: str) -> str | None:
        """Return the first argument of a directive in its block, and mark it as understood."""
        found = self.first(name)
        return found.read().args[0] if found and found.args else None

    def inherited(self, name: str) -> Statement | None:
        """Return a directive of its block, or of the nearest block around it that has one."""
        return self.first(name) or (self.parent.inherited(name) if self.parent else None)

    def __iter__(self) -> Iterator[Statement]:
        """Yield it and everything in it."""
        yield self
        for one in self.block or ():
            yield from one

    def __str__(self) -> str:
        """Show it as one line."""
        return " ".join([self.name, *self.args]) + (" { ... }" if self.block is not None else "")


def parsed(path: Path) -> tuple[Statement, list[Remark]]:
    """Return the statements of a file and of all that it includes, and what could not be included. Raises `NotReadable`."""
    found = crossplane.parse(str(path), combine=True, check_ctx=False)
    top = Statement("main", [], str(path), 1, [])
    remarks = []
    for error in found["errors"]:
        text = re.sub(r" in \S+:[0-9]+$", "", str(error["error"])) or "there is no directive in it"
        if "invalid number of arguments" in text:
            remarks.append(Remark(error["file"], error["line"], text))
        elif "No such file" not in text:
            raise NotReadable(f"{error['file']}:{error['line'] or 1}: {text}")
        elif not text.endswith("mime.types'"):
            remarks.append(Remark(error["file"], error["line"] or 1, f"include: {text.removeprefix('[Errno 2] ')}"))
    for config in found["config"]:
        top.block = [_statement(one, top, str(path)) for one in config["parsed"]]
    if not top.block:
        raise NotReadable(f"{path}:1: there is no directive in it")
    remarks += [Remark(one.file, one.line, f"{one.name} without a value") for one in top if _lacks_value(one)]
    for block in list(top):
        if block.block is not None:
            block.block = [one for one in block.block if not _lacks_value(one)]
    return top, remarks


def _lacks_value(statement: Statement) -> bool:
    needs = 0 if statement.name in _WITHOUT_VALUE else _WORDS.get(statement.name, 1)
    return statement.block is None and len(statement.args) < needs


def _statement(given: dict[str, Any], parent: Statement, file: str) -> Statement:
    made = Statement(given["directive"], given["args"], given.get("file", file), given["line"], None, parent)
    if "block" in given:
        made.block = [_statement(one, made, file) for one in given["block"]]
    return made


def signatures(top: Statement) -> set[tuple[str, ...]]:
    """Return what is said where, without places: to compare two files."""
    return {signature(one) for one in top}


def signature(statement: Statement) -> tuple[str, ...]:
    """Return a statement and what it stands in, as text."""
    around: list[str] = []
    one: Statement | None = statement
    while one is not None:
        # A server is known by its names, whatever its place among the others.
        names = [name for found in one.all("server_name") for name in found.args] if one.name == "server" and one.block is not None else []
        around.append(" ".join([one.name, *one.args, *names]))
        one = one.parent
    return tuple(around)
