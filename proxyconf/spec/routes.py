"""Which requests go where."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic import model_validator as validates

from proxyconf.spec.fields import (
    Bool,
    Exclusive,
    FieldName,
    FieldValue,
    FilePath,
    GrpcName,
    Many,
    Method,
    Model,
    Regex,
    Status,
    Text,
    Token,
    UrlPath,
    short,
)
from proxyconf.spec.names import regex, url_path
from proxyconf.spec.policies import Policies, UpstreamName

__all__ = ["Grpc", "Internal", "Match", "PathMatch", "RedirectTo", "Respond", "Route", "Static"]

PathKind = Literal["prefix", "exact", "regex"]


class PathMatch(Model):
    """How a path is compared."""

    type: PathKind = "prefix"
    """`prefix`: the path and what is below it. `exact`: the path alone. `regex`: a regular expression."""
    value: str
    """The path or the expression."""

    @validates(mode="after")
    def _form(self) -> PathMatch:
        (regex if self.type == "regex" else url_path)(self.value)
        return self

    def covers(self, other: PathMatch) -> bool | None:
        """Whether every path of `other` is one of these; None if nobody can tell."""
        if self.type == "regex" and other.type == "exact":
            return re.match(self.value, other.value) is not None
        if self.type == "regex" or other.type == "regex":
            if self.type == "prefix" and self.value == "/":
                return True
            if self.type == "prefix":
                return None if other.value.removeprefix("^").startswith(self.value) else False
            return self.value == other.value and self.type == other.type
        if self.type == "exact":
            return other.type == "exact" and other.value == self.value
        stem = self.value.removesuffix("/")
        if other.value.startswith(f"{stem}/"):
            return True
        # "/x" is "/x" itself and what is below it; "/x/" only what is below it.
        return other.value == stem and not self.value.endswith("/")


class Grpc(Model):
    """The calls of one gRPC service."""

    service: GrpcName
    """The service with its package, such as `shop.v1.Cart`."""
    method: GrpcName | None = None
    """One of its methods. Default: all."""


def _path(value: object) -> object:
    if isinstance(value, str):
        return {"type": "prefix", "value": value}
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        names = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}  # the Gateway API's
        return {**value, "type": names.get(value["type"], value["type"])}
    return value


class Match(Model):
    """Which requests: all that is said has to fit."""

    path: Annotated[PathMatch, short(_path, str, PathMatch)] = PathMatch(type="prefix", value="/")
    """The path."""
    methods: Many[Method] = ()
    """One of these methods."""
    headers: dict[FieldName, FieldValue] = {}
    """These fields with these values."""
    query: dict[Token, FieldValue] = {}
    """These query parameters with these values."""
    grpc: Grpc | None = None
    """The calls of one gRPC service."""

    @property
    def is_unconditional(self) -> bool:
        """Whether only the path decides."""
        return not (self.methods or self.headers or self.query)


class Static(Model):
    """Files of a folder, or one file."""

    root: FilePath | None = None
    """The folder."""
    file: FilePath | None = None
    """The one file."""
    strip_prefix: Bool = True
    """Whether the route's path is left out when the file is looked for."""
    cache_control: FieldValue | None = None
    """Cache-Control; `immutable` stands for a year of it."""
    precompressed: Many[Literal["zstd", "br", "gzip"]] = ()
    """Which ready-made siblings are served (`app.js.gz`)."""
    fallback: Literal[404, "upstream"] = 404
    """What answers where there is no such file."""
    attachment: Bool = False
    """Whether browsers save it instead of showing it; for files of users."""
    by: Literal["proxy", "appserver"] = "proxy"
    """Who serves them; `appserver` where the proxy cannot."""

    @validates(mode="after")
    def _one_source(self) -> Static:
        if self.by == "proxy" and (self.root is None) == (self.file is None):
            raise Exclusive("files come from 'root' or are one 'file', one of the two")
        return self


class Internal(Model):
    """Files that only the app may send somebody to, by X-Accel-Redirect."""

    root: FilePath
    """The folder."""


