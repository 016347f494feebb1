"""What a template may print: a user's text, which is quoted, and `Raw` text of ours, which is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Raw", "Syntax", "Unquotable", "raw"]


class Unquotable(ValueError):
    """A text that the syntax has no way to write; the message says why."""


class Raw(str):
    """Text in the syntax of the file itself (a keyword, a number with its unit), made by Python, never a user's."""

    __slots__ = ()


def raw(value: object) -> Raw:
    """Return a value of ours (a duration, a size, a port) as text that is printed as it stands."""
    return Raw(value)


@dataclass(frozen=True, slots=True)
class Syntax:
    """How one kind of file writes words: `quote` is the only door for a user's text."""

    name: str
    quote: Callable[[str], str]

    def printed(self, value: object) -> str:
        """Return a value as it is printed: `Raw` and whole numbers as they are, text quoted, a tuple as words.

        Everything else is a mistake of the renderer, not of the user.
        """
        if type(value) is Raw:
            return value
        if isinstance(value, str):
            return self.quote(value)
        if isinstance(value, tuple):
            return " ".join(self.printed(item) for item in value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise TypeError(f"a template prints text, whole numbers and tuples of them, not {type(value).__name__}")
