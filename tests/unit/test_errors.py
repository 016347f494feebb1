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
    Forbidden,
    InvalidMessage,
    NotServed,
    RequestRefused,
    RequestTimeout,
    StartupError,
    Stopping,
    Unavailable,
    UnexpectedMessage,
    UpgradeRequired,
    UriTooLong,
    VersionNotSupported,
    error_of,
    status_of,
)

Row = tuple[type[AppServerError], tuple[type[BaseException], ...], int, int]
TREE: list[Row] = [
    (AppServerError, (Exception,), 500, 1),
    (ConfigError, (AppServerError,), 500, 2),
    (StartupError, (AppServerError,), 500, 3),
    (RequestRefused, (AppServerError,), 400, 1),
    (BadRequest, (RequestRefused,), 400, 1),
    (Forbidden, (RequestRefused,), 403, 1),
    (RequestTimeout, (RequestRefused,), 408, 1),
    (ContentTooLarge, (RequestRefused,), 413, 1),
    (UriTooLong, (RequestRefused,), 414, 1),
    (UpgradeRequired, (RequestRefused,), 426, 1),
    (FieldsTooLarge, (RequestRefused,), 431, 1),
    (NotServed, (RequestRefused,), 501, 1),
    (Unavailable, (RequestRefused,), 503, 1),
    (VersionNotSupported, (RequestRefused,), 505, 1),
    (ApplicationError, (AppServerError,), 500, 1),
    (UnexpectedMessage, (ApplicationError, RuntimeError), 500, 1),
    (InvalidMessage, (ApplicationError, ValueError), 500, 1),
    (BodyTooLong, (ApplicationError,), 500, 1),
    (BodyTooShort, (ApplicationError,), 500, 1),
    (Stopping, (AppServerError,), 503, 1),
    # ASGI: send() raises an OSError once the client has gone.
    (ClientDisconnected, (AppServerError, OSError), 500, 1),
]


@pytest.mark.parametrize(("error", "bases", "status", "code"), TREE, ids=[row[0].__name__ for row in TREE])
def test_the_tree(error: type[AppServerError], bases: tuple[type, ...], status: int, code: int) -> None:
    assert error.__bases__ == bases
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
    # A request that nobody could serve is its sender's fault, whatever class of status RFC 9110 gives it.
    assert issubclass(error, RequestRefused) == (status < 500 or status in (501, 505))
    assert issubclass(error, RequestRefused | ApplicationError | Stopping)


def test_the_server_gives_no_other_answer() -> None:
    with pytest.raises(KeyError):
        error_of(418)


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError(), 500), (SystemExit(), 500), (BodyTooLong(), 500), (Stopping(), 503), (NotServed(), 501)],
)
def test_the_answer_to_an_error(error: BaseException, status: int) -> None:
    assert status_of(error) == status
