"""The reference page of the site file, from the models.

`proxyconf schema --docs > docs/reference/site-spec.md` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from proxyconf.spec.fields import Model
from proxyconf.spec.root import Spec
from proxyconf.spec.schema import plain

__all__ = ["page"]

_INTRO = """\
# Site file

Generated from the models by `proxyconf schema --docs`; a test fails when it drifts. `proxyconf schema` prints the same as
JSON Schema for editors. [How to use it](../guide/proxyconf.md), [what each proxy can do of it](proxies.md).

Every key that is not here is an error. Durations and sizes always carry a unit.
`${NAME}` in a value is replaced by `--set NAME=VALUE`; `$${` is a plain `${`.
"""


def page() -> str:
    """Return the page."""
    parts = [_INTRO, *_sections(Spec, "", set())]
    return "\n".join(parts)


def _sections(model: type[Model], path: str, seen: set[type[Model]]) -> Iterator[str]:
    """Yield one section per model, parents first."""
    if model in seen:
        return
    seen.add(model)
    rows = [_row(field.alias or name, field) for name, field in model.model_fields.items()]
    title = f"## `{path}`" if path else "## Top level"
    yield "\n".join([title, "", str(model.__doc__), "", "| Key | Value | Default | |", "|---|---|---|---|", *rows, ""])
    for name, field in model.model_fields.items():
        below, suffix = _below(field.annotation)
        if below:
            yield from _sections(below, f"{path}.{field.alias or name}{suffix}".lstrip("."), seen)


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _default(plain(field.get_default(call_default_factory=True)))
    return f"| `{name}` | {_kind(field)} | {default} | {(field.description or '').replace('|', chr(92) + '|')} |"


def _default(value: Any) -> str:
    return "" if value in (None, [], {}) else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kind(field: FieldInfo) -> str:
    """Say in words what a value is."""
    for detail in field.metadata:
        if isinstance(detail, WithJsonSchema):
            return _words(detail)
    return _type(field.annotation)


def _words(detail: WithJsonSchema) -> str:
    said = detail.json_schema or {}
    example = next(iter(said.get("examples", [])), "")
    return f"{said['description']}{f', such as `{example}`' if example else ''}"


def _type(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        words = [_words(detail) for detail in inner[1:] if isinstance(detail, WithJsonSchema)]
        return words[0] if words else _type(inner[0])
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in inner)
    if origin is tuple:
        return f"list: {_type(inner[0])}"
    if origin is dict:
        return f"name to {_type(inner[1])}"
    options = [option for option in inner if option is not type(None)]
    if options:
        return _type(options[0])
    if isinstance(kind, type) and issubclass(kind, Model):
        return "keys below"
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "`true` or `false`", "Any": "anything"}
    return names[kind.__name__]


def _below(kind: Any, suffix: str = "") -> tuple[type[Model] | None, str]:
    """Return the model a key leads to, and how the path goes on."""
    if isinstance(kind, type) and issubclass(kind, Model):
        return kind, suffix
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _below(inner[0], "[]")
    if origin is dict:
        return _below(inner[1], ".NAME")
    return next((found for option in inner if (found := _below(option, suffix))[0]), (None, ""))
