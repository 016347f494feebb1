"""`fmt` and `migrate`: a site file in one style and one version, its comments kept, its meaning proved the same."""

from __future__ import annotations

import io

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from proxyconf.document.findings import SiteError
from proxyconf.document.yaml import Document, parse
from proxyconf.spec.read import multiline

__all__ = ["NEWEST", "formatted", "migrated"]

NEWEST = 1
"""The newest version of the format."""
_WIDTH = 120


def formatted(name: str, raw: bytes) -> str:
    """Return a site file in one style: two spaces, lists under their key, no spaces at line ends. Raises SiteError."""
    before = _read(name, raw)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=2, offset=0)
    out = io.StringIO()
    try:
        yaml.dump(yaml.load(raw.decode("utf-8-sig")), out)
    except YAMLError as error:
        raise AssertionError(f"ruamel.yaml reads what the strict reader reads: {error}") from error
    text = "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
    if _read(name, text.encode()).data != before.data:
        raise AssertionError("the style of a file is no part of its meaning")
    return text


def migrated(name: str, raw: bytes) -> str:
    """Return a site file of an older version in the newest. Raises SiteError."""
    document = _read(name, raw)
    # Version 1 is the first; a file that says nothing is one of it.
    if isinstance(document.data, dict) and "version" not in document.data:
        return f"version: {NEWEST}\n{raw.decode('utf-8-sig')}"
    return raw.decode("utf-8-sig")


class _Anything(dict[str, str]):
    """Variables that have a value, whatever their name: the text of a file is formatted, not its values."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"${{{name}}}"


def _read(name: str, raw: bytes) -> Document:
    document = parse(name, raw, _Anything(), multiline)
    if document.findings:
        raise SiteError(name, document.findings, document.find)
    return document
