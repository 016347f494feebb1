"""`verify`: what a rendered site, or a running stack, really does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxyconf.cli.app import Set, app, opened
from proxyconf.cli.console import USAGE, Stop

__all__: list[str] = []


@app.command
def verify(
    site: Annotated[Path | None, Parameter(help="The site file; without one give --url.")] = None,
    *,
    url: Annotated[str | None, Parameter(help="Probe a running stack from outside: https://HOST[:PORT][/PATH].")] = None,
    target: Annotated[tuple[str, ...], Parameter(negative="", help="Only these proxies. Default: the site's targets.")] = (),
    image: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Run the proxy in this container image: `nginx:1.31`, or `envoy=envoyproxy/envoy:v1.40.0`."),
    ] = (),
    server: Annotated[str, Parameter(help="What answers behind the proxy: `origin`, `appserver`, `hypercorn`, `uvicorn`, ...")] = "origin",
    app_: Annotated[
        str | None, Parameter(name="--app", help="Your own application, as module:attribute; probes that need an origin are skipped.")
    ] = None,
    site_name: Annotated[str, Parameter(name="--hostname", help="The site of this name. Default: the file's first.")] = "",
    probe: Annotated[tuple[str, ...], Parameter(negative="", help="Only these probes.")] = (),
    connect_to: Annotated[str | None, Parameter(help="With --url: the address to connect to.")] = None,
    ca: Annotated[Path | None, Parameter(help="With --url: the CA to trust, as a PEM file.")] = None,
    insecure: Annotated[bool, Parameter(negative="", help="With --url: trust any certificate.")] = False,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write JSON, JUnit and HTML reports, configuration and logs here.")
    ] = None,
    list_: Annotated[bool, Parameter(name="--list", negative="", help="List the probes and what each expects.")] = False,
    set_: Set = (),
) -> int:
    """Run the real proxy on this machine, or look at a running one, and prove what it does."""
    from proxyconf.cli import verify as verifying

    if list_:
        return verifying.listing()
    if (site is None) == (url is None):
        raise Stop(USAGE, "proxyconf: verify takes a site file or --url, one of the two")
    if url is not None and image:
        raise Stop(USAGE, "proxyconf: --image runs a site file; --url probes what runs already")
    wanted = verifying.Wanted(target, server, app_, site_name, probe, output, image)
    if url is not None:
        return verifying.outside(url, wanted, verifying.Trust(connect_to, ca, insecure))
    assert site is not None
    return verifying.site(opened(site, set_), wanted)
