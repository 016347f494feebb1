"""Trees of directives with blocks in braces, and the one place that prints and quotes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Argument", "Blank", "Block", "Comment", "Dialect", "Directive", "Node", "Raw", "Unquotable"]


class Unquotable(ValueError):
    """A text that the syntax has no way to write; the message says why."""


class Raw(str):
    """An argument that is our own syntax (a placeholder, a keyword), never a user's text."""

    __slots__ = ()


Argument = str | Raw


@dataclass(frozen=True, slots=True)
class Directive:
    """A name and its arguments, on one line."""

    name: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A head, one or more words or none, and what stands in its braces."""

    head: tuple[Argument, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    """A line for readers."""

    text: str


@dataclass(frozen=True, slots=True)
class Blank:
    """An empty line."""


Node = Directive | Block | Comment | Blank


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of files writes words: `quote` is the only door for a user's text."""

    quote: Callable[[str], str]
    end: str = ""
    indent: str = "\t"

    def print(self, nodes: tuple[Node, ...]) -> str:
        """Return the text of a tree."""
        return "\n".join(self._lines(nodes, 0)) + "\n"

    def _words(self, words: tuple[Argument, ...]) -> str:
        return " ".join(str(word) if isinstance(word, Raw) else self.quote(word) for word in words)

    def _lines(self, nodes: tuple[Node, ...], depth: int) -> Iterator[str]:
        margin = self.indent * depth
        for node in nodes:
            match node:
                case Directive(name, arguments):
                    yield margin + " ".join(filter(None, (name, self._words(arguments)))) + self.end
                case Block(head, body):
                    yield margin + " ".join(filter(None, (self._words(head), "{")))
                    yield from self._lines(body, depth + 1)
                    yield margin + "}"
                case Comment(text):
                    yield f"{margin}# {text}"
                case Blank():
                    yield ""
