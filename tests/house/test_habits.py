"""Habits that a linter has no rule for: reasons beside ignores, named log events, docstrings that own something."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.source import ROOT, code_lines, sources

PRODUCT = ("appserver", "proxyconf")
ALL = (*PRODUCT, "bench", "h2spec", "tools", "examples", "tests")

IGNORE = re.compile(r"#\s*(?:type:\s*ignore|noqa|pragma:)(?P<rest>.*)")
REASON = re.compile(r"(?:#|\s-\s|--).*\w{3}")
LINES_PER_IGNORE = 500
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log"})
# Modules that may import inside a function, each for the start-up cost it saves or the choice it makes late.
LAZY_IMPORTS: dict[str, str] = {
    "appserver/apps/files.py": "ctypes, which only who sends files pays for",
    "appserver/apps/loader.py": "difflib, for a mistake only",
    "appserver/cli.py": "each action brings what it alone needs: --help and a mistake do not pay for asyncio",
    "appserver/ws/handshake.py": "hashlib, and with it OpenSSL, which only WebSockets over HTTP/1.1 pay for",
    "appserver/config/layer.py": "difflib, for a mistake only",
    "proxyconf/cli/proving.py": "verify: its clients and certificates, which no other command pays for",
    "proxyconf/cli/importing.py": "crossplane, which no other command pays for",
    "proxyconf/cli/applying.py": "verify: its clients and certificates, which no other command pays for",
    "proxyconf/verbs/verify.py": "the Docker SDK, an extra, where a container image is named",
    "appserver/config/sources.py": "tomllib, where a file is read",
}


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_ignore_has_its_reason_beside_it() -> None:
    bare = []
    for path in sources(*ALL):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = IGNORE.search(line)
            if match and path.name != "test_habits.py" and not REASON.search(match["rest"]):
                bare.append(place(path, number))
    assert bare == []


def test_ignores_are_rare() -> None:
    lines = sum(code_lines(path) for path in sources(*PRODUCT))
    ignores = sum(len(IGNORE.findall(path.read_text(encoding="utf-8"))) for path in sources(*PRODUCT))
    assert ignores <= 1 + lines / LINES_PER_IGNORE


def test_every_module_says_what_it_owns() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sources(*ALL)}
    silent = [name for name, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))]
    assert silent == []


def test_appserver_logs_events_and_no_bare_strings() -> None:
    bare = [
        place(path, node.lineno)
        for path in sources("appserver")
        if path.name != "events.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LOG_METHODS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("logger", "log", "logging")
    ]
    assert bare == []


def test_imports_inside_functions_are_listed() -> None:
    lazy = set()
    for path in sources(*PRODUCT):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function)
            ):
                lazy.add(str(path.relative_to(ROOT)))
    assert lazy - LAZY_IMPORTS.keys() == set()


def test_no_exception_is_swallowed_in_silence() -> None:
    silent = []
    for path in sources(*ALL):
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ExceptHandler) and len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
                block = lines[node.lineno - 1 : node.body[0].lineno]
                if not any("#" in line for line in block):
                    silent.append(place(path, node.lineno))
    assert silent == []
