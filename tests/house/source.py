"""What the house rules are measured on: files, code lines, functions, comment blocks."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "Function", "code_lines", "comment_blocks", "functions", "sources"]

ROOT = Path(__file__).resolve().parent.parent.parent
CYTHON_FUNCTION = re.compile(r"\s*(?:def|cdef|cpdef)\s+(?!class\b|extern\b)[^=]*?(?P<name>\w+)\((?!.*\)\s*$)")
QUIET = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


@dataclass(frozen=True)
class Function:
    """One function or method, without its docstring."""

    name: str
    line: int
    length: int


def sources(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    """Return the source files below `folders`, sorted."""
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    return sorted(path for path in paths if path.suffix in suffixes)


def docstring_lines(text: str) -> set[int]:
    """Return the lines that docstrings take."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


@cache
def code_lines(path: Path) -> int:
    """Count the lines that hold code: no blanks, comments or docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return sum(1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in QUIET:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstring_lines(text))


def functions(path: Path) -> Iterator[Function]:
    """Yield every function of a Python or Cython file with its length, docstring not counted."""
    if path.suffix != ".py":
        yield from _cython_functions(path.read_text(encoding="utf-8").splitlines())
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                length -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield Function(node.name, node.lineno, length)


def _cython_functions(lines: list[str]) -> Iterator[Function]:
    # By indentation: Cython has no `ast`. The kernel's functions have no docstrings worth a line.
    for start, line in enumerate(lines):
        match = CYTHON_FUNCTION.match(line)
        if match is None:
            continue
        end = start + 1
        while end < len(lines) and not lines[end - 1].rstrip().endswith(":"):
            end += 1
        while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > _indent(line)):
            end += 1
        while not lines[end - 1].strip():
            end -= 1
        yield Function(match["name"], start + 1, end - start)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def comment_blocks(path: Path) -> Iterator[tuple[int, int]]:
    """Yield (line, length) of each run of whole-line comments."""
    start = length = 0
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        if line.lstrip().startswith("#"):
            start = start if length else number
            length += 1
        elif length:
            yield start, length
            length = 0
