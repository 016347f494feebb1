"""What the build compiles, read from setup.py: list the sources, check or remove the built extensions.

tools/compiled.py            the compiled .py sources that exist, one per line
tools/compiled.py --check W  exit 1 unless what is built fits the wish W (auto, kernel, pure)
tools/compiled.py --remove   delete the extensions that were built in place for this interpreter
tools/compiled.py --state    print kernel or uncompiled: what this interpreter would import
"""

from __future__ import annotations

import ast
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = EXTENSION_SUFFIXES[0]


def declared() -> tuple[list[str], str]:
    """Return the modules COMPILED and the module KERNEL of setup.py, which cannot be imported."""
    values: dict[str, object] = {}
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("COMPILED", "KERNEL"):
                values[name] = ast.literal_eval(node.value)
    compiled, kernel = values["COMPILED"], values["KERNEL"]
    assert isinstance(compiled, list)
    assert isinstance(kernel, str)
    return compiled, kernel


def sources() -> list[Path]:
    """Return the Python sources that are also compiled, relative to the root."""
    paths = [Path(name.replace(".", "/") + ".py") for name in declared()[0]]
    return [path for path in paths if (ROOT / path).exists()]


def built() -> list[Path]:
    """Return the extensions in the tree that this interpreter would import."""
    return sorted((ROOT / "appserver").rglob("*" + SUFFIX))


def expected() -> list[Path]:
    """Return the extensions that a kernel build leaves in the tree."""
    kernel = Path(declared()[1].replace(".", "/"))
    return sorted(ROOT / path.with_name(path.stem + SUFFIX) for path in [*sources(), kernel])


def fits(wish: str) -> bool:
    """Say whether what is in the tree is what `wish` asks for."""
    return not built() if wish == "pure" else built() == expected()


def main(arguments: list[str]) -> int:
    """Run one of the verbs."""
    if arguments[:1] == ["--check"]:
        return 0 if fits(arguments[1]) else 1
    if arguments == ["--remove"]:
        for path in built():
            path.unlink()
        return 0
    if arguments == ["--state"]:
        print("kernel" if fits("kernel") else "uncompiled")
        return 0
    print(*sources(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
