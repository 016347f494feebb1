"""The floors of `appserver` and of `proxyconf`, and a walk over every import that breaks them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FLOORS", "PROXYCONF_FLOORS", "imports_of", "violations"]

# From the ground up. A module imports from lower floors and its own package, never sideways or up.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "events", "accepted", "contract"}),
    frozenset({"http", "config"}),
    frozenset({"net", "ws"}),
    frozenset({"h1", "h2", "apps", "ops"}),
    frozenset({"worker"}),
    frozenset({"supervisor"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
# proxyconf's own, likewise; `document` and `spec` are ground for everything above.
PROXYCONF_FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"document"}),
    frozenset({"spec", "output", "programs"}),
    frozenset({"facts", "syntax"}),
    frozenset({"proxies", "backend"}),
    frozenset({"verify"}),
    frozenset({"verbs"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
PROXYCONF_LEVEL = {name: level for level, names in enumerate(PROXYCONF_FLOORS) for name in names}
# What every proxy's package may import of `proxies`; the packages themselves are siblings.
PROXIES_COMMON = frozenset({"contract"})
# A request names the peer it came from: the one word that is made of another.
MAY_NAME = frozenset({("contract", "accepted")})
MAY_NAME_CONFIG = frozenset({"config", "worker", "supervisor", "cli", "__main__"})

CIMPORT = re.compile(
    r"^\s*(?:from\s+(?P<source>[\w.]+)\s+c?import\s+\(?(?P<names>[\w, ]+)|c?import\s+(?P<plain>[\w., ]+))"
)


def imports_of(path: Path, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, imported dotted name) of one file, imports inside functions included."""
    package = module if is_package else module.rpartition(".")[0]
    text = path.read_text(encoding="utf-8")
    found = _python_imports(text) if path.suffix in (".py", ".pyi") else _cython_imports(text)
    for line, source, names in found:
        base = _absolute(source, package)
        # `from package import name` may name a module: the longer spelling is the one to judge.
        yield from ((line, f"{base}.{name}" if name else base) for name in names)


def _python_imports(text: str) -> Iterator[tuple[int, str, list[str]]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, [""]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or ""), [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and _called(node) in ("import_module", "__import__"):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value, [""]


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _cython_imports(text: str) -> Iterator[tuple[int, str, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        match = CIMPORT.match(line)
        if match is None:
            continue
        if match["plain"]:
            yield from ((number, name.split(" as ")[0].strip(), [""]) for name in match["plain"].split(","))
        else:
            yield number, match["source"], [name.split(" as ")[0].strip() for name in match["names"].split(",")]


def _absolute(source: str, package: str) -> str:
    stripped = source.lstrip(".")
    ups = len(source) - len(stripped)
    if ups == 0:
        return source
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - (ups - 1)])
    return f"{base}.{stripped}" if stripped else base


def violations(root: Path) -> list[str]:
    """Return every import under `root`/appserver and `root`/proxyconf that breaks the rules."""
    return [
        *(text for path in _sources(root / "appserver") for text in _judge(root, path, _appserver_rule)),
        *(text for path in _sources(root / "proxyconf") for text in _judge(root, path, _proxyconf_rule)),
    ]


def _sources(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".pxi"))


def _judge(root: Path, path: Path, rule: object) -> Iterator[str]:
    relative = path.relative_to(root)
    parts = relative.with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    assert callable(rule)
    for line, target in imports_of(path, module, is_package):
        reason = rule(module, target)
        if reason:
            yield f"{relative}:{line}: {reason}"


def _appserver_rule(module: str, target: str) -> str:
    if target.split(".")[0] == "proxyconf":
        return f"imports {target}: appserver never imports proxyconf"
    here, there = _component(module), _component(target)
    if not there or here == there or (here, there) in MAY_NAME:
        return ""
    if there not in LEVEL:
        return "" if _is_word_of_root(there) else f"imports {target}: {there} is on no floor (tests/house/floors.py)"
    if target in ("appserver.config.Config", "appserver.config.options.Config") and here not in MAY_NAME_CONFIG:
        return f"imports {target}: only cli, supervisor and worker know the whole configuration"
    if not here:
        return f"imports {target}: the package itself imports none of its modules"
    if here not in LEVEL:
        return f"imports {target}: {here} is on no floor (tests/house/floors.py)"
    if LEVEL[there] == LEVEL[here]:
        return f"imports {target}: {here} and {there} are siblings on floor {LEVEL[here]}"
    if LEVEL[there] > LEVEL[here]:
        return f"imports {target}: {here} is on floor {LEVEL[here]}, {there} above it on {LEVEL[there]}"
    return ""


def _proxyconf_rule(module: str, target: str) -> str:
    package = target.split(".")[0]
    if package == "appserver":
        # The configuration, and the one error that reading it raises.
        if target.startswith("appserver.config") or target == "appserver.errors.ConfigError":
            return ""
        if _is_word_of_root(_component(target)):
            return ""
        return f"imports {target}: proxyconf may know appserver.config only"
    if package != "proxyconf":
        return ""
    here, there = _component(module), _component(target)
    if not there or (here == there != "proxies"):
        return ""
    if here == there:
        return _siblings(module, target)
    if there not in PROXYCONF_LEVEL:
        return "" if _is_word_of_root(there) else f"imports {target}: {there} is on no floor (tests/house/floors.py)"
    if not here:
        return f"imports {target}: the package itself imports none of its modules"
    if here not in PROXYCONF_LEVEL:
        return f"imports {target}: {here} is on no floor (tests/house/floors.py)"
    if PROXYCONF_LEVEL[there] == PROXYCONF_LEVEL[here]:
        return f"imports {target}: {here} and {there} are siblings on floor {PROXYCONF_LEVEL[here]}"
    if PROXYCONF_LEVEL[there] > PROXYCONF_LEVEL[here]:
        return f"imports {target}: {here} is on floor {PROXYCONF_LEVEL[here]}, {there} above it on {PROXYCONF_LEVEL[there]}"
    return ""


def _siblings(module: str, target: str) -> str:
    """Judge an import within `proxies`: no proxy's package knows another's, none knows who knows them all."""
    mine, its = ([*name.split("."), "", ""][2] for name in (module, target))
    if mine == "registry" or not its or its == mine or its in PROXIES_COMMON:
        return ""
    return f"imports {target}: proxies.{mine} may import proxies.{' and proxies.'.join(sorted(PROXIES_COMMON))} only"


def _component(name: str) -> str:
    parts = name.split(".")
    return parts[1] if parts[0] in ("appserver", "proxyconf") and len(parts) > 1 else ""


def _is_word_of_root(name: str) -> bool:
    """`from appserver import __version__`: a value of the package, not a module."""
    return name.startswith("__") and name != "__main__"
