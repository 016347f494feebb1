"""Finds the application that `module:attribute` names and makes sure that it is one we can serve.

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

from appserver.config.grammar import parse_app
from appserver.config.values import BadValue
from appserver.errors import ConfigError, StartupError

__all__ = ["load"]

DEFAULT_ATTRIBUTES = ("app", "application")
DEFAULT_FACTORIES = ("create_app", "make_app")
SUGGESTED = 5
OUR_FRAMES = frozenset({__name__, "importlib", "importlib._bootstrap", "importlib._bootstrap_external"})


def load(app: str, app_dir: str, factory: bool) -> object:
    """Import `app` with `app_dir` first on sys.path; call it if it is a factory; return the ASGI 3 application."""
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
    _require_asgi3(target, called)
    return target


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
        raise ConfigError(f"application factory {called} is not callable but {_kind(factory)}")
    if _takes(factory, 0) is False:
        raise ConfigError(f"application factory {called} must take no arguments")
    try:
        made = factory()
    except (Exception, SystemExit) as error:
        raise _failed(f"application factory {called}", error) from error
    if inspect.iscoroutine(made):
        made.close()
        raise ConfigError(f"application factory {called} is async; return the application from a plain function")
    return made


# The interface


def _require_asgi3(target: object, called: str) -> None:
    if not callable(target):
        raise ConfigError(f"application {called} is not callable but {_kind(target)}")
    # A class whose instances can be awaited is an application too: Starlette's endpoints are.
    if isinstance(target, type) and "__await__" not in dir(target):
        raise ConfigError(_refused_class(target, called))
    if _takes(target, 3) is not False:
        return
    raise ConfigError(f"application {called} {_other_interface(target)}")


def _other_interface(target: object) -> str:
    if _takes(target, 2):
        return "is a WSGI application (environ, start_response); WSGI applications come in a later release"
    if _takes(target, 1):
        return "takes one argument, as ASGI 2 did; ASGI 3 takes (scope, receive, send): wrap it with asgiref"
    if _takes(target, 0):
        return "takes no arguments; if it returns the application, add --factory"
    return "does not take the three arguments of ASGI 3 (scope, receive, send)"


def _refused_class(target: type, called: str) -> str:
    if _takes(target, 1) and "__call__" in vars(target):
        return f"application {called} is an ASGI 2 class; ASGI 3 takes (scope, receive, send): wrap it with asgiref"
    return f"application {called} is a class; name an instance of it, or add --factory if it takes no arguments"


def _takes(target: object, count: int) -> bool | None:
    try:
        signature = inspect.signature(target)  # type: ignore[arg-type]  # the callers ask callable() first
    except (TypeError, ValueError):
        return None  # a callable of C without a signature
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


# Words


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


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
