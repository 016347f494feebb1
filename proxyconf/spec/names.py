"""Names and texts as a site file may write them: hosts, header fields, paths, expressions."""

from __future__ import annotations

import re

__all__ = [
    "absolute_path",
    "application",
    "cookie_name",
    "field_name",
    "field_value",
    "grpc_name",
    "hostname",
    "identifier",
    "method",
    "origin",
    "proxy_version",
    "regex",
    "token",
    "url_path",
    "user_name",
]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# A server's name may be a container's, and those hold underscores.
_SERVER_LABEL = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9!#$&'*+.^`|~_-]{1,100}", re.ASCII)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}", re.ASCII)
_URL_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", re.ASCII)
_MAX_REGEX = 500


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is text; put it in quotes if it looks like something else")
    return value


def hostname(value: object, *, server: bool = False) -> str:
    """Read a host name; a leading `*.` stands for one label. A server's may hold `_`."""
    text = _text(value, "a host name").lower()
    if not text.isascii():
        raise ValueError("a host name is ASCII; write an international name in its xn-- form")
    if ":" in text or "/" in text:
        raise ValueError("a host name has no scheme, port or path; the port belongs to the listener")
    labels = (text if server else text.removeprefix("*.")).split(".")
    label = _SERVER_LABEL if server else _LABEL
    if len(text) > 253 or not all(label.fullmatch(part) for part in labels):
        raise ValueError("not a host name: letters, digits and '-' in labels joined by '.', such as shop.example")
    return text


def absolute_path(value: object) -> str:
    """Read the path of a file or folder; relative paths depend on who reads the file, so they are refused."""
    text = _text(value, "a path")
    if not text.startswith("/") or (text.endswith("/") and text != "/"):
        raise ValueError("a path begins with '/' and does not end with it")
    if ".." in text.split("/"):
        raise ValueError("a path has no '..' in it")
    return text


def proxy_version(value: object) -> str:
    """Read a proxy's version, or `auto`."""
    if not isinstance(value, str):
        raise ValueError('a version is text; write it in quotes, such as "2.11.7"')
    if value != "auto" and not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}", value, re.ASCII):
        raise ValueError('a version is up to three numbers, such as "2.11.7", or auto')
    return value


def application(value: object) -> str:
    """Read `module:attribute`."""
    text = _text(value, "an application")
    module, colon, attribute = text.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        raise ValueError("an application is module:attribute, such as shop.asgi:app")
    return text


def identifier(value: object) -> str:
    """Read a free name of the file: of an upstream, a listener, a module."""
    text = _text(value, "a name")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", text, re.ASCII):
        raise ValueError("a name begins with a letter and holds letters, digits, '_' and '-'")
    return text


def field_name(value: object) -> str:
    """Read the name of a header field; `_` is left out because proxies and servers confuse it with `-`."""
    text = _text(value, "the name of a header field")
    if not _FIELD.fullmatch(text):
        raise ValueError("the name of a header field holds letters, digits and '-', such as X-Frame-Options")
    return text


def field_value(value: object) -> str:
    """Read the value of a header field: printable ASCII (RFC 9110, section 5.5)."""
    text = _text(value, "the value of a header field")
    if text != text.strip() or not all(" " <= char <= "~" for char in text):
        raise ValueError("the value of a header field is printable ASCII without spaces at its ends")
    return text


def token(value: object) -> str:
    """Read a word of HTTP's grammar (RFC 9110, section 5.6.2)."""
    text = _text(value, "a word")
    if not _TOKEN.fullmatch(text):
        raise ValueError("one word of letters, digits and !#$&'*+.^`|~_-")
    return text


def cookie_name(value: object) -> str:
    """Read the name of a cookie."""
    text = _text(value, "the name of a cookie")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text, re.ASCII):
        raise ValueError("the name of a cookie holds letters, digits, '_' and '-'")
    return text


def method(value: object) -> str:
    """Read a request method."""
    text = _text(value, "a method")
    if not re.fullmatch(r"[A-Z]{3,20}", text, re.ASCII):
        raise ValueError("a method is written in capitals, such as GET")
    return text


def grpc_name(value: object) -> str:
    """Read the name of a gRPC service with its package, or of a method."""
    text = _text(value, "a name")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", text, re.ASCII):
        raise ValueError("a gRPC name holds letters, digits and '_' in parts joined by '.', such as shop.v1.Cart")
    return text


def user_name(value: object) -> str:
    """Read the name of a user of the machine."""
    text = _text(value, "a user")
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text, re.ASCII):
        raise ValueError("a user's name holds small letters, digits, '_' and '-', such as www-data")
    return text


def url_path(value: object) -> str:
    """Read a path of a URL, percent-encoded where it has to be (RFC 3986)."""
    text = _text(value, "a path")
    if not text.startswith("/"):
        raise ValueError("a path begins with '/'")
    if not _URL_PATH.fullmatch(text) or re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError("a path holds letters, digits, ._~!$&'()*+,;=:@-/ and %XX for everything else, no '?' or '#'")
    if ".." in text.split("/") or "." in text.split("/"):
        raise ValueError("a path has no '.' or '..' segments; clients and proxies remove them")
    if "//" in text:
        raise ValueError("a path has no '//'")
    return text


def regex(value: object) -> str:
    """Read an anchored regular expression that RE2, PCRE and Go read alike."""
    text = _text(value, "a regular expression")
    if not text.startswith("^/"):
        raise ValueError("a regular expression begins with ^/, such as ^/api/v[0-9]+/")
    if len(text) > _MAX_REGEX:
        raise ValueError(f"a regular expression has at most {_MAX_REGEX} characters")
    if not text.isascii():
        raise ValueError("a regular expression is ASCII; paths are percent-encoded")
    if re.search(r"\(\?(?!:)|\\[1-9]|[*+?}]\+", text):
        raise ValueError("no lookaround, back reference, flag or possessive quantifier: not every proxy has them; groups are (?:...)")
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


def origin(value: object) -> str:
    """Read an origin, `https://admin.shop.example`, or `*`."""
    text = _text(value, "an origin")
    if text == "*":
        return text
    scheme, mark, rest = text.partition("://")
    host, _, port = rest.partition(":")
    if scheme not in ("http", "https") or not mark or (port and not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII)):
        raise ValueError("an origin is https://HOST or https://HOST:PORT without a path, or '*'")
    hostname(host)
    return text
