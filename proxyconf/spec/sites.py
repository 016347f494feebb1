"""Host names and what answers them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic import model_validator as validates

from proxyconf.spec.fields import Bool, Exclusive, Hostname, Identifier, Many, Model, Time, many, short
from proxyconf.spec.policies import Policies, UpstreamName
from proxyconf.spec.routes import Route
from proxyconf.spec.units import Duration

__all__ = ["Hsts", "Site"]


class Hsts(Model):
    """Browsers are told to come by TLS only (RFC 6797)."""

    max_age: Time = Duration(31_536_000_000)
    """For how long."""
    include_subdomains: Bool = False
    """Whether the names below are meant too."""
    preload: Bool = False
    """Whether the name may go into the browsers' own lists."""


class Site(Policies):
    """Host names and what answers them."""

    hostnames: Annotated[Many[Hostname], Field(min_length=1), many(Hostname), short(lambda v: ["any"] if v == "any" else v, str, list[str])]
    """The names; `*.shop.example` stands for every name one label longer, `any` for every name of no other site."""
    listeners: Annotated[Many[Identifier], many(Identifier)] = ()
    """On which listeners. Default: all."""
    canonical: Hostname | None = None
    """The one name that the others are redirected to; 308."""
    hsts: Hsts | None = None
    """Browsers are told to come by TLS only."""
    upstream: UpstreamName | None = None
    """Which upstream answers what no route takes: its name, or short `h2c://HOST:PORT`."""
    routes: Many[Route] = ()
    """Which requests go where; the first match wins."""

    @property
    def is_any(self) -> bool:
        """Whether it stands for every name of no other site."""
        return self.hostnames == ("any",)

    @validates(mode="after")
    def _answers(self) -> Site:
        if self.upstream is None and not self.routes:
            raise Exclusive("nothing answers; add upstream: NAME or routes")
        if "any" in self.hostnames and len(self.hostnames) > 1:
            raise Exclusive("`any` stands alone; give the other names a site of their own, or remove them")
        if self.canonical and self.canonical not in self.hostnames:
            raise Exclusive(f"'canonical' is one of the host names; add {self.canonical} to them")
        return self
