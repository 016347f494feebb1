"""The files that were rendered for one target, what was said about them, and the banner at their top."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256

from proxyconf import __version__
from proxyconf.document.findings import Finding, Level

__all__ = ["Banner", "Bundle", "banner_of", "without_banner"]

_BY = "Written by proxyconf"
_CONTENT = "sha256 of what follows:"
# How a file begins a comment; what mod_asis sends has none, but a field that httpd.conf takes out again.
_MARKS = {".lua": "--", ".asis": "X-Proxyconf:"}


@dataclass(frozen=True, slots=True)
class Banner:
    """What the top of a file says of it."""

    content: str
    """The digest of the text below the banner, when it was written."""
    intact: bool
    """Whether the text below still has that digest."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a renderer made."""

    target: str
    """What it is for, such as `caddy 2.11.7`."""
    files: dict[str, str]
    """Text by file name, in the order in which they are read."""
    findings: tuple[Finding, ...] = ()
    degraded: tuple[str, ...] = field(default=())
    """Features that the target goes without: "early_hints (103 is not passed on)"."""

    @property
    def refused(self) -> bool:
        """Whether the target cannot do what the site asks for."""
        return any(finding.level in (Level.ERROR, Level.REFUSED) for finding in self.findings)

    def stamped(self, digest: str) -> Bundle:
        """Return the same with a banner in every file: what made it, for what, from what, and what it goes without."""
        return replace(self, files={name: self._banner(name, digest, text) + text for name, text in self.files.items()})

    def _banner(self, name: str, digest: str, text: str) -> str:
        lines = [
            f"{_BY} {__version__} for {self.target} from a site file with sha256 {digest}.",
            "Edit that file, not this one.",
            *(f"Goes without {words}." for words in self.degraded),
            f"{_CONTENT} {_digest(text)}",
        ]
        return "".join(f"{_mark(name)} {line}\n" for line in lines)


def banner_of(text: str) -> Banner | None:
    """Return what the banner of a file says; None if the file has none of ours."""
    lines = text.split("\n")
    mark = next((mark for mark in ("#", *_MARKS.values()) if lines[0].startswith(f"{mark} {_BY} ")), "")
    if not mark:
        return None
    for at, line in enumerate(lines):
        if line.startswith(f"{mark} {_CONTENT} "):
            content = line.removeprefix(f"{mark} {_CONTENT} ")
            return Banner(content, content == _digest("\n".join(lines[at + 1 :])))
        if not line.startswith(mark):
            break
    return Banner("", False)


def without_banner(text: str) -> str:
    """Return the text below the banner, if there is one."""
    if banner_of(text) is None:
        return text
    lines = text.split("\n")
    mark = lines[0].partition(" ")[0]
    end = next(at for at, line in enumerate(lines) if not line.startswith(f"{mark} ") or line.startswith(f"{mark} {_CONTENT} "))
    return "\n".join(lines[end + 1 :])


def _mark(name: str) -> str:
    """Return how a file of this name begins a comment."""
    return next((mark for suffix, mark in _MARKS.items() if name.endswith(suffix)), "#")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
