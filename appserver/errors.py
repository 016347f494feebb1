"""The exception tree: whose fault it is, what the client is answered, how the process ends.

AppServerError               whose fault    status  exit
|-- ConfigError              configuration  -       2     an option, where it came from, the way out
|-- StartupError             configuration  -       3     the application failed to load or start
|-- RequestRefused           peer           4xx     -     a request that reaches no application
|   |-- BadRequest                          400           malformed
|   |-- Forbidden                           403           websocket.allowed_origins
|   |-- RequestTimeout                      408           head or body came too slowly
|   |-- ContentTooLarge                     413           limit.request_body
|   |-- UriTooLong                          414           limit.request_line
|   |-- UpgradeRequired                     426           a WebSocket version that is not served
|   |-- FieldsTooLarge                      431           limit.request_fields, field_size, head_size
|   |-- NotServed                           501           a method, coding or protocol that nobody here serves
|   |-- Unavailable                         503           websocket.max_per_connection
|   `-- VersionNotSupported                 505           a version, or one that is switched off
|-- ApplicationError         application    500     -     the application broke ASGI
|   |-- UnexpectedMessage                                 a message its phase does not allow
|   |-- InvalidMessage                                    a message with a value that cannot be sent
|   |-- BodyTooLong                                       more bytes than its content-length
|   `-- BodyTooShort                                      fewer bytes than its content-length, or its file
|-- Stopping                 server         503     -     the request was cut at a stop
`-- ClientDisconnected       transport      -       -     also an OSError, as ASGI asks

On the request path a refusal is its status; `error_of` finds it here. Handlers dispatch on the class, never on the text.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AppServerError",
    "ApplicationError",
    "BadRequest",
    "BodyTooLong",
    "BodyTooShort",
    "ClientDisconnected",
    "ConfigError",
    "ContentTooLarge",
    "FieldsTooLarge",
    "Forbidden",
    "InvalidMessage",
    "NotServed",
    "RequestRefused",
    "RequestTimeout",
    "StartupError",
    "Stopping",
    "Unavailable",
    "UnexpectedMessage",
    "UpgradeRequired",
    "UriTooLong",
    "VersionNotSupported",
    "error_of",
    "status_of",
]


class AppServerError(Exception):
    """Anything Lasthop itself reports."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class ConfigError(AppServerError):
    """A setting that cannot be used; the message names the option, its origin and the way out."""

    exit_code = 2


class StartupError(AppServerError):
    """The application could not be loaded or refused to start."""

    exit_code = 3


class RequestRefused(AppServerError):
    """A request that the server answers by itself."""

    status = 400


class BadRequest(RequestRefused):
    """A malformed request (RFC 9110 15.5.1)."""


class Forbidden(RequestRefused):
    """A request that is not let in, whoever asks again (RFC 9110 15.5.4)."""

    status = 403


class RequestTimeout(RequestRefused):
    """A request that came too slowly (RFC 9110 15.5.9)."""

    status = 408


class ContentTooLarge(RequestRefused):
    """A body above its limit (RFC 9110 15.5.14)."""

    status = 413


class UriTooLong(RequestRefused):
    """A target above its limit (RFC 9110 15.5.15)."""

    status = 414


class UpgradeRequired(RequestRefused):
    """A protocol version that is not served, where another is (RFC 9110 15.5.22)."""

    status = 426


class FieldsTooLarge(RequestRefused):
    """Fields above their limits (RFC 6585 5)."""

    status = 431


class NotServed(RequestRefused):
    """A method, transfer coding or protocol that is not implemented (RFC 9110 15.6.2)."""

    status = 501


class Unavailable(RequestRefused):
    """A request that there is no room for now (RFC 9110 15.6.4)."""

    status = 503


class VersionNotSupported(RequestRefused):
    """An HTTP version that is not spoken here (RFC 9110 15.6.6)."""

    status = 505


class ApplicationError(AppServerError):
    """The application broke its side of ASGI."""


class UnexpectedMessage(ApplicationError, RuntimeError):
    """A message that the phase of the exchange does not allow."""


class InvalidMessage(ApplicationError, ValueError):
    """A message with a status, field or body that must not reach the wire."""


class BodyTooLong(ApplicationError):
    """More body bytes than the declared content-length."""


class BodyTooShort(ApplicationError):
    """Fewer body bytes than the declared content-length, or than the file had that is sent."""


class Stopping(AppServerError):
    """A request that was cut because the server stops (RFC 9110 15.6.4)."""

    status = 503


class ClientDisconnected(AppServerError, OSError):
    """The client is gone."""


ANSWERED: dict[int, type[AppServerError]] = {
    error.status: error
    for error in (
        BadRequest, Forbidden, RequestTimeout, ContentTooLarge, UriTooLong, UpgradeRequired, FieldsTooLarge, NotServed,
        VersionNotSupported, ApplicationError, Stopping,
    )
}  # fmt: skip


def error_of(status: int) -> type[AppServerError]:
    """Return what the server's own answer with `status` means; KeyError if it never answers so."""
    return ANSWERED[status]


def status_of(error: BaseException) -> int:
    """Return the status to answer with if nothing was answered when `error` was raised."""
    return error.status if isinstance(error, AppServerError) else AppServerError.status
