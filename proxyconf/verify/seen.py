"""What the origin saw of one request."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Seen"]


@dataclass(slots=True)
class Seen:
    """One request as it reached the origin. Names of fields are as received, in their order."""

    id: str = ""  # the probe's own; empty for a health check or a stranger
    protocol: str = ""  # "HTTP/1.1", "HTTP/2"
    listener: str = ""
    connection: int = 0  # counted from 1 over the life of the origin; 0 where a server does not say
    peer: str = ""
    method: str = ""
    target: str = ""
    scheme: str = ""
    authority: str = ""  # the :authority pseudo-field; the Host field is among the fields
    extended: str = ""  # the :protocol pseudo-field of RFC 8441
    fields: list[tuple[str, str]] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    body_size: int = 0
    body_sha256: str = ""
    ended: str = ""  # how the request did: "whole", "cut", or empty while it runs
    answered: str = ""  # how the response did, likewise
    raw: str = ""  # the head's bytes as latin-1, of HTTP/1.1
    error: str = ""  # why it was not understood
    proxy: dict[str, Any] | None = None  # what a PROXY header said
    tls: dict[str, Any] | None = None
    client: str = ""  # whom an app server calls the client; empty for the probe origin, which believes nobody
    server: str = ""  # what answers: the probe origin, or the server that runs the probe application
    messages: list[str] = field(default_factory=list)  # of a WebSocket
    subprotocol: str = ""

    def values(self, name: str) -> list[str]:
        """Return the values of all fields of that name."""
        return [value for key, value in self.fields if key.lower() == name]

    def value(self, name: str) -> str:
        """Return the one value of a field: joined as RFC 9110 permits, empty where there is none."""
        return ", ".join(self.values(name))

    @property
    def host(self) -> str:
        """The authority the request was for: the pseudo-field, else the Host field."""
        return self.authority or self.value("host")

    def as_json(self) -> dict[str, Any]:
        """Return it for the journal's reader and for a response body."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Seen:
        """Read it back."""
        pairs = {name: [(key, value) for key, value in given[name]] for name in ("fields", "trailers")}
        return cls(**{**given, **pairs})
