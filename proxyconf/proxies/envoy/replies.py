"""Pages in place of bare statuses, and the access log: both know a request's route by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator

from proxyconf.proxies.envoy.headers import CLIENT
from proxyconf.proxies.envoy.tree import Tree, extension, header, typed
from proxyconf.spec.deployment import Deployment
from proxyconf.spec.observe import Logging
from proxyconf.spec.policies import ErrorPage, Errors, Maintenance
from proxyconf.syntax.yamlcpp import Shared

__all__ = ["CONTENT_TYPES", "access_log", "content_type", "local_replies", "pages_filter", "route_name"]

_TEXTS = {
    "css": "css", "csv": "csv", "htm": "html", "html": "html", "js": "javascript", "md": "markdown", "mjs": "javascript", "txt": "plain",
}  # fmt: skip
_OTHERS = {
    "avif": "image/avif", "gif": "image/gif", "gz": "application/gzip", "ico": "image/x-icon", "jpeg": "image/jpeg", "jpg": "image/jpeg",
    "json": "application/json", "map": "application/json", "mp3": "audio/mpeg", "mp4": "video/mp4", "ogg": "audio/ogg", "otf": "font/otf",
    "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml", "ttf": "font/ttf", "wasm": "application/wasm",
    "wav": "audio/wav", "webm": "video/webm", "webmanifest": "application/manifest+json", "webp": "image/webp", "woff": "font/woff",
    "woff2": "font/woff2", "xml": "application/xml", "zip": "application/zip",
}  # fmt: skip
CONTENT_TYPES = Shared({**{suffix: f"text/{kind}; charset=utf-8" for suffix, kind in _TEXTS.items()}, **_OTHERS})
"""Content types by suffix: ours and not this machine's, so that the same is written everywhere."""
_FIELDS = {
    "time": "%START_TIME%", "client_ip": CLIENT, "method": "%REQ(:METHOD)%", "host": "%REQ(:AUTHORITY)%", "path": "%REQ(:PATH)%",
    "status": "%RESPONSE_CODE%", "bytes": "%BYTES_SENT%", "duration": "%DURATION%", "protocol": "%PROTOCOL%",
    "upstream_protocol": "%UPSTREAM_PROTOCOL%", "upstream_address": "%UPSTREAM_HOST%", "user_agent": "%REQ(USER-AGENT)%",
    "referer": "%REQ(REFERER)%", "request_id": "%REQ(X-REQUEST-ID)%",
}  # fmt: skip
_COMBINED = (
    f'{CLIENT} - - [%START_TIME(%d/%b/%Y:%H:%M:%S %z)%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% %BYTES_SENT%'
    ' "%REQ(REFERER)%" "%REQ(USER-AGENT)%"\n'
)


def route_name(site: int, route: int) -> str:
    """Return the name of a route, which all that is made of it has."""
    return f"site{site}_route{route}"


def content_type(file: str) -> str:
    """Return the content type of a file by its name."""
    return str(CONTENT_TYPES.get(file.rpartition(".")[2].lower(), "application/octet-stream"))


def _condition(expression: str) -> Tree:
    """Return a condition in CEL. Everything in it is ours: names of routes, numbers."""
    return {"extension_filter": extension("cel", "access_loggers.filters.cel.v3.ExpressionFilter", expression=expression)}


def _routes(deployment: Deployment) -> Iterator[tuple[str, Maintenance | None, Errors | None]]:
    for at, site in enumerate(deployment.sites):
        for number, route in enumerate(site.routes):
            yield route_name(at, number), route.policies.maintenance, route.policies.errors


def _is_one_of(names: list[str]) -> str:
    return f"xds.route_name in {json.dumps(names)}"


def _page(file: str) -> Tree:
    """Return a page as a body; the format lends it its content type."""
    shape = {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}, "content_type": content_type(file)}
    return {"body": {"filename": file}, "body_format_override": shape}


def local_replies(deployment: Deployment) -> Tree:
    """Return what is said in place of Envoy's own answers; empty if nothing is."""
    down: dict[Maintenance, list[str]] = {}
    pages: dict[ErrorPage, list[str]] = {}
    for name, maintenance, errors in _routes(deployment):
        if maintenance is not None and maintenance.exempt:
            down.setdefault(maintenance, []).append(name)
        if errors is not None and (maintenance is None or maintenance.exempt):
            for page in errors.pages:
                pages.setdefault(page, []).append(name)
    mappers: list[Tree] = []
    for maintenance, names in down.items():
        denied = 'response.code_details.startsWith("rbac_access_denied_matched_policy[maintenance]")'
        answer = _page(maintenance.file) if maintenance.file else {"body": {"inline_string": "Service Unavailable\n"}}
        mapper: Tree = {"filter": _condition(f"{denied} && {_is_one_of(names)}"), "status_code": 503, **answer}
        if maintenance.retry_after is not None:
            mapper["headers_to_add"] = [header("retry-after", str(int(maintenance.retry_after.seconds)))]
        mappers.append(mapper)
    for page, names in pages.items():
        condition = f"response.code in {json.dumps(list(page.statuses))} && {_is_one_of(names)}"
        mappers.append({"filter": _condition(condition), **_page(page.file)})
    return {"mappers": mappers} if mappers else {}


def pages_filter(errors: Errors) -> Tree:
    """Return what the filter for an app's errors does with a route's responses."""
    matchers = []
    for page in errors.pages:
        policy = {"body": {"filename": page.file}, "body_format": _page(page.file)["body_format_override"]}
        action = extension("page", "http.custom_response.local_response_policy.v3.LocalResponsePolicy", **policy)
        status = {"name": "status", "typed_config": typed("type.matcher.v3.HttpResponseStatusCodeMatchInput")}
        singles = [{"single_predicate": {"input": status, "value_match": {"exact": str(one)}}} for one in page.statuses]
        predicate = singles[0] if len(singles) == 1 else {"or_matcher": {"predicate": singles}}
        matchers.append({"predicate": predicate, "on_match": {"action": action}})
    return typed(
        "extensions.filters.http.custom_response.v3.CustomResponse",
        custom_response_matcher={"matcher_list": {"matchers": matchers}},
    )


def access_log(deployment: Deployment, logging: Logging) -> list[Tree]:
    """Return the access log on standard output, without the routes that are not logged."""
    if logging.format == "json":
        shape: Tree = {"json_format": {name: _FIELDS[name] for name in logging.fields}}
    else:
        shape = {"text_format_source": {"inline_string": _COMBINED}}
    log = extension("envoy.access_loggers.stdout", "access_loggers.stream.v3.StdoutAccessLog", log_format=shape)
    quiet = [
        route_name(at, number)
        for at, site in enumerate(deployment.sites)
        for number, route in enumerate(site.routes) if route.policies.log == "off"
    ]  # fmt: skip
    return [{"name": log.pop("name"), **({"filter": _condition(f"!({_is_one_of(quiet)})")} if quiet else {}), **log}]
