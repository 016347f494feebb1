"""What the proxy says about its work."""

from __future__ import annotations

from typing import Literal

from proxyconf.spec.fields import Listen, Many, Model

__all__ = ["LogField", "Logging", "Metrics", "Tracing"]

LogField = Literal[
    "time", "client_ip", "method", "host", "path", "status", "bytes", "duration", "protocol", "upstream_protocol",
    "upstream_address", "user_agent", "referer", "request_id",
]  # fmt: skip


class Logging(Model):
    """The access log, on standard output or wherever the proxy's package puts it."""

    format: Literal["json", "combined"] = "json"
    """One JSON object per request, or the format that everybody has."""
    fields: Many[LogField] = ("time", "client_ip", "method", "host", "path", "status", "bytes", "duration", "request_id")
    """What is in it, for `json`."""


class Metrics(Model):
    """Figures for Prometheus."""

    listen: Listen
    """Where they are read."""
    format: Literal["prometheus"] = "prometheus"
    """In which form."""


class Tracing(Model):
    """Fields that join the traces of several programs; they are passed on."""

    propagate: Many[Literal["traceparent", "tracestate", "baggage", "b3"]] = ("traceparent", "tracestate")
    """Which fields."""
