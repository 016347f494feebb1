r"""nginx.conf's words: how a user's text reaches nginx byte for byte, or is refused.

Two readers stand in the way. The lexer splits words; in double quotes `\"` and `\\` are escapes (and `\t \r \n`).
Then most directives expand `$variables`, for which there is no escape: a variable that holds a dollar sign stands
in for one (`geo $dollar`), and a directive that expands nothing is given `literal` text instead.
"""

from __future__ import annotations

import re

from proxyconf.syntax.words import Raw, Syntax, Unquotable

__all__ = ["DOLLAR", "NGINX", "body", "joined", "literal", "pattern", "quote"]

DOLLAR = "${dollar}"
_PLAIN = re.compile(r"[A-Za-z0-9/._:*=@+,-]+", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# The lexer's buffer holds 4096 bytes (ngx_conf_file.c, NGX_CONF_BUFFER).
_MAX_BYTES = 4000


def quote(text: str) -> str:
    """Return one word that a directive with variables reads as `text`, or raise `Unquotable`."""
    if _PLAIN.fullmatch(text):
        return _bounded(text)
    return _bounded(_quoted(text).replace("$", DOLLAR))


def literal(text: str) -> Raw:
    """Return one word that a directive without variables reads as `text`."""
    return Raw(_bounded(text) if _PLAIN.fullmatch(text) else _quoted(text))


def joined(text: str, variable: Raw) -> Raw:
    """Return one word made of a text and a variable behind it."""
    if not text or _PLAIN.fullmatch(text):
        return Raw(_bounded(text + variable))
    return Raw(_bounded(f'"{_escaped(text).replace("$", DOLLAR)}{variable}"'))


def body(text: str) -> Raw:
    r"""Return a text with line breaks as one word: `\n` is an escape."""
    lines = ["\\t".join(_escaped(piece) for piece in line.split("\t")) for line in text.split("\n")]
    return Raw(_bounded('"' + "\\n".join(lines).replace("$", DOLLAR) + '"'))


def pattern(expression: str) -> Raw:
    """Return a regular expression, which holds no variables, as one word."""
    return Raw(_quoted(expression))


def _escaped(text: str) -> str:
    if _CONTROL.search(text):
        raise Unquotable("a control character cannot be written in nginx.conf")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    return _bounded(f'"{_escaped(text)}"')


def _bounded(word: str) -> str:
    if len(word.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
        raise Unquotable(f"nginx.conf has room for words of {_MAX_BYTES} bytes; put a longer text into a file")
    return word


NGINX = Syntax("nginx", quote)
