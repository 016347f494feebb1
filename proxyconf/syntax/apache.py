r"""httpd.conf's words: how a user's text reaches Apache byte for byte, or is refused.

The first reader replaces `${NAME}` in a whole line, quoted or not, and knows no escape: a defined name that holds a
dollar sign stands in for one. The second splits words; in double quotes a backslash is eaten before `"` and `\` only.
Then the directive reads its word: `RequestHeader` and `Header` replace `%` and unescape `\` (`formatted`). `RewriteRule` and
`RewriteCond` split words by themselves, and a quote ends one whatever stands before it; they take patterns as regular
expressions (`pattern`), and replace `$1`, `%1` and `%{NAME}` elsewhere, where any character may be escaped (`substitution`).
"""

from __future__ import annotations

import re

from proxyconf.syntax.words import Raw, Syntax, Unquotable

__all__ = ["APACHE", "DOLLAR", "escaped", "formatted", "pattern", "quote", "substitution"]

DOLLAR = "${DOLLAR}"
_PLAIN = re.compile(r"[A-Za-z0-9/._:@=*,+-]*[A-Za-z0-9/._:@=*,+]", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def quote(text: str) -> str:
    """Return one word that Apache reads as `text`, or raise `Unquotable`."""
    return text if _PLAIN.fullmatch(text) else _quoted(text).replace("$", DOLLAR)


def formatted(text: str) -> Raw:
    """Return one word that `Header` and `RequestHeader` read as `text`; it must not begin with `expr=`."""
    return Raw(quote(text.replace("\\", "\\\\").replace("%", "%%")))


def substitution(*parts: str) -> Raw:
    """Return one word that `RewriteRule` or `RewriteCond` expands, made of texts and of `Raw` references and variables."""
    joined = "".join(part if type(part) is Raw else _escape(_printable(part), "\\$% ") for part in parts)
    # A backslash would take the space behind the word for its own; a name that nobody defines stands between.
    end = "%{ENV:NOTHING}" if joined.endswith("\\") else ""
    return Raw(joined.replace("${", f"{DOLLAR}{{") + end)


def pattern(expression: str) -> Raw:
    """Return a regular expression as one word of `RewriteRule` or `RewriteCond`, which know no escape for a quote."""
    without_quotes = re.sub(r'\\?"|\\.', lambda found: r"\x22" if found[0].endswith('"') else found[0], _printable(expression))
    return Raw(f'"{without_quotes}"'.replace("${", f"{DOLLAR}{{"))


def escaped(text: str) -> str:
    """Return a regular expression that matches a text and nothing else."""
    return _escape(text, "\\.^$*+?()[]{}|")


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise Unquotable("a control character cannot be written in Apache's configuration")
    return text


def _escape(text: str, special: str) -> str:
    return "".join(f"\\{char}" if char in special else char for char in text)


def _quoted(text: str) -> str:
    # A backslash stays one before anything but a quote, a backslash and the end.
    return '"' + re.sub(r'\\(?=[\\"]|\Z)', r"\\\\", _printable(text)).replace('"', '\\"') + '"'


APACHE = Syntax("Apache httpd", quote)
