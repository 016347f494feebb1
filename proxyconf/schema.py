"""The JSON Schema of a site file, for editors."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from proxyconf.addresses import ListenAddress, ServerAddress
from proxyconf.render import names
from proxyconf.spec import Spec
from proxyconf.units import Duration, Size

__all__ = ["plain", "schema", "schema_text"]


def plain(value: Any) -> Any:
    """Return a default the way a site file writes it."""
    if isinstance(value, Duration | Size | ListenAddress | ServerAddress):
        return str(value)
    if isinstance(value, BaseModel):
        return {key: plain(item) for key, item in value if item not in (None, (), {})}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


class _Schema(GenerateJsonSchema):
    """Writes defaults as a site file does."""

    def encode_default(self, dft: Any) -> Any:
        return plain(dft)


def schema() -> dict[str, Any]:
    """Return the schema as data."""
    made = Spec.model_json_schema(schema_generator=_Schema)
    made["$defs"]["Target"]["properties"]["proxy"]["enum"] = list(names())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Lasthop site file"}


def schema_text() -> str:
    """Return the schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
