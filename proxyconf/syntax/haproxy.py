r"""HAProxy's words: how a user's text reaches HAProxy byte for byte, or is refused.

The first reader splits a line into words: within `'...'` everything is itself but `'`; within `"..."` `$NAME` is
replaced by the environment and `\n`, `\"`, `\$` and `\\` are escapes. A second reader, of those arguments that are a
"log-format" (values of fields, targets of redirects), replaces `%...`; there `%%` is a percent sign. ACLs take what
begins with `-` for a flag until `--`, and `}` for an end unless they are named.
"""

from __future__ import annotations

import re

from proxyconf.syntax.words import Raw, Syntax, Unquotable

__all__ = ["HAPROXY", "body", "formatted", "pattern", "quote"]

_PLAIN = re.compile(r"[A-Za-z0-9/.:_@+=*,-]+", re.ASCII)
_PLAIN_FORMAT = re.compile(r"[A-Za-z0-9/.:_@+=*,%?()\[\]\\-]+", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: str) -> str:
    """Return one word that HAProxy reads as `text`, or raise `Unquotable`."""
    if _CONTROL.search(text):
        raise Unquotable("a control character cannot be written in HAProxy's configuration")
    return text if _PLAIN.fullmatch(text) else _strong(text)


def formatted(*parts: str) -> Raw:
    """Return one word of a log-format, made of texts and of `Raw` expressions (`%[src]`)."""
    for part in parts:
        quote(part)
    text = "".join(part if isinstance(part, Raw) else part.replace("%", "%%") for part in parts)
    return Raw(text if all(isinstance(part, Raw) or _PLAIN.fullmatch(part) for part in parts) and _PLAIN_FORMAT.fullmatch(text)
               else _strong(text))  # fmt: skip


def body(text: str) -> Raw:
    """Return a text with line breaks and tabs as one word."""
    if _CONTROL.search(re.sub("[\n\r\t]", "", text)):
        raise Unquotable("a control character other than a tab or line break cannot be written in HAProxy's configuration")
    return Raw('"' + "".join(_ESCAPES.get(char, char) for char in text) + '"')


def pattern(text: str) -> str:
    """Return a regular expression that matches a text and nothing else."""
    return re.sub(r"[^A-Za-z0-9/_~-]", r"\\\g<0>", text)


def _strong(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


HAPROXY = Syntax("HAProxy", quote)