class RedirectTo(Model):
    """Another address."""

    to: FieldValue
    """A path, or a whole URL."""
    keep_rest: Bool = False
    """Whether what follows the route's path is appended."""
    status: Literal[301, 302, 303, 307, 308] = 308
    """With which status."""

    @validates(mode="after")
    def _somewhere(self) -> RedirectTo:
        if not self.to.startswith(("/", "https://", "http://")):
            raise ValueError("'to' is a path or begins with https://")
        return self


class Respond(Model):
    """A fixed answer."""

    status: Status = 200
    """The status."""
    body: Text | None = None
    """The text."""
    data: Annotated[Any, Field(alias="json")] = None
    """Data that is sent as JSON (`json`)."""
    content_type: FieldValue | None = None
    """The content type. Default: that of plain text, or of JSON."""

    @validates(mode="after")
    def _one_body(self) -> Respond:
        if self.body is not None and self.data is not None:
            raise Exclusive("'body' and 'json' exclude each other; remove one")
        return self

    @property
    def text(self) -> tuple[str, str]:
        """The body and its content type; both empty if there is none."""
        if self.data is not None:
            body = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
            return body, self.content_type or "application/json"
        return (self.body, self.content_type or "text/plain; charset=utf-8") if self.body else ("", "")


class Route(Policies):
    """Requests and what answers them: one of upstream, static, internal, redirect, respond."""

    path: UrlPath | None = None
    """Short for `match: {path: ...}`: the path and what is below it."""
    file: UrlPath | None = None
    """Short: exactly this path."""
    regex: Regex | None = None
    """Short: paths that a regular expression matches."""
    match: Match | None = None
    """Which requests."""
    upstream: UpstreamName | None = None
    """Which upstream answers: its name, or `h2c://HOST:PORT`."""
    static: Static | None = None
    """Files."""
    internal: Internal | None = None
    """Files that only the app may send somebody to."""
    redirect: RedirectTo | None = None
    """Another address."""
    respond: Respond | None = None
    """A fixed answer."""
    websocket: Bool | None = None
    """`true`: these are WebSockets, all of them. `false`: none is let through. Default: as the upstream says."""
    replace_prefix: UrlPath | None = None
    """What takes the place of the route's path on the way to the upstream."""
    tell_prefix: Bool = False
    """Whether the app is told what was replaced: X-Forwarded-Prefix, and root_path of our own server."""

    @validates(mode="after")
    def _whole(self) -> Route:
        named = [name for name in ("path", "file", "regex", "match") if getattr(self, name) is not None]
        if len(named) != 1:
            raise Exclusive("a route matches by one of path, file, regex, match" + (f"; here: {', '.join(named)}" if named else ""))
        answers = [name for name in ("static", "internal", "redirect", "respond") if getattr(self, name) is not None]
        falls_back = self.static is not None and (self.static.fallback == "upstream" or self.static.by == "appserver")
        if len(answers) > 1 or (answers and self.upstream and not falls_back):
            both = ", ".join([*answers, *(["upstream"] if self.upstream else [])])
            raise Exclusive(f"a route has one answer; here: {both}")
        if self.replace_prefix is not None and (self.path is None and (self.match is None or self.match.path.type != "prefix")):
            raise Exclusive("'replace_prefix' needs a route that matches by a prefix: path: /x/")
        return self

    @property
    def matching(self) -> Match:
        """What the route matches, short forms written out."""
        if self.match is not None:
            return self.match if self.match.grpc is None else _grpc(self.match, self.match.grpc)
        kind: PathKind = "regex" if self.regex else "exact" if self.file else "prefix"
        return Match(path=PathMatch(type=kind, value=self.regex or self.file or self.path or "/"))


def _grpc(match: Match, grpc: Grpc) -> Match:
    """Return the match with gRPC's path: /package.Service/Method."""
    path = PathMatch(type="exact", value=f"/{grpc.service}/{grpc.method}") if grpc.method else PathMatch(value=f"/{grpc.service}/")
    return match.model_copy(update={"path": path})
