"""A site file read and understood: the model, the text's places, and every error in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from proxyconf.document import Document, parse
from proxyconf.findings import Finding, Level, Path, SiteError, nearest, shown
from proxyconf.spec import Model, Spec

__all__ = ["SiteFile", "known_keys", "load"]

_ANY = object()


@dataclass(frozen=True, slots=True)
class SiteFile:
    """The model of a site and the document it was read from."""

    spec: Spec
    document: Document

    def failure(self, findings: list[Finding]) -> SiteError:
        """Return these findings as an exception, each with its place."""
        return SiteError(self.document.name, findings, self.document.find)


def load(name: str, raw: bytes, variables: Mapping[str, str]) -> SiteFile:
    """Read a site file or raise `SiteError` with all that is wrong with it."""
    document = parse(name, raw, variables)
    spec: Spec | None = None
    # What could not even be composed needs no second message about missing keys.
    if document.data is not None:
        spec, wrong = _validated(document)
        wrong += _references(document.data)
        document.findings += [finding for finding in wrong if not document.spoiled(finding.path)]
    if document.findings or spec is None:
        raise SiteError(name, document.findings, document.find)
    return SiteFile(spec, document)


def _validated(document: Document) -> tuple[Spec | None, list[Finding]]:
    try:
        return Spec.model_validate(document.data), []
    except ValidationError as error:
        details: list[Any] = error.errors(include_url=False)
        return None, [finding for detail in details for finding in _translated(document, detail)]


def _translated(document: Document, detail: dict[str, Any]) -> Iterator[Finding]:
    """Yield what pydantic found in our words."""
    kind, path, given = detail["type"], tuple(detail["loc"]), detail["input"]
    if kind == "extra_forbidden":
        yield Finding(
            Level.ERROR,
            path,
            f"unknown key {shown(str(path[-1]))}{nearest(str(path[-1]), known_keys(path[:-1]))}",
            key=True,
        )
    elif kind == "missing":
        yield Finding(Level.ERROR, path[:-1], f"the key '{path[-1]}' is missing; it is {_purpose(path)}")
    elif kind == "too_short":
        # A list whose items are all wrong is short too; that is said at the items.
        if not given:
            yield Finding(Level.ERROR, path, "an empty list; it needs at least one entry")
    else:
        yield Finding(Level.ERROR, path, _problem(kind, detail, document.written.get(path, "")))


def _problem(kind: str, detail: dict[str, Any], written: str) -> str:
    context, given = detail.get("ctx", {}), detail["input"]
    if kind == "value_error":
        return f"{context['error']}{f' (here: {shown(given)})' if isinstance(given, str) else ''}"
    if kind == "literal_error":
        words = [word.strip().strip("'") for word in context["expected"].replace(" or ", ",").split(",")]
        return f"{shown(str(given))} is not known here{nearest(str(given), words)}"
    if kind == "string_pattern_mismatch":
        return f"{shown(given)} does not fit {context['pattern']}"
    if kind == "string_type" and written:
        return f'expected text, found {_kind(given)}; write "{written}" in quotes if it is meant'
    expected = {
        "string_type": "text", "int_type": "a whole number", "tuple_type": "a list, one '- ' per entry or [ ]",
        "dict_type": "keys with values", "model_type": "keys with values",
    }  # fmt: skip
    if kind in expected:
        return f"expected {expected[kind]}, found {_kind(given)}"
    return str(detail["msg"])


def _kind(given: object) -> str:
    names = {
        dict: "keys with values",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(given), "nothing")


def _model_at(path: Path) -> type[Model] | None:
    """Return the model whose keys stand at a path of the file."""
    here: Any = Spec
    for step in path:
        here = _inner(here, step)
    here = _bare(here)
    return here if isinstance(here, type) and issubclass(here, Model) else None


def _inner(here: Any, step: str | int) -> Any:
    here = _bare(here)
    if isinstance(here, type) and issubclass(here, Model):
        field = here.model_fields.get(str(step))
        return field.annotation if field else None
    if get_origin(here) is tuple:
        return get_args(here)[0]
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
    return tuple(model.model_fields) if model else ()


def _purpose(path: Path) -> str:
    model = _model_at(path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    text = (field.description if field else "") or ""
    return text[:1].lower() + text[1:].rstrip(".") if text else "needed here"


def _select(data: object, pattern: tuple[object, ...], path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every value that a path with `_ANY` in it reaches, however wrong the rest is."""
    if not pattern:
        yield path, data
        return
    step, rest = pattern[0], pattern[1:]
    if isinstance(data, dict):
        for key in data if step is _ANY else [key for key in data if key == step]:
            yield from _select(data[key], rest, (*path, key))
    elif isinstance(data, list) and step is _ANY:
        for index, item in enumerate(data):
            yield from _select(item, rest, (*path, index))


def _references(data: object) -> list[Finding]:
    """Check what spans several places, on the raw data: it is said together with all other errors."""
    hostnames = ("sites", _ANY, "hostnames", _ANY)
    proxies = ("targets", _ANY, "proxy")
    return [
        *_upstream_names(data),
        *_repeated(data, hostnames, "the host name {} stands in two places; one site per name"),
        *_repeated(data, proxies, "the proxy {} is a target already; one target per proxy"),
    ]


def _upstream_names(data: object) -> Iterator[Finding]:
    defined = [str(path[-1]) for path, _ in _select(data, ("upstreams", _ANY))]
    for path, name in _select(data, ("sites", _ANY, "upstream")):
        if not isinstance(name, str) or "://" in name or name in defined:
            continue
        way_out = nearest(name, defined) if defined else "; define it under 'upstreams', or write h2c://HOST:PORT"
        yield Finding(Level.ERROR, path, f"there is no upstream {shown(name)}{way_out}")


def _repeated(data: object, pattern: tuple[object, ...], message: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, value in _select(data, pattern):
        if not isinstance(value, str):
            continue
        if value.lower() in seen:
            yield Finding(Level.ERROR, path, message.format(shown(value)))
        seen.add(value.lower())
