"""Strict YAML: plain data with a place for every key and value, and all that is wrong with it.

YAML 1.2's booleans and numbers (`no` is text, `0440` and `22:22` too), no duplicate keys, no tags;
anchors and aliases are understood, within bounds. `${NAME}` is replaced in values, never in keys,
and what it brings in stays one value: it cannot add keys or lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from typing import Any, cast

from yaml.composer import Composer
from yaml.error import MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from proxyconf.document.findings import Finding, Path, Place, Rule, shown

__all__ = ["Document", "parse"]

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
MAX_DEPTH = 40

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")
_TEXT, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float"))
_BOOL, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("bool", "null"))


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to its nodes, with the scalars of YAML 1.2."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)


def _scalars(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z", re.ASCII), list(first))


_scalars(_NULL, "null|Null|NULL|~", "nN~")
_Loader.add_implicit_resolver(_NULL, re.compile(r"\Z"), [""])
_scalars(_BOOL, "true|True|TRUE|false|False|FALSE", "tTfF")
_scalars(_INT, r"[-+]?(?:0|[1-9][0-9]{0,17})", "-+0123456789")
_scalars(_FLOAT, r"[-+]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})(?:[eE][-+]?[0-9]{1,2})?", "-+0123456789")


@dataclass(slots=True)
class Document:
    """A file as read: its data, where each piece of it stands, and what is wrong so far."""

    name: str
    digest: str
    data: object = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    """The variables that were replaced, with their values."""

    def find(self, finding: Finding) -> Place:
        """Return where a finding stands: its own place, or that of its nearest known ancestor."""
        if finding.place is not None:
            return finding.place
        first, second = (self.keys, self.values) if finding.key else (self.values, self.keys)
        path = finding.path
        while path:
            if place := first.get(path) or second.get(path):
                return place
            path = path[:-1]
        return self.values.get((), Place(1, 1))

    def faulty(self, path: Path) -> bool:
        """Whether something is already said about this path or what holds it."""
        said = {finding.path for finding in self.findings if finding.path}
        return any(path[:length] in said for length in range(1, len(path) + 1))

    def report(self, rule: Rule, path: Path, message: str, place: Place | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(rule, path, message, place))


def parse(
    name: str, raw: bytes, variables: Mapping[str, str], multiline: Callable[[Path], bool] = lambda path: False
) -> Document:
    """Read a file; what is wrong is in `findings`, and `data` holds what could be read.

    `multiline` says of a path whether its text may hold line breaks and tabs; nothing else may.
    """
    document = Document(name, sha256(raw).hexdigest())
    if len(raw) > MAX_BYTES:
        document.report(Rule.TOO_LARGE, (), f"the file has more than {MAX_BYTES} bytes; a site file is small")
        return document
    text = _decoded(document, raw)
    if text is None:
        return document
    node = _composed(document, text)
    if node is not None:
        _Builder(document, variables, multiline).start(node)
    elif not document.findings:
        document.report(
            Rule.YAML, (),
            'the file is empty; the smallest site: sites: [{hostnames: [shop.example], upstream: "h2c://127.0.0.1:8000"}]',
        )  # fmt: skip
    return document


def _decoded(document: Document, raw: bytes) -> str | None:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        document.report(Rule.YAML, (), "not UTF-8; save the file as UTF-8", _place_after(before))
        return None
    # Line breaks to PyYAML and to no editor: what follows would not be what is seen.
    if hidden := re.search("[\x85\u2028\u2029]", text):
        message = "a hidden line break (U+0085, U+2028 or U+2029); remove it"
        document.report(Rule.CONTROL_CHARACTER, (), message, _place_after(text[: hidden.start()]))
        return None
    return text


def _place_after(before: str) -> Place:
    last = before.rpartition("\n")[2]
    return Place(before.count("\n") + 1, len(last) + 1)


def _composed(document: Document, text: str) -> Node | None:
    """Return the top node, or None with the reason said."""
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except MarkedYAMLError as error:
        message, mark = _yaml_message(error)
        document.report(Rule.YAML, (), message, Place(mark.line + 1, mark.column + 1) if mark else None)
    except ReaderError as error:
        document.report(Rule.CONTROL_CHARACTER, (), "a character that YAML does not allow", _place_after(text[: error.position]))
    except RecursionError:
        document.report(Rule.TOO_LARGE, (), f"nested too deeply; at most {MAX_DEPTH} levels")
    except (ValueError, OverflowError, YAMLError):
        # PyYAML lets these out for an escape such as "\UFFFFFFFF" or a directive's huge number.
        mark = loader.get_mark() if loader else None
        place = Place(mark.line + 1, mark.column + 1) if mark else None
        document.report(Rule.YAML, (), "cannot be read as YAML here", place)
    return None


# What PyYAML says, what we say, and whether the place is where it began (or where it was noticed).
_HINTS = (
    ("found character '\\t'", "a tab; indent by spaces", False),
    ("found character '`'", "a value that begins with ` needs quotes", False),
    ("found character '@'", "a value that begins with @ needs quotes", False),
    ("found character '%'", "a value that begins with % needs quotes", False),
    ("mapping values are not allowed here", "a ': ' inside a value needs quotes", False),
    ("but found another document", "a second document; one site per file", False),
    ("found unexpected end of stream", "a quote that is opened here is never closed", True),
    ("expected alphabetic or numeric character", "a value that begins with * or & needs quotes", True),
    ("found undefined alias", "a value that begins with * needs quotes", False),
    ("expected ',' or", "a ',' or the closing bracket is missing; inside { } or [ ] a value with ${NAME} needs quotes", False),
    ("could not find expected ':'", "a key without ': '", True),
    ("expected <block end>", "the indentation does not fit what stands above", False),
)  # fmt: skip


def _yaml_message(error: MarkedYAMLError) -> tuple[str, Any]:
    """Return what is wrong in words of ours, and the mark it belongs to."""
    problem = " ".join((error.problem or "").split())
    for words, message, began in _HINTS:
        if words in problem:
            marks = (error.context_mark, error.problem_mark) if began else (error.problem_mark, error.context_mark)
            return f"not YAML: {message}", marks[0] or marks[1]
    return f"not YAML: {problem or 'it cannot be read'}", error.problem_mark or error.context_mark


class _TooLarge(Exception):
    """The aliases of a file unfold to more than a site can be."""


class _Builder:
    """Turns nodes into data, one path at a time."""

    def __init__(
        self, document: Document, variables: Mapping[str, str], multiline: Callable[[Path], bool]
    ) -> None:
        self._document = document
        self._variables = variables
        self._multiline = multiline
        self._open: list[int] = []
        self._built = 0

    def start(self, node: Node) -> None:
        try:
            self._document.data = self._build(node, ())
        except _TooLarge as error:
            self._document.data = None
            self._document.report(Rule.TOO_LARGE, (), str(error), _place(node))

    def _build(self, node: Node, path: Path) -> object:
        self._document.values.setdefault(path, _place(node))
        self._built += 1
        if self._built > MAX_NODES:
            raise _TooLarge(f"more than {MAX_NODES} values, aliases unfolded; a site file is small")
        if id(node) in self._open:
            return self._nothing(Rule.TAG, path, node, "an alias that holds itself")
        if len(self._open) > MAX_DEPTH:
            raise _TooLarge(f"nested too deeply; at most {MAX_DEPTH} levels")
        self._open.append(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return self._sequence(node, path)
            return self._scalar(cast(ScalarNode, node), path)
        finally:
            self._open.pop()

    def _wrong(self, rule: Rule, path: Path, node: Node, message: str) -> None:
        self._document.report(rule, path, message, _place(node))

    def _nothing(self, rule: Rule, path: Path, node: Node, message: str) -> object:
        """Say what is wrong; None stands for the value."""
        self._wrong(rule, path, node, message)
        return None

    def _sequence(self, node: SequenceNode, path: Path) -> object:
        if node.tag != BaseResolver.DEFAULT_SEQUENCE_TAG:
            return self._nothing(Rule.TAG, path, node, f"the tag {shown(node.tag)} is not understood; remove it")
        return [self._build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path) -> object:
        if node.tag != BaseResolver.DEFAULT_MAPPING_TAG:
            return self._nothing(Rule.TAG, path, node, f"the tag {shown(node.tag)} is not understood; remove it")
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in data:
                first = self._document.keys[(*path, key)]
                self._document.report(
                    Rule.DUPLICATE_KEY, (), f"duplicate key {shown(key)}; it stands in line {first.line} already", _place(key_node)
                )
                continue
            self._document.keys[(*path, key)] = _place(key_node)
            data[key] = self._build(value_node, (*path, key))
        return data

    def _key(self, node: Node, path: Path) -> str | None:
        if not isinstance(node, ScalarNode) or node.tag != _TEXT:
            self._document.report(Rule.KEY_FORM, (), "a key is text; put it in quotes if it is meant", _place(node))
            return None
        if _UNPRINTABLE.search(node.value):
            self._document.report(Rule.CONTROL_CHARACTER, (), "a control character in a key; remove it", _place(node))
            return None
        if "${" in node.value:
            self._document.report(Rule.KEY_FORM, (), "${NAME} is replaced in values only, not in keys", _place(node))
            return None
        return str(node.value)

    def _scalar(self, node: ScalarNode, path: Path) -> object:
        plain = node.style is None
        text = str(node.value)
        if "${" in text:
            replaced = self._replaced(text, path, node)
            if replaced is None:
                return None
            text = replaced
        if _UNPRINTABLE.search(text.replace("\n", "").replace("\t", "") if self._multiline(path) else text):
            return self._nothing(Rule.CONTROL_CHARACTER, path, node, "a control character in a value; remove it")
        self._document.written[path] = text if plain else ""
        tag = node.tag
        if plain and tag == _TEXT and text != node.value:
            tag = str(_resolver.resolve(ScalarNode, text, (True, False)))
        return self._typed(tag, text, path, node)

    def _typed(self, tag: str, text: str, path: Path, node: Node) -> object:
        if tag == _TEXT:
            return text
        try:
            if tag == _INT:
                return int(text)
            if tag == _FLOAT:
                return float(text)
        except ValueError:
            return self._nothing(Rule.WRONG_FORM, path, node, f"not a number: {shown(text)}")
        if tag == _BOOL and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if tag == _NULL:
            return self._nothing(Rule.NO_VALUE, path, node, "no value here; give one, write {} for the defaults, or remove the key")
        return self._nothing(Rule.TAG, path, node, f"the tag {shown(tag)} is not understood; remove it")

    def _replaced(self, text: str, path: Path, node: Node) -> str | None:
        """Return the text with its variables in place, or None with the reason said."""
        before = len(self._document.findings)

        def value(match: re.Match[str]) -> str:
            if match.group(1) is None:
                return "${"
            name, default_mark, default = match.group(1).partition(":-")
            if not match.group(0).endswith("}") or not _NAME.fullmatch(name):
                form = "write ${NAME} or ${NAME:-default}, or $${ for a plain ${"
                self._wrong(Rule.VARIABLE, path, node, f"not a variable: {shown(match.group(0))}; {form}")
                return ""
            if name in self._variables:
                self._document.variables[name] = self._variables[name]
                return self._variables[name]
            if not default_mark:
                near = get_close_matches(name, self._variables, n=1, cutoff=0.6)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                message = f"${{{name}}} has no value; give one with --set {name}=VALUE or in the environment{hint}"
                self._wrong(Rule.VARIABLE, path, node, message)
            return default

        result = _VARIABLE.sub(value, text)
        return result if len(self._document.findings) == before else None


_resolver: Any = _Loader("")


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
