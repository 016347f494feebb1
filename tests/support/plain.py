"""A compiled module's source, run as plain Python beside the build under test.

Its names are all there (a compiled module's constants are C), and they can be replaced.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["plain"]


def plain(name: str) -> ModuleType:
    """Return a fresh copy of module `name` from its .py; what it imports is what everybody imports."""
    built = importlib.import_module(name)
    assert built.__file__ is not None
    source = Path(built.__file__).parent / f"{name.rpartition('.')[2]}.py"
    spec = importlib.util.spec_from_file_location(f"{name} as plain Python", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
