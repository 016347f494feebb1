"""How the requests of a route are treated, as directives of a `<Location>` or `<If>`."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.apache.clients import from_networks, written
from proxyconf.proxies.apache.plan import Words, line
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ServeFiles
from proxyconf.spec.policies import Compression, Cors, HeaderPolicy, Policies
from proxyconf.spec.routes import Static
from proxyconf.syntax.apache import escaped, formatted
from proxyconf.syntax.words import Raw, raw

__all__ = ["PAGES", "cors_lines", "door", "down", "pages", "shape"]

PAGES = "/.lasthop/pages/"
_IMMUTABLE = "public, max-age=31536000, immutable"


def set_field(name: str, value: str) -> Iterator[Words]:
    """Yield what sets a field of a response, whatever the app sent and whoever answers."""
    yield line(f"Header onsuccess unset {name}")
    yield Raw(f"Header always set {name}"), value


def shape(route: ResolvedRoute, deployment: Deployment, files: list[str], gate: Gate) -> Iterator[Words]:
    """Yield what a route does to requests and answers, to those of error pages too."""
    policies = route.policies
    yield from _compression(policies.compression, gate)
    yield from _headers(policies.headers)
    if policies.cors is not None:
        yield from cors_lines(policies.cors)
    named = deployment.trust.request_id
    if named is not None:
        yield from set_field(named.header, Raw('"%{UNIQUE_ID}e"'))
        if named.accept_from_trusted and deployment.trusted_networks:
            yield line(f'Header always set {named.header} "%{{REQUEST_NAME}}e" env=REQUEST_NAME')
    yield from pages(policies, files)
    if policies.maintenance is not None and policies.maintenance.retry_after is not None:
        condition = Raw(f'"expr=%{{REQUEST_STATUS}} -eq 503 && {down(policies)}"')
        yield Raw("Header always set Retry-After"), raw(int(policies.maintenance.retry_after.seconds)), condition
    action = route.action
    if isinstance(action, Forward) and action.upstream.options.sticky is not None:
        cookie = action.upstream.options.sticky.cookie
        secure = "; Secure" if cookie.secure else ""
        value = f'"{cookie.name}=.%{{BALANCER_WORKER_ROUTE}}e; Path=/; HttpOnly{secure}" env=BALANCER_ROUTE_CHANGED'
        yield line(f"Header add Set-Cookie {value}")
    if isinstance(action, ServeFiles):
        yield from _files(action.files)
    if policies.early_hints == "off":
        yield line("SetEnv proxy-interim-response Suppress")


def _headers(headers: HeaderPolicy) -> Iterator[Words]:
    for name, value in headers.request.set.items():
        yield Raw(f"RequestHeader set {name}"), formatted(value)
    for name in headers.request.remove:
        yield line(f"RequestHeader unset {name}")
    for name, value in headers.response.default.items():
        yield Raw(f"Header always set {name}"), formatted(value), Raw(f'"expr=-z %{{resp:{name}}}"')
    for name, value in headers.response.set.items():
        yield from set_field(name, formatted(value))
    for name in headers.response.remove:
        yield line(f"Header onsuccess unset {name}")
        yield line(f"Header always unset {name}")


def cors_lines(cors: Cors, *, preflight: bool = False) -> Iterator[Words]:
    """Yield the fields for other origins; those of a preflight are said in its answer only."""
    everybody = "*" in cors.origins
    among = f"req_novary('Origin') =~ m#^(?:{'|'.join(escaped(one) for one in cors.origins)})$#"
    known = Raw('"expr=-n req_novary(\'Origin\')"') if everybody else Raw(f'"expr={among}"')
    values = {"Access-Control-Allow-Origin": "*" if everybody else '"expr=%{req_novary:Origin}"'}
    if cors.credentials:
        values["Access-Control-Allow-Credentials"] = "true"
    if cors.expose and not preflight:
        values["Access-Control-Expose-Headers"] = f'"{", ".join(cors.expose)}"'
    if preflight:
        values["Access-Control-Allow-Methods"] = f'"{", ".join(cors.methods)}"'
        values["Access-Control-Max-Age"] = str(int(cors.max_age.seconds))
        if cors.headers:
            values["Access-Control-Allow-Headers"] = f'"{", ".join(cors.headers)}"'
    for name, value in values.items():
        yield line(f"Header onsuccess unset {name}")
        yield Raw(f"Header always set {name} {value}"), known
    if not everybody:
        yield line("Header merge Vary Origin")


def pages(policies: Policies, files: list[str]) -> Iterator[Words]:
    """Yield which file answers which error; `files` are all of a site's, by number."""
    errors, closed = policies.errors, policies.maintenance
    for page in errors.pages if errors else ():
        for status in page.statuses:
            yield line(f"ErrorDocument {status} {PAGES}{files.index(page.file)}")
    if errors is not None and errors.source == "any":
        statuses = " ".join(str(status) for page in errors.pages for status in page.statuses)
        yield line(f"ProxyErrorOverride On {statuses}")
    if closed is not None and closed.file is not None:
        yield line(f"ErrorDocument 503 {PAGES}{files.index(closed.file)}")


