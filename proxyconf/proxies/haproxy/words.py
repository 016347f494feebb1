"""Small words that several parts of a haproxy.cfg are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxyconf.proxies.haproxy.plan import Lines, Words
from proxyconf.spec.units import Duration
from proxyconf.syntax.words import Raw

__all__ = ["LONGEST", "acl", "acls", "line", "lines_of", "time"]

LONGEST = Duration(24 * 86_400_000)
"""HAProxy counts milliseconds in 31 bits: a little more than 24 days."""
_VALUES_PER_LINE = 40  # a line has at most 64 words


def time(duration: Duration) -> Raw:
    """Return a timeout; what is off or longer than HAProxy can count becomes the longest."""
    return Raw("24d") if duration.is_off or duration > LONGEST else Raw(duration)


def line(text: str, *more: str) -> Words:
    """Return a line that begins with words of ours."""
    return Raw(text), *more


def acl(name: str, criterion: str, values: Sequence[str]) -> Iterator[Words]:
    """Yield the lines of a named ACL that is true for any of some values, texts and patterns of the user among them."""
    for at in range(0, len(values), _VALUES_PER_LINE):
        yield Raw(f"{name} {criterion} --"), *values[at : at + _VALUES_PER_LINE]


def acls(name: str, criterion: str, values: Sequence[str]) -> Lines:
    """Return `acl` as a tuple."""
    return tuple(acl(name, criterion, values))


def lines_of(text: str) -> tuple[Raw, ...]:
    """Return the lines of a text that goes in as it stands."""
    return tuple(Raw(one) for one in text.splitlines())
