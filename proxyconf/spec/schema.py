"""The JSON Schema of a site file, for editors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from proxyconf.spec.addresses import ListenAddress, ServerAddress
from proxyconf.spec.root import Spec
from proxyconf.spec.units import Duration, Rate, Size

__all__ = ["plain", "schema", "schema_text"]


def plain(value: Any) -> Any:
    """Return a default the way a site file writes it."""
    if isinstance(value, Duration | Size | Rate | ListenAddress | ServerAddress):
        return str(value)
    if isinstance(value, BaseModel):
        return {key: plain(item) for key, item in value if item not in (None, (), {})}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


class _Schema(GenerateJsonSchema):
    """Writes defaults as a site file does."""

    def encode_default(self, dft: Any) -> Any:
        return plain(dft)


def schema(proxies: Sequence[str]) -> dict[str, Any]:
    """Return the schema as data; `proxies` are the names of those that can be rendered."""
    made = Spec.model_json_schema(schema_generator=_Schema)
    made["$defs"]["Target"]["properties"]["proxy"]["enum"] = list(proxies)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Lasthop site file"}


def schema_text(proxies: Sequence[str]) -> str:
    """Return the schema as text."""
    return json.dumps(schema(proxies), indent=2, ensure_ascii=False) + "\n"
