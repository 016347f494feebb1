"""The loader: what is found, and whose fault it is when it is not."""

from __future__ import annotations

import itertools
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appserver.apps.interfaces import interface_of
from appserver.apps.loader import load
from appserver.errors import ConfigError, StartupError

NAMES = (f"loaded_{number}" for number in itertools.count())
ASGI = "async def app(scope, receive, send): ...\n"

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module under a name of its own; sys.path and sys.modules are put back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(source: str) -> str:
        name = next(NAMES)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return name

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(app: str, app_dir: Path, factory: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        interface_of("auto", *load(app, str(app_dir), factory))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def failed(app: str, app_dir: Path, factory: bool = False) -> StartupError:
    with pytest.raises(StartupError) as caught:
        load(app, str(app_dir), factory)
    assert "\n" not in str(caught.value)
    return caught.value


# Found


def test_an_attribute_of_a_module(write: Write, tmp_path: Path) -> None:
    name = write(ASGI)

    assert load(f"{name}:app", str(tmp_path), False).app is sys.modules[name].app


def test_the_current_directory_comes_first(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(ASGI)
    monkeypatch.chdir(tmp_path)

    load(f"{name}:app", ".", False)

    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_a_dotted_module_and_a_dotted_attribute(write: Write, tmp_path: Path) -> None:
    package = tmp_path / "loaded_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "web.py").write_text(f"class site:\n    @staticmethod\n    {ASGI}")

    assert load("loaded_package.web:site.app", str(tmp_path), False).app is sys.modules["loaded_package.web"].site.app


@pytest.mark.parametrize("attribute", ["app", "application"])
def test_a_module_alone_means_app_then_application(write: Write, tmp_path: Path, attribute: str) -> None:
    name = write(f"async def {attribute}(scope, receive, send): ...")

    assert load(name, str(tmp_path), False).app is getattr(sys.modules[name], attribute)


def test_a_factory_is_called(write: Write, tmp_path: Path) -> None:
    name = write(f"def create_app():\n    {ASGI}    return app")

    for spelling in (name, f"{name}:create_app"):
        loaded = load(spelling, str(tmp_path), True)
        assert loaded.app.__name__ == "app"  # type: ignore[attr-defined]  # a function
        assert loaded.name == f"{name}:create_app()"


@pytest.mark.parametrize(
    "source",
    [
        "class App:\n    async def __call__(self, scope, receive, send): ...\napp = App()",
        "class app:\n    def __init__(self, scope, receive, send): ...\n    def __await__(self): ...",
        "import functools\nasync def f(x, scope, receive, send): ...\napp = functools.partial(f, 1)",
        "async def app(*messages): ...",
        "async def app(scope, receive, send, *, extra=None): ...",
    ],
)
def test_every_form_of_an_asgi_3_application(write: Write, tmp_path: Path, source: str) -> None:
    loaded = load(f"{write(source)}:app", str(tmp_path), False)
    assert interface_of("auto", loaded.app, loaded.name) == interface_of("asgi3", loaded.app, loaded.name) == "asgi3"


# The user's slips: exit 2


def test_a_module_that_is_not_there(write: Write, tmp_path: Path) -> None:
    name = write(ASGI)

    assert refused(f"{name}x:app", tmp_path) == (
        f"application module '{name}x': there is no '{name}x' in {tmp_path}; did you mean '{name}'?"
    )


def test_a_module_that_is_not_there_nor_any_like_it(write: Write, tmp_path: Path) -> None:
    name = write(ASGI)

    assert refused("zzz.web:app", tmp_path).endswith(f"there is no 'zzz' in {tmp_path}; there is {name}")


def test_a_submodule_that_is_not_there(write: Write, tmp_path: Path) -> None:
    package = tmp_path / "loaded_parent"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "webb.py").write_text(ASGI)

    assert "did you mean 'loaded_parent.webb'?" in refused("loaded_parent.web:app", tmp_path)


def test_a_module_that_is_not_a_package(write: Write, tmp_path: Path) -> None:
    name = write(ASGI)

    assert f"there is no '{name}.web'" in refused(f"{name}.web:app", tmp_path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert "no such directory" in refused("main:app", tmp_path / "none")


def test_a_spelling_that_is_not_an_application(tmp_path: Path) -> None:
    assert refused("main.py:app", tmp_path) == "application 'main.py:app' names a file; write the module: main:app"


def test_an_attribute_that_is_not_there(write: Write, tmp_path: Path) -> None:
    name = write(ASGI)

    assert refused(f"{name}:ap", tmp_path) == (
        f"application module '{name}' ({tmp_path / name}.py) has no 'ap'; did you mean 'app'?"
    )


def test_a_module_alone_without_a_default_attribute(write: Write, tmp_path: Path) -> None:
    name = write("async def api(scope, receive, send): ...")

    assert refused(name, tmp_path).endswith("has neither 'app' nor 'application'; did you mean 'api'?")


WSGI = "is a WSGI application (environ, start_response); WSGI applications come in a later release"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("app = 3", "is not callable but an int"),
        ("def app(environ, start_response): ...", WSGI),
        ("class App:\n    def __call__(self, environ, start_response): ...\napp = App()", WSGI),
        (
            "class app:\n    def __init__(self, scope): ...\n    async def __call__(self, receive, send): ...",
            "is an ASGI 2 class",
        ),
        ("def app(scope): ...", "takes one argument, as ASGI 2 did"),
        ("class app:\n    async def __call__(self, scope, receive, send): ...", "is a class; name an instance of it"),
        ("def app(): ...", "if it returns the application, add --factory"),
        ("async def app(a, b, c, d): ...", "does not take the three arguments of ASGI 3"),
    ],
)
def test_what_is_not_an_asgi_3_application(write: Write, tmp_path: Path, source: str, reason: str) -> None:
    assert reason in refused(f"{write(source)}:app", tmp_path)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("make = 3", "is not callable but an int"),
        ("def make(settings): ...", "must take no arguments"),
        ("async def make(): ...", "is async"),
        ("def make(): return 3", "make() is not callable but an int"),
    ],
)
def test_what_is_not_a_factory(write: Write, tmp_path: Path, source: str, reason: str) -> None:
    assert reason in refused(f"{write(source)}:make", tmp_path, factory=True)


