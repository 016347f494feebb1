"""What pydantic finds, in our words: a rule, a place, and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from proxyconf.document.findings import Finding, Path, Rule, nearest, shown
from proxyconf.document.yaml import Document
from proxyconf.spec.fields import Exclusive, Model, OutOfBounds
from proxyconf.spec.root import Spec

__all__ = ["known_keys", "purpose", "translated"]

_EXPECTED = {
    "string_type": "text", "int_type": "a whole number", "bool_type": "true or false", "tuple_type": "a list, one '- ' per entry or [ ]",
    "dict_type": "keys with values", "model_type": "keys with values", "model_attributes_type": "keys with values",
}  # fmt: skip


def translated(document: Document, detail: dict[str, Any]) -> Iterator[Finding]:
    """Yield what pydantic found in our words."""
    kind, path, given = detail["type"], _path(detail["loc"]), detail["input"]
    if kind == "extra_forbidden":
        word = str(path[-1])
        yield Finding(
            Rule.UNKNOWN_KEY, path, f"unknown key {shown(word)}{nearest(word, known_keys(path[:-1]))}", key=True
        )
    elif kind == "missing":
        yield Finding(Rule.MISSING_KEY, path[:-1], f"the key '{path[-1]}' is missing; it is {_purpose(path)}")
    elif kind == "too_short":
        # A list whose items are all wrong is short too; that is said at the items.
        if not given:
            what = "no keys" if isinstance(given, dict) else "an empty list"
            yield Finding(Rule.WRONG_FORM, path, f"{what}; it needs at least one entry")
    else:
        yield _problem(kind, path, detail, document.written.get(path, ""))


def _path(location: tuple[Any, ...]) -> Path:
    """Return the path without pydantic's own steps, such as the one for a key."""
    return tuple(step for step in location if step != "[key]")


def _problem(kind: str, path: Path, detail: dict[str, Any], written: str) -> Finding:
    context, given = detail.get("ctx", {}), detail["input"]
    if kind == "value_error":
        error = context["error"]
        rule = (
            Rule.EXCLUSIVE if isinstance(error, Exclusive)
            else Rule.OUT_OF_BOUNDS if isinstance(error, OutOfBounds)
            else Rule.WRONG_FORM
        )  # fmt: skip
        return Finding(rule, path, f"{error}{_here(given)}", key="[key]" in detail["loc"])
    if kind == "literal_error":
        return Finding(Rule.UNKNOWN_WORD, path, _unknown_word(context["expected"], given))
    if kind in _EXPECTED:
        quotes = f'; write "{written}" in quotes if it is meant' if kind == "string_type" and written else ""
        return Finding(Rule.WRONG_TYPE, path, f"expected {_EXPECTED[kind]}, found {_kind(given)}{quotes}")
    raise AssertionError(f"pydantic's {kind} has no words of ours: {detail['msg']}")


def _here(given: object) -> str:
    return f" (here: {shown(str(given))})" if isinstance(given, str | int | float) and not isinstance(given, bool) else ""


def _unknown_word(expected: str, given: object) -> str:
    words = [word.strip() for word in expected.replace(" or ", ",").split(",")]
    plain = [word.strip("'") for word in words]
    if str(given) in plain and not isinstance(given, str):
        return f'expected text, found {_kind(given)}; write "{given}" in quotes'
    if isinstance(given, str) and given in plain:
        return f"expected a number, found text; write {given} without quotes"
    if not isinstance(given, str | int | float):
        return f"expected one of {', '.join(plain)}, found {_kind(given)}"
    return f"{shown(str(given))} is not known here{nearest(str(given), plain)}"


def _kind(given: object) -> str:
    names = {
        dict: "keys with values", list: "a list", tuple: "a list", str: "text", bool: "true or false", int: "a number",
        float: "a number",
    }  # fmt: skip
    return names.get(type(given), "nothing")


def _model_at(path: Path) -> type[Model] | None:
    """Return the model whose keys stand at a path of the file."""
    here: Any = Spec
    for step in path:
        here = _inner(here, step)
    here = _bare(here)
    if get_origin(here) is tuple:
        here = _bare(get_args(here)[0])
    return here if isinstance(here, type) and issubclass(here, Model) else None


def _inner(here: Any, step: str | int) -> Any:
    here = _bare(here)
    if isinstance(here, type) and issubclass(here, Model):
        return next((field.annotation for name, field in here.model_fields.items() if step in (name, field.alias)), None)
    if get_origin(here) is tuple:
        item = get_args(here)[0]
        return item if isinstance(step, int) else _inner(item, step)
    return get_args(here)[1] if get_origin(here) is dict else None


def _bare(here: Any) -> Any:
    """Strip `Annotated` and `| None`."""
    while get_origin(here) is Annotated:
        here = get_args(here)[0]
    options = [option for option in get_args(here) if option is not type(None)]
    if len(options) == 1 and len(get_args(here)) == 2 and get_origin(here) not in (tuple, dict):
        return _bare(options[0])
    return here


def known_keys(path: Path) -> tuple[str, ...]:
    """Return the keys that may stand at a path."""
    model = _model_at(path)
    return tuple(field.alias or name for name, field in model.model_fields.items()) if model else ()


def _purpose(path: Path) -> str:
    text = purpose(path)
    return text[:1].lower() + text[1:].rstrip(".") if text else "needed here"


def purpose(path: Path) -> str:
    """Return the sentence about a key; empty if there is none. Lists may be passed over: `sites.routes.path`."""
    model = _model_at(path[:-1])
    fields = {field.alias or name: field for name, field in model.model_fields.items()} if model else {}
    field = fields.get(str(path[-1]))
    return (field.description if field else "") or ""
