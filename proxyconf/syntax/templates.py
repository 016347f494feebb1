"""Jinja2, made so that forgetting is harmless: whatever a template prints goes through the syntax's quoting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    DictLoader,
    Environment,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    Undefined,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from proxyconf.syntax.words import Syntax, Unquotable

__all__ = ["TemplateFault", "Templates"]


class TemplateFault(Exception):
    """A template that cannot be used; the message has its file and line."""


def _defined(value: object) -> object:
    """Return a value; what is undefined raises an error that names it."""
    return str(value) if isinstance(value, Undefined) else value


class Templates:
    """The templates of one proxy, by name, in one syntax."""

    def __init__(self, syntax: Syntax, loader: BaseLoader, replaced: Mapping[str, str] | None = None) -> None:
        """Take them from a loader; `replaced` holds a user's own in place of some."""
        # A template from elsewhere may print and nothing else; our own need no watching, which costs.
        kind = ImmutableSandboxedEnvironment if replaced else Environment
        self._environment = kind(
            loader=ChoiceLoader([DictLoader(dict(replaced or {})), loader]),
            undefined=StrictUndefined,
            finalize=lambda value: syntax.printed(_defined(value)),
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def render(self, name: str, plan: object) -> str:
        """Print a plan, a dataclass, by the template of a name; its fields are the template's variables."""
        assert is_dataclass(plan)
        variables = {field.name: getattr(plan, field.name) for field in fields(plan)}
        try:
            return self._environment.get_template(name).render(variables)
        except Unquotable:
            raise
        except TemplateSyntaxError as error:
            raise TemplateFault(f"{error.name or name}:{error.lineno}: {error.message}") from error
        except (TemplateError, TypeError) as error:
            raise TemplateFault(f"{name}: {error}") from error
