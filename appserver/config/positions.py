"""Where each key of a TOML document stands, which tomllib does not tell.

Owns a scan of documents that tomllib has already accepted; it only has to walk them, not to judge them.
"""

from __future__ import annotations

import re
import tomllib

__all__ = ["Path", "Place", "key_places"]

Path = tuple[str, ...]
Place = tuple[int, int]  # line and column, from 1

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SINGLE_LINE = re.compile(r'"(?:[^"\\]|\\.)*"|' r"'[^']*'")
# The closing quotes of a multi-line string may be preceded by two of its own.
_MULTI_LINE = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|' r"'''.*?'''(?:'{0,2})", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}\n#]+")


def key_places(text: str) -> dict[Path, Place]:
    """Return the first place of each key and table header; keys inside of arrays are left out."""
    return _Scan(text).document()


class _Scan:
    __slots__ = ("at", "places", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, Place] = {}

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
        self.at += brackets
        table = self._key((), True)
        self.at += brackets
        return table

    def _pair(self, table: Path, noted: bool = True) -> None:
        path = self._key(table, noted)
        self.at += 1  # =
        self._skip(_SPACE)
        self._value(path, noted)

    def _key(self, table: Path, noted: bool) -> Path:
        path = table
        while True:
            self._skip(_SPACE)
            start = self.at
            path = (*path, self._key_part())
            if noted:
                self.places.setdefault(path, self._place(start))
            self._skip(_SPACE)
            if not self._peek("."):
                return path
            self.at += 1

    def _key_part(self) -> str:
        bare = _BARE_KEY.match(self.text, self.at)
        if bare:
            self.at = bare.end()
            return bare[0]
        token = self._skip(_SINGLE_LINE)
        return str(tomllib.loads(f"key = {token}")["key"])

    # Values

    def _value(self, path: Path, noted: bool) -> None:
        if self._peek('"""') or self._peek("'''"):
            self._skip(_MULTI_LINE)
        elif self._peek('"') or self._peek("'"):
            self._skip(_SINGLE_LINE)
        elif self._peek("["):
            self._items("]", path, False)
        elif self._peek("{"):
            self._items("}", path, noted)
        else:
            self._skip(_SCALAR)

    def _items(self, closing: str, path: Path, noted: bool) -> None:
        self.at += 1
        self._skip(_BLANK)
        while not self._peek(closing):
            if closing == "}":
                self._pair(path, noted)
            else:
                self._value(path, False)
            self._skip(_BLANK)
            if self._peek(","):
                self.at += 1
                self._skip(_BLANK)
        self.at += 1

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
