"""The exception tree: whose fault it is, what the peer is told, how the process ends.

AppServerError            domain         status  exit
|-- ConfigError           configuration  -       2     an option, where it came from, the way out
|-- StartupError          configuration  -       3     the application failed to load or start
|-- PeerError             peer           400     -     the other side broke the protocol
|   `-- MalformedRequest  peer           400     -     one request is wrong; `status` says how to answer
|-- ApplicationError      application    500     -     the application broke ASGI
|   |-- UnexpectedMessage                              a message its phase does not allow
|   |-- InvalidMessage                                 a message with a value that cannot be sent
|   |-- BodyTooLong                                    more bytes than its content-length
|   `-- BodyTooShort                                   fewer bytes than its content-length
`-- ClientDisconnected    transport      -       -     also an OSError, as ASGI asks

Handlers dispatch on the class, never on the text.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AppServerError",
    "ApplicationError",
    "BodyTooLong",
    "BodyTooShort",
    "ClientDisconnected",
    "ConfigError",
    "InvalidMessage",
    "MalformedRequest",
    "PeerError",
    "StartupError",
    "UnexpectedMessage",
]


class AppServerError(Exception):
    """Anything Lasthop itself reports."""

    domain: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1


class ConfigError(AppServerError):
    """A setting that cannot be used; the message names the option, its origin and the way out."""

    domain = "configuration"
    exit_code = 2


class StartupError(AppServerError):
    """The application could not be loaded or refused to start."""

    domain = "configuration"
    exit_code = 3


class PeerError(AppServerError):
    """The peer broke the protocol."""

    domain = "peer"


class MalformedRequest(PeerError):
    """One request that is never dispatched. `status` is the answer; 0 resets the stream."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class ApplicationError(AppServerError):
    """The application broke its side of ASGI."""

    domain = "application"


class UnexpectedMessage(ApplicationError, RuntimeError):
    """A message that the phase of the exchange does not allow."""


class InvalidMessage(ApplicationError, ValueError):
    """A message with a status, field or body that must not reach the wire."""


class BodyTooLong(ApplicationError):
    """More body bytes than the declared content-length."""


class BodyTooShort(ApplicationError):
    """Fewer body bytes than the declared content-length."""


class ClientDisconnected(AppServerError, OSError):
    """The client is gone."""

    domain = "transport"
