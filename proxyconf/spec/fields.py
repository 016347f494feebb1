"""What all models are made of: the base class, and one annotated type per kind of value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from proxyconf.spec.addresses import ListenAddress, ServerAddress, control, network, peer
from proxyconf.spec.names import (
    absolute_path,
    application,
    cookie_name,
    field_name,
    field_value,
    grpc_name,
    hostname,
    identifier,
    method,
    origin,
    proxy_version,
    regex,
    token,
    url_path,
    user_name,
)
from proxyconf.spec.units import Duration, Rate, Size

__all__ = [
    "Addresses", "App", "Bool", "Bytes", "Control", "CookieName", "Count", "Exclusive", "FieldName", "FieldValue", "FilePath",
    "GrpcName", "Hostname", "Identifier", "Limit", "Listen", "Many", "Method", "Model", "Network", "Origin", "OutOfBounds", "Peer",
    "PortNumber", "Reach", "Regex", "RequestRate", "Status", "Statuses", "StreamCount", "Text", "Time", "TimeOrOff", "Token",
    "Trusted", "UrlPath", "UserName", "Version", "Weight", "Workers", "many", "off", "short",
]  # fmt: skip

T = TypeVar("T")
_VARIABLE = r"|\$\{"  # an editor cannot know what ${NAME} will be


class Exclusive(ValueError):
    """Keys that exclude or need each other."""


class OutOfBounds(ValueError):
    """A number outside its bounds."""


class Model(BaseModel):
    """What all parts share: no unknown keys, no silent conversions, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    merges: ClassVar[bool] = False
    """Whether a route's keys are laid over the site's one by one; otherwise the route's value replaces the whole."""


def _schema(description: str, pattern: str = "", example: str = "", kind: str = "string") -> WithJsonSchema:
    schema: dict[str, Any] = {"type": kind, "description": description}
    if pattern:
        schema["pattern"] = f"{pattern}{_VARIABLE}"
    if example:
        schema["examples"] = [example]
    return WithJsonSchema(schema)


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false, without quotes")
    return value


