"""Finds the application that `module:attribute` names; whether we can serve it is for `interfaces` to say.

A wrong name is the user's slip (ConfigError); a module that fails while it is imported is the
application's own failure (StartupError, with its traceback as the cause).
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterable
from types import ModuleType, TracebackType
from typing import NamedTuple

from appserver.apps.callables import kind, takes
from appserver.config.grammar import parse_app
from appserver.config.values import BadValue
from appserver.errors import ConfigError, StartupError

__all__ = ["Loaded", "load"]

DEFAULT_ATTRIBUTES = ("app", "application")
DEFAULT_FACTORIES = ("create_app", "make_app")
SUGGESTED = 5
OUR_FRAMES = frozenset({__name__, "importlib", "importlib._bootstrap", "importlib._bootstrap_external"})


class Loaded(NamedTuple):
    """What was found, and the name to call it by in a message: "module:app", "module:create_app()"."""

    app: object
    name: str


def load(app: str, app_dir: str, factory: bool) -> Loaded:
    """Import `app` with `app_dir` first on sys.path; call it if it is a factory; return what it is."""
    try:
        module_name, attribute = parse_app(app)
    except BadValue as bad:
        raise ConfigError(f"application {bad}") from None
    root = _enter(app_dir)
    module = _imported(module_name, root)
    name, target = _attribute(module, attribute, factory)
    called = f"{module_name}:{name}"
    if factory:
        target = _made(target, called)
        called += "()"
    return Loaded(target, called)


# The module


def _enter(app_dir: str) -> str:
    root = os.path.abspath(app_dir or ".")
    if not os.path.isdir(root):
        raise ConfigError(f"application directory {app_dir!r}: no such directory")
    if root in sys.path:
        sys.path.remove(root)
    sys.path.insert(0, root)
    # As importlib.invalidate_caches() would, which imports importlib.metadata and with it half of the library.
    sys.path_importer_cache.pop(root, None)
    return root


def _imported(name: str, root: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not _is_within(error.name, name):
            raise _failed(f"importing {name!r}", error) from error
        raise ConfigError(_not_found(name, str(error.name), root)) from None
    except (Exception, SystemExit) as error:
        raise _failed(f"importing {name!r}", error) from error


def _is_within(missing: str | None, name: str) -> bool:
    return missing is not None and (name == missing or name.startswith(missing + "."))


def _not_found(name: str, missing: str, root: str) -> str:
    parent, _, last = missing.rpartition(".")
    directory = os.path.join(root, *parent.split(".")) if parent else root
    return f"application module {name!r}: there is no {missing!r} in {root}{_hint(last, _modules(directory), parent)}"


def _modules(directory: str) -> list[str]:
    if not os.path.isdir(directory):
        return []
    names = []
    for entry in sorted(os.listdir(directory)):
        is_package = os.path.isfile(os.path.join(directory, entry, "__init__.py"))
        stem = entry if is_package else entry.removesuffix(".py")
        if stem.isidentifier() and (is_package or stem != entry) and not stem.startswith("__"):
            names.append(stem)
    return names


# The attribute


def _attribute(module: ModuleType, attribute: str, factory: bool) -> tuple[str, object]:
    if attribute:
        return attribute, _walk(module, attribute)
    names = DEFAULT_FACTORIES if factory else DEFAULT_ATTRIBUTES
    for name in names:
        if hasattr(module, name):
            return name, getattr(module, name)
    wanted = " nor ".join(map(repr, names))
    raise ConfigError(f"application {_where(module)} has neither {wanted}{_hint('app', _callables(module))}")


def _walk(module: ModuleType, attribute: str) -> object:
    target: object = module
    for part in attribute.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            hint = _hint(part, [name for name in dir(target) if not name.startswith("_")])
            raise ConfigError(f"application {_where(module)} has no {attribute!r}{hint}") from None
        except Exception as error:
            raise _failed(f"reading {module.__name__}:{attribute}", error) from error
    return target


def _where(module: ModuleType) -> str:
    origin = getattr(module, "__file__", None)
    return f"module {module.__name__!r} ({origin})" if origin else f"module {module.__name__!r}"


def _callables(module: ModuleType) -> list[str]:
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return [name for name, value in own.items() if callable(value) and not inspect.isclass(value)]


def _made(factory: object, called: str) -> object:
    if not callable(factory):
        raise ConfigError(f"application factory {called} is not callable but {kind(factory)}")
    if takes(factory, 0) is False:
        raise ConfigError(f"application factory {called} must take no arguments")
    try:
        made = factory()
    except (Exception, SystemExit) as error:
        raise _failed(f"application factory {called}", error) from error
    if inspect.iscoroutine(made):
        made.close()
        raise ConfigError(f"application factory {called} is async; return the application from a plain function")
    return made


# Words


def _hint(name: str, known: Iterable[str], parent: str = "") -> str:
    import difflib  # start-up: only a mistake needs it

    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    prefix = parent + "." if parent else ""
    if close:
        return f"; did you mean {prefix + close[0]!r}?"
    if names:
        return f"; there is {', '.join(prefix + item for item in names[:SUGGESTED])}"
    return ""


def _failed(what: str, error: BaseException) -> StartupError:
    error.with_traceback(_own_frames(error.__traceback__))
    if isinstance(error, SystemExit):
        return StartupError(f"{what} called sys.exit({error.code!r})")
    summary = str(error).partition("\n")[0]
    return StartupError(f"{what} failed: {type(error).__name__}{': ' if summary else ''}{summary}")


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in OUR_FRAMES:
        trace = trace.tb_next
    return trace