# The application's own failures: exit 3


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ("import no_such_thing_at_all", "ModuleNotFoundError: No module named 'no_such_thing_at_all'"),
        ("from sys import nothing_like_it", "ImportError: cannot import name"),
        ("raise ValueError('first\\nsecond')", "ValueError: first"),
        ("def broken(:", "SyntaxError"),
        ("raise KeyError", "KeyError"),
    ],
)
def test_a_module_that_fails(write: Write, tmp_path: Path, source: str, summary: str) -> None:
    name = write(source)

    error = failed(f"{name}:app", tmp_path)

    assert str(error).startswith(f"importing {name!r} failed: {summary}")
    assert error.__cause__ is not None


def test_the_traceback_begins_in_the_application(write: Write, tmp_path: Path) -> None:
    name = write("def inner():\n    raise ValueError('no')\ninner()\n")

    frames = traceback.extract_tb(failed(f"{name}:app", tmp_path).__cause__.__traceback__)  # type: ignore[union-attr]  # test above

    assert [(Path(frame.filename).name, frame.lineno) for frame in frames] == [(f"{name}.py", 3), (f"{name}.py", 2)]


def test_a_module_that_exits(write: Write, tmp_path: Path) -> None:
    name = write("raise SystemExit(4)")

    assert str(failed(f"{name}:app", tmp_path)) == f"importing {name!r} called sys.exit(4)"


def test_a_factory_that_fails(write: Write, tmp_path: Path) -> None:
    name = write("def make(): return {}['key']")

    error = failed(f"{name}:make", tmp_path, factory=True)

    assert str(error) == f"application factory {name}:make failed: KeyError: 'key'"


def test_an_attribute_that_fails(write: Write, tmp_path: Path) -> None:
    name = write("def __getattr__(name): raise ValueError(name)")

    assert str(failed(f"{name}:app", tmp_path)) == f"reading {name}:app failed: ValueError: app"
