r"""The Caddyfile's words: how a user's text reaches Caddy byte for byte, or is refused.

Three readers stand in the way. Before anything else `{$` is replaced by the environment, inside quotes
and comments too, and nothing escapes it. Then the lexer splits words: backticks take everything but
backticks; in double quotes only `\"` is an escape. Then most values are searched for {placeholders}
at run time, and `\{` and `\}` are braces.
"""

from __future__ import annotations

import re

from proxyconf.syntax.words import Raw, Syntax, Unquotable

__all__ = ["CADDYFILE", "joined", "multiline", "quote"]

_PLAIN = re.compile(r"[A-Za-z0-9/.:*+%_-][A-Za-z0-9/.:*+%_=@,-]*", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BRACE = re.compile(r"[{}]")
# A backslash takes what follows it when that is a quote, a backslash or the closing quote.
_BACKSLASH_TRAP = re.compile(r'\\(["\\]|$)')


def quote(text: str) -> str:
    """Return one word of a Caddyfile that Caddy reads as `text`, or raise `Unquotable`."""
    return text if _PLAIN.fullmatch(text) else _quoted(_escaped(text))


def joined(*parts: str) -> Raw:
    """Return one word made of texts and of `Raw` placeholders."""
    if all(isinstance(part, Raw) or _PLAIN.fullmatch(part) for part in parts):
        return Raw("".join(parts))
    return Raw(_quoted("".join(part if isinstance(part, Raw) else _escaped(part) for part in parts)))


def multiline(text: str) -> Raw:
    """Return a text with line breaks as one word: a heredoc, which leaves out its own indentation."""
    lines = text.split("\n")
    if len(lines) == 1:
        return Raw(quote(text))
    mark = next(f"END{at or ''}" for at in range(len(lines) + 1) if all(f"END{at or ''}" not in line for line in lines))
    return Raw("\n".join([f"<<{mark}", *(_escaped(line.replace("\t", " ")) for line in lines), mark]))


def _escaped(text: str) -> str:
    if _CONTROL.search(text):
        raise Unquotable("a control character cannot be written in a Caddyfile")
    if "{$" in text:
        raise Unquotable("'{$' is replaced by the environment wherever it stands in a Caddyfile; use a text without it")
    return _BRACE.sub(r"\\\g<0>", text)


def _quoted(escaped: str) -> str:
    if "`" not in escaped:
        return f"`{escaped}`"
    if _BACKSLASH_TRAP.search(escaped):
        raise Unquotable(
            "a backtick together with a backslash cannot be written in a Caddyfile; use a text with one of them"
        )
    return '"' + escaped.replace('"', '\\"') + '"'


CADDYFILE = Syntax("Caddyfile", quote)
