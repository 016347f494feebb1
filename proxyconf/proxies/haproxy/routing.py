"""Which requests go to which backend: named conditions, and `use_backend` lines in the order of the routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from proxyconf.proxies.haproxy.backends import Backends
from proxyconf.proxies.haproxy.plan import Use, Words
from proxyconf.proxies.haproxy.words import acl, line
from proxyconf.spec.deployment import ResolvedRoute, ResolvedSite
from proxyconf.spec.routes import Match
from proxyconf.syntax.haproxy import pattern
from proxyconf.syntax.words import Raw

__all__ = ["Routing"]

Criterion = tuple[str, tuple[str, ...]]


class Routing:
    """The conditions and choices of one frontend."""

    def __init__(self, sites: Sequence[ResolvedSite], backends: Backends) -> None:
        # Names that are written out come before those that only fit a wildcard.
        self._sites = sorted(sites, key=lambda site: (site.is_any, any(name.startswith("*.") for name in site.hostnames)))
        self._backends = backends
        self._names: dict[tuple[Criterion, ...], str] = {}
        self.acls: list[Words] = []

    @property
    def takes_any_host(self) -> bool:
        """Whether some site stands for every name."""
        return any(site.is_any for site in self._sites)

    def known_host(self) -> str:
        """Return the condition that a host name is of some site."""
        return self._hosts("known_host", [name for site in self._sites for name in site.hostnames])

    def aliases(self) -> Iterator[tuple[ResolvedSite, str]]:
        """Yield sites with a canonical name, and the condition for their other names."""
        for site in self._sites:
            if site.aliases:
                yield site, self._hosts(f"alias_of_{site.canonical}", site.aliases)

    def uses(self) -> tuple[tuple[Use, ...], Raw]:
        """Return the choices, and what takes the rest."""
        made: list[Use] = []
        for site in self._sites:
            host = () if len(self._sites) == 1 or site.is_any else (self._hosts(f"host_{site.hostnames[0]}", site.hostnames),)
            for route in site.routes:
                pair = self._backends.of(site, route)
                conditions = (*host, *self._conditions(route))
                if pair.unmeasured:
                    made.append(Use(pair.unmeasured, Raw(" ".join((*conditions, f"!{self._length_known()}")))))
                if not conditions:
                    return tuple(made), pair.measured
                made.append(Use(pair.measured, Raw(" ".join(conditions))))
            if not site.takes_everything:
                if not host:
                    return tuple(made), self._backends.not_found()
                made.append(Use(self._backends.not_found(), Raw(host[0])))
        # The last site needs no condition: a name of no site was refused before.
        return tuple(made), Raw("")

    def _length_known(self) -> str:
        """Return the condition that a request's length is announced, or that all of it is here."""
        if "length_known" not in self._names.values():
            self._names[(("length_known", ()),)] = "length_known"
            self.acls += [line("length_known internal.htx.has_eom"), line("length_known req.hdr(content-length) -m found")]
        return "length_known"

    def _hosts(self, name: str, hostnames: Sequence[str]) -> str:
        exact = tuple(one for one in hostnames if not one.startswith("*."))
        wild = tuple(f"^[^.]+{pattern(one[1:])}$" for one in hostnames if one.startswith("*."))
        criteria = (("var(txn.host) -m str", exact), ("var(txn.host) -m reg", wild))
        return self.name(name.replace("*", "any"), *(criterion for criterion in criteria if criterion[1]))

    def _conditions(self, route: ResolvedRoute) -> Iterator[str]:
        yield from self._path(route.match)
        match = route.match
        if match.methods:
            yield self.name(f"method_{'_'.join(match.methods)}"[:60], ("method", match.methods))
        for field, value in match.headers.items():
            yield self.name(f"field_{field}", (f"req.fhdr({field}) -m str", (value,)))
        for parameter, value in match.query.items():
            yield self.name(f"query_{_slug(parameter)}", (f"url_param({parameter}) -m str", (value,)))

    def _path(self, match: Match) -> Iterator[str]:
        path = match.path
        stem = f"path_{_slug(path.value)}"
        if path.type == "regex":
            yield self.name(stem, ("path -m reg", (path.value,)))
        elif path.type == "exact":
            yield self.name(stem, ("path -m str", (path.value,)))
        elif path.value != "/":
            below = path.value if path.value.endswith("/") else f"{path.value}/"
            itself = () if path.value.endswith("/") else (("path -m str", (path.value,)),)
            yield self.name(stem, *itself, ("path -m beg", (below,)))

    def name(self, stem: str, *criteria: Criterion) -> str:
        """Return the name of a condition that holds if any of its criteria does, each written once."""
        if criteria not in self._names:
            taken = set(self._names.values())
            found = next(one for at in range(1, 1_000_000) if (one := f"{stem}-{at}" if at > 1 else stem) not in taken)
            self._names[criteria] = found
            for criterion, values in criteria:
                self.acls += acl(found, criterion, values)
        return self._names[criteria]


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:40] or "root"
