"""How long it takes to render a site file of many sites for each proxy, and which share of it the printing has.

    python -m bench.render [--sites 500] [--rounds 3] [PROXY...]

Exit 0: every proxy is within the bar. 1: one is not. Seconds are of this process's CPU: other work on the machine
does not count.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import yaml

from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import SiteFile, load
from proxyconf.syntax.templates import Templates
from proxyconf.verbs.site import bundle

__all__ = ["BAR", "Figure", "main", "measured", "site_text"]

BAR = 2.0
"""CPU seconds per proxy that may be spent on 500 sites."""
_HEAD = """\
listeners: {http: {redirect: https}, https: {tls: {certificates: [{cert: /etc/ssl/a.pem, key: /etc/ssl/a.key}]}}}
"""
_SITE = """\
- hostnames: [site{at}.example, www.site{at}.example]
  canonical: site{at}.example
  hsts: {{max_age: 1y}}
  upstream: app{at}
  limits: {{request_body: {limit}MiB}}
  headers: {{response: {{set: {{X-Frame-Options: DENY}}}}}}
  routes:
  - {{path: /api/, upstream: app{at}, limits: {{request_body: 100MiB}}}}
  - {{path: /old/, redirect: {{to: /new/, keep_rest: true}}}}
  - {{file: /health, respond: {{body: ok}}}}
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """CPU seconds of one proxy: all of it, and what Jinja2 or PyYAML took of that."""

    proxy: str
    seconds: float
    printing: float
    bytes: int
    refused: tuple[str, ...] = ()


def site_text(sites: int) -> str:
    """Return a site file with that many sites, each with an upstream and routes of its own."""
    upstreams = [f"  app{at}: {{protocol: http1, servers: ['10.0.{at // 250}.{at % 250 + 1}:8000']}}\n" for at in range(sites)]
    return _HEAD + "upstreams:\n" + "".join(upstreams) + "sites:\n" + "".join(_SITE.format(at=at, limit=at % 50 + 1) for at in range(sites))


def measured(name: str, file: SiteFile, rounds: int) -> Figure:
    """Render a site for a proxy some times and return the fastest."""
    proxy(name)  # its package is imported before the clock runs
    found = [_once(name, file) for _ in range(rounds)]
    return min(found, key=lambda figure: figure.seconds)


def _once(name: str, file: SiteFile) -> Figure:
    with _clocked(Templates, "render") as templates, _clocked(yaml, "dump") as dumps:
        began = time.process_time()
        made = bundle(name, file)
        seconds = time.process_time() - began
    refused = tuple(one.message for one in made.findings) if made.refused else ()
    return Figure(name, seconds, sum(templates) + sum(dumps), sum(map(len, made.files.values())), refused)


@contextmanager
def _clocked(owner: Any, name: str) -> Iterator[list[float]]:
    """Yield the CPU seconds of each call of a function while the context lasts."""
    spent: list[float] = []
    real: Callable[..., Any] = getattr(owner, name)

    def clocked(*args: Any, **kwargs: Any) -> Any:
        began = time.process_time()
        try:
            return real(*args, **kwargs)
        finally:
            spent.append(time.process_time() - began)

    with patch.object(owner, name, clocked):
        yield spent


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, judge."""
    parser = argparse.ArgumentParser(prog="python -m bench.render", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("proxies", nargs="*", metavar="PROXY", help=f"only these ({', '.join(names())})")
    parser.add_argument("--sites", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3, help="the fastest counts")
    given = parser.parse_args(arguments)
    if unknown := set(given.proxies) - set(names()):
        parser.error(f"there is no proxy {', '.join(sorted(unknown))}")
    if min(given.sites, given.rounds) < 1:
        parser.error("--sites and --rounds are 1 or more")
    began = time.process_time()
    file = load("site.yaml", site_text(given.sites).encode(), {})
    print(f"{given.sites} sites: read and checked in {time.process_time() - began:.2f} s (CPU), for all proxies once\n")
    print(f"{'proxy':<10} {'render':>8} {'printing':>9} {'share':>6} {'output':>9}")
    bar, late = BAR * given.sites / 500, []
    for name in given.proxies or names():
        one = measured(name, file, given.rounds)
        if one.refused:
            print(f"{name:<10} refused: {one.refused[0]}")
            continue
        print(f"{name:<10} {one.seconds:>6.2f} s {one.printing:>7.2f} s {one.printing / one.seconds:>6.0%} {one.bytes / 1024:>5.0f} KiB")
        late += [name] if one.seconds > bar else []
    print(f"\nbar: {bar:g} s each: " + (f"over it: {', '.join(late)}" if late else "met"))
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
