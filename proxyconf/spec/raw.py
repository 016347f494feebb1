"""The escape hatch: text for one proxy, counted and shown, never silent."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator as validates

from proxyconf.spec.fields import Hostname, Identifier, Model, Text

__all__ = ["Raw"]


class Raw(Model):
    """Text of a proxy's own configuration, by the place it goes to."""

    server: dict[Hostname, Text] = {}
    """Within a site, by its first host name."""
    sections: dict[Identifier, Text] = {}
    """By section of the proxy's configuration; short: the section's name as a key of its own, such as `http:`."""

    @validates(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """Read every other key as the name of a section."""
        if not isinstance(value, dict):
            return value
        sections = {key: text for key, text in value.items() if key not in cls.model_fields}
        rest = {key: item for key, item in value.items() if key in cls.model_fields}
        return {**rest, "sections": {**rest.get("sections", {}), **sections}} if sections else value
