"""Where each key of a TOML document stands, which tomllib does not tell.

Owns a scan of documents that tomllib has already accepted; it only has to walk them, not to judge them.
"""

from __future__ import annotations

import re
import tomllib

__all__ = ["Path", "Place", "key_places"]

Path = tuple[str | int, ...]  # keys; a number is the place in an array
Place = tuple[int, int]  # line and column, from 1

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SINGLE_LINE = re.compile(r'"(?:[^"\\]|\\.)*"|' r"'[^']*'")
# The closing quotes of a multi-line string may be preceded by two of its own.
_MULTI_LINE = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|' r"'''.*?'''(?:'{0,2})", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}\n#]+")


def key_places(text: str) -> dict[Path, Place]:
    """Return the first place of each key, of each table header and of each table in an array."""
    return _Scan(text).document()


class _Scan:
    __slots__ = ("at", "lengths", "places", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, Place] = {}
        self.lengths: dict[Path, int] = {}  # of arrays of tables, so far

    def document(self) -> dict[Path, Place]:
        table: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self.places

    # Statements

    def _header(self) -> Path:
        brackets = 2 if self._peek("[[") else 1
        start = self.at
        self.at += brackets
        table = self._key(())
        self.at += brackets
        if brackets == 2:
            index = self.lengths.get(table, 0)
            self.lengths[table] = index + 1
            table = (*table, index)
            self.places[table] = self._place(start)
        return table

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self.at += 1  # =
        self._skip(_SPACE)
        self._value(path)

    def _key(self, table: Path) -> Path:
        path = table
        while True:
            self._skip(_SPACE)
            start = self.at
            path = (*path, self._key_part())
            self.places.setdefault(path, self._place(start))
            self._skip(_SPACE)
            if not self._peek("."):
                return path
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)  # the last of them so far
            self.at += 1

    def _key_part(self) -> str:
        bare = _BARE_KEY.match(self.text, self.at)
        if bare:
            self.at = bare.end()
            return bare[0]
        token = self._skip(_SINGLE_LINE)
        return str(tomllib.loads(f"key = {token}")["key"])

    # Values

    def _value(self, path: Path) -> None:
        if self._peek('"""') or self._peek("'''"):
            self._skip(_MULTI_LINE)
        elif self._peek('"') or self._peek("'"):
            self._skip(_SINGLE_LINE)
        elif self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        index = 0
        self._open()
        while not self._peek("]"):
            if self._peek("{"):
                self.places[*path, index] = self._place(self.at)
            self._value((*path, index))
            self._next()
            index += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self._open()
        while not self._peek("}"):
            self._pair(path)
            self._next()
        self.at += 1

    def _open(self) -> None:
        self.at += 1
        self._skip(_BLANK)

    def _next(self) -> None:
        self._skip(_BLANK)
        if self._peek(","):
            self._open()

    # Characters

    def _peek(self, what: str) -> bool:
        return self.text.startswith(what, self.at)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not TOML at offset {self.at}")
        self.at = match.end()
        return match[0]

    def _place(self, offset: int) -> Place:
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)