def _compression(compression: Compression | None, gate: Gate) -> Iterator[Words]:
    if compression is None:
        return
    kinds = "|".join(escaped(kind.removesuffix("*")) for kind in compression.types).replace("#", "\\x23")
    length = "%{resp:Content-Length}"
    fits = f"%{{CONTENT_TYPE}} =~ m#^(?:{kinds})#i && (-z {length} || {length} -ge {compression.min_length.bytes})"
    filters = {"br": ("brotli", "BROTLI_COMPRESS"), "gzip": ("gzip", "DEFLATE")}
    for encoding in compression.encodings:
        if encoding in filters and gate.can(f"compression_{encoding}"):
            name, provider = filters[encoding]
            yield Raw(f"FilterProvider {name} {provider}"), fits
            yield line(f"FilterChain {name}")


def _files(files: Static) -> Iterator[Words]:
    yield line("DirectoryIndex index.html")
    yield line("DirectorySlash Off")
    if files.cache_control is not None:
        yield Raw("Header set Cache-Control"), formatted(_IMMUTABLE if files.cache_control == "immutable" else files.cache_control)
    if files.attachment:
        yield line("Header set Content-Disposition attachment")
    if files.precompressed:
        yield line("Header merge Vary Accept-Encoding")
        yield line('Header set Content-Encoding "%{ENCODING}e" env=ENCODING')


def door(route: ResolvedRoute, prefix: str) -> Iterator[Words]:
    """Yield who may come in, and what only a request that comes from outside is given."""
    policies = route.policies
    if prefix:
        yield Raw("RequestHeader set X-Forwarded-Prefix"), formatted(prefix)
    basic = policies.auth.basic if policies.auth else None
    rules: list[Words] = []
    if policies.allow:
        rules.append((Raw("Require ip"), *written(policies.allow)))
    if basic is not None:
        yield line("AuthType Basic")
        yield Raw("AuthName"), basic.realm
        yield Raw("AuthUserFile"), basic.users_file
        rules.append(line("Require valid-user"))
    if len(rules) > 1:
        yield line("<RequireAll>")
        yield from ((Raw(f"    {first}"), *rest) for first, *rest in rules)
        yield line("</RequireAll>")
    elif rules:
        yield from rules
    elif not isinstance(route.action, Forward):
        yield line("Require all granted")


def down(policies: Policies) -> Raw:
    """Return the condition that a site under maintenance is closed for a client."""
    exempt = policies.maintenance.exempt if policies.maintenance else ()
    return Raw(f"!({from_networks('REMOTE_ADDR', exempt)})") if exempt else Raw("true")