def _whole(low: int, high: int, what: str = "whole number") -> tuple[PlainValidator, WithJsonSchema]:
    """Return what makes `int` a whole number within bounds."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"a {what} from {low} to {high}, without quotes")
        if not low <= value <= high:
            raise OutOfBounds(f"a {what} from {low} to {high}")
        return value

    return PlainValidator(read, json_schema_input_type=int), WithJsonSchema(
        {"type": "integer", "minimum": low, "maximum": high, "description": f"{what} from {low} to {high}"}
    )


def short(read: Callable[[object], object], *also: Any) -> BeforeValidator:
    """Return the validator that turns a short form into the long one; `also` is what a schema allows besides."""
    kinds: Any = also[0] if also else Any
    for kind in also[1:]:
        kinds = kinds | kind
    return BeforeValidator(read, json_schema_input_type=kinds)


def off(value: object) -> object:
    """Read the word `off` as None."""
    return None if value == "off" else value


def one_or_many(value: object) -> object:
    """Read one text as a list of one."""
    return [value] if isinstance(value, str) else value


def many(kind: Any) -> BeforeValidator:
    """Return the validator that reads one text as a list of one."""
    return BeforeValidator(one_or_many, json_schema_input_type=str | list[kind])


_text = PlainSerializer(str, return_type=str)


SETS = ("private", "loopback", "cloudflare", "any")


def _trusted(value: object) -> str:
    if isinstance(value, str) and value in SETS:
        return value
    text = network(value)
    if text in ("0.0.0.0/0", "::/0"):
        raise ValueError("this trusts everybody who reaches the listener; if that is meant write `any`")
    return text


def _plain_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text; put it in quotes")
    return value


Many = Annotated[tuple[T, ...], Field(strict=False)]
Text = Annotated[str, PlainValidator(_plain_text), _schema("text")]
Time = Annotated[Duration, PlainValidator(Duration.parse), _text, _schema("duration", Duration.PATTERN, "30s")]
TimeOrOff = Annotated[
    Duration,
    PlainValidator(Duration.parse_or_off),
    _text,
    _schema("duration or `off`", f"{Duration.PATTERN}|^off$", "30s"),
]
Bytes = Annotated[Size, PlainValidator(Size.parse), _text, _schema("size", Size.PATTERN, "20MiB")]
Limit = Annotated[
    Size,
    PlainValidator(Size.parse_limit),
    _text,
    _schema("size or `unlimited`", f"{Size.PATTERN}|^unlimited$", "20MiB"),
]
RequestRate = Annotated[Rate, PlainValidator(Rate.parse), _text, _schema("requests per s, m or h", Rate.PATTERN, "20/s")]
Listen = Annotated[
    ListenAddress, PlainValidator(ListenAddress.parse), _text, _schema("IP:PORT or :PORT", example="[::]:443")
]
Reach = Annotated[
    ServerAddress,
    PlainValidator(ServerAddress.parse),
    _text,
    _schema("HOST:PORT or unix:/PATH", example="127.0.0.1:8000"),
]
Trusted = Annotated[
    str, PlainValidator(_trusted), _schema(f"network, or {', '.join(f'`{name}`' for name in SETS)}", example="private")
]
PortNumber = Annotated[int, *_whole(1, 65535, "port")]
Count = Annotated[int, *_whole(1, 1_000_000)]
StreamCount = Annotated[int, *_whole(1, 2**31 - 1)]
Weight = Annotated[int, *_whole(1, 256)]
Workers = Annotated[int, *_whole(1, 1024)]
Status = Annotated[int, *_whole(100, 599, "status")]
Statuses = Annotated[tuple[Status, ...], Field(strict=False, min_length=1)]
Bool = Annotated[
    bool,
    PlainValidator(_bool, json_schema_input_type=bool),
    WithJsonSchema({"type": "boolean", "description": "`true` or `false`"}),
]
Addresses = Annotated[tuple[Listen, ...], Field(strict=False, min_length=1), many(Listen)]
Hostname = Annotated[str, PlainValidator(hostname), _schema("host name", example="shop.example")]
FilePath = Annotated[str, PlainValidator(absolute_path), _schema("absolute path", "^/", "/etc/ssl/shop.pem")]
Network = Annotated[str, PlainValidator(network), _schema("address or network", example="10.0.0.0/8")]
Peer = Annotated[str, PlainValidator(peer), _schema("address, network or `unix`", example="10.0.0.2")]
Control = Annotated[str, PlainValidator(control), _schema("`off` or unix:/PATH", example="unix:/run/caddy/admin.sock")]
App = Annotated[str, PlainValidator(application), _schema("module:attribute", example="shop.asgi:app")]
GrpcName = Annotated[str, PlainValidator(grpc_name), _schema("gRPC name", example="shop.v1.Cart")]
UserName = Annotated[str, PlainValidator(user_name), _schema("user", "^[a-z_][a-z0-9_-]*$", "www-data")]
Version = Annotated[str, PlainValidator(proxy_version), _schema("version or `auto`", example="2.11.7")]
Identifier = Annotated[str, PlainValidator(identifier), _schema("name", "^[A-Za-z][A-Za-z0-9_-]*$", "app")]
FieldName = Annotated[str, PlainValidator(field_name), _schema("header field", "^[A-Za-z][A-Za-z0-9-]*$", "X-Scheme")]
FieldValue = Annotated[str, PlainValidator(field_value), _schema("header value", example="nosniff")]
CookieName = Annotated[str, PlainValidator(cookie_name), _schema("cookie name", "^[A-Za-z0-9_-]+$", "srv")]
Token = Annotated[str, PlainValidator(token), _schema("word", example="v2")]
Method = Annotated[str, PlainValidator(method), _schema("method", "^[A-Z]+$", "GET")]
UrlPath = Annotated[str, PlainValidator(url_path), _schema("path of a URL", "^/", "/static/")]
Regex = Annotated[str, PlainValidator(regex), _schema("regular expression", r"^\^/", "^/api/v[0-9]+/")]
Origin = Annotated[str, PlainValidator(origin), _schema("origin or `*`", example="https://admin.shop.example")]
