"""The exception tree: who is at fault, what the client is answered, how the process ends, and what else each error is."""

from __future__ import annotations

import inspect
from http import HTTPStatus

import pytest

from appserver import errors
from appserver.errors import (
    ApplicationError,
    AppServerError,
    BadRequest,
    BodyTooLong,
    BodyTooShort,
    ClientDisconnected,
    ConfigError,
    ContentTooLarge,
    FieldsTooLarge,
    InvalidMessage,
    NotServed,
    RequestRefused,
    RequestTimeout,
    StartupError,
    Stopping,
    UnexpectedMessage,
    UpgradeRequired,
    UriTooLong,
    VersionNotSupported,
    error_of,
    status_of,
)

Row = tuple[type[AppServerError], tuple[type[BaseException], ...], str, int, int]
TREE: list[Row] = [
    (AppServerError, (Exception,), "internal", 500, 1),
    (ConfigError, (AppServerError,), "configuration", 500, 2),
    (StartupError, (AppServerError,), "configuration", 500, 3),
    (RequestRefused, (AppServerError,), "peer", 400, 1),
    (BadRequest, (RequestRefused,), "peer", 400, 1),
    (RequestTimeout, (RequestRefused,), "peer", 408, 1),
    (ContentTooLarge, (RequestRefused,), "peer", 413, 1),
    (UriTooLong, (RequestRefused,), "peer", 414, 1),
    (UpgradeRequired, (RequestRefused,), "peer", 426, 1),
    (FieldsTooLarge, (RequestRefused,), "peer", 431, 1),
    (NotServed, (RequestRefused,), "peer", 501, 1),
    (VersionNotSupported, (RequestRefused,), "peer", 505, 1),
    (ApplicationError, (AppServerError,), "application", 500, 1),
    (UnexpectedMessage, (ApplicationError, RuntimeError), "application", 500, 1),
    (InvalidMessage, (ApplicationError, ValueError), "application", 500, 1),
    (BodyTooLong, (ApplicationError,), "application", 500, 1),
    (BodyTooShort, (ApplicationError,), "application", 500, 1),
    (Stopping, (AppServerError,), "server", 503, 1),
    # ASGI: send() raises an OSError once the client has gone.
    (ClientDisconnected, (AppServerError, OSError), "transport", 500, 1),
]


@pytest.mark.parametrize(("error", "bases", "domain", "status", "code"), TREE, ids=[row[0].__name__ for row in TREE])
def test_the_tree(
    error: type[AppServerError], bases: tuple[type, ...], domain: str, status: int, code: int
) -> None:
    assert error.__bases__ == bases
    assert error.domain == domain
    assert error.status == status
    assert error.exit_code == code


def test_the_tree_is_whole() -> None:
    defined = {value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__}

    assert defined == {row[0] for row in TREE}
    assert sorted(errors.__all__) == sorted([*(error.__name__ for error in defined), "error_of", "status_of"])


def test_the_drawing_names_each_error() -> None:
    drawing = errors.__doc__ or ""

    assert [error.__name__ for error, *_ in TREE if error.__name__ not in drawing] == []


@pytest.mark.parametrize("status", sorted(errors.ANSWERED))
def test_each_answer_of_the_server_is_somebodys_fault(status: int) -> None:
    error = error_of(status)

    assert error.status == HTTPStatus(status)
    assert error.domain == ("peer" if status < 500 or status in (501, 505) else error.domain)
    assert error.domain in ("peer", "application", "server")


def test_the_server_gives_no_other_answer() -> None:
    with pytest.raises(KeyError):
        error_of(418)


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError(), 500), (SystemExit(), 500), (BodyTooLong(), 500), (Stopping(), 503), (NotServed(), 501)],
)
def test_the_answer_to_an_error(error: BaseException, status: int) -> None:
    assert status_of(error) == status
