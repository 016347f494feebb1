"""Listeners: what is bound, what is left on the disk, and every address that cannot be had, by real sockets."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

import appserver.net.listeners as module
from appserver.errors import ConfigError
from appserver.net.listeners import Listener, ListenerSettings, open_all
from appserver.net.peer import TrustList

MODE = "0660"
SETTINGS = ListenerSettings(TrustList([]))


@contextmanager
def opened(*binds: str, mode: str = MODE) -> Iterator[list[Listener]]:
    listeners = open_all(binds, mode, SETTINGS)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def refused(*binds: str, mode: str = MODE) -> str:
    with pytest.raises(ConfigError) as caught:
        open_all(binds, mode, SETTINGS)
    return str(caught.value)


def other_server(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen(1)
    return server


@pytest.fixture
def busy() -> Iterator[int]:
    """A port somebody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


# TCP


def test_a_free_port_is_told() -> None:
    with opened("127.0.0.1:0") as (listener,):
        port = listener.sock.getsockname()[1]
        assert str(listener) == f"http://127.0.0.1:{port}"
        assert port
        listener.sock.listen()
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_bound_socket_does_not_listen_yet() -> None:
    with (
        opened("127.0.0.1:0") as (listener,),
        socket.socket() as client,
        pytest.raises(ConnectionRefusedError),
    ):
        client.connect(listener.sock.getsockname())


def test_several_addresses() -> None:
    with opened("127.0.0.1:0", "127.0.0.2:0") as listeners:
        assert [listener.sock.getsockname()[0] for listener in listeners] == ["127.0.0.1", "127.0.0.2"]


def test_a_name_may_be_several_addresses() -> None:
    with opened("localhost:0") as listeners:
        assert {listener.sock.getsockname()[0] for listener in listeners} <= {"127.0.0.1", "::1"}
        assert len({listener.sock.getsockname()[1] for listener in listeners}) == 1


def test_every_interface_is_one_port_for_both_families() -> None:
    with opened(":0") as listeners:
        names = [listener.sock.getsockname() for listener in listeners]
        assert len({name[1] for name in names}) == 1
        assert {name[0] for name in names} <= {"0.0.0.0", "::"}
        for listener in listeners:
            if listener.sock.family == socket.AF_INET6:
                assert listener.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                assert str(listener) == f"http://[::]:{names[0][1]}"


def test_a_closed_port_can_be_bound_again_at_once() -> None:
    with opened("127.0.0.1:0") as (listener,):
        port = listener.sock.getsockname()[1]
        listener.sock.listen()
        client = socket.create_connection(("127.0.0.1", port))
        listener.sock.accept()[0].close()  # TIME_WAIT is on our side
        client.close()
    with opened(f"127.0.0.1:{port}") as (again,):
        assert again.sock.getsockname()[1] == port


def test_a_port_in_use(busy: int) -> None:
    assert refused(f"127.0.0.1:{busy}") == (
        f"server.bind 127.0.0.1:{busy}: the address is in use; stop what listens there or choose another port"
    )


def test_nothing_stays_bound_when_one_cannot_be_had(busy: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    path = tmp_path / "app.sock"

    refused(f"127.0.0.1:{free}", f"unix:{path}", f"127.0.0.1:{busy}")

    assert not path.exists()
    socket.create_server(("127.0.0.1", free)).close()


def test_an_address_this_machine_does_not_have() -> None:
    assert refused("192.0.2.1:0") == "server.bind 192.0.2.1:0: this machine does not have that address"


def test_a_host_that_is_not_known() -> None:
    assert refused("host.invalid:0").startswith("server.bind host.invalid:0: the host is not known (")


@pytest.mark.parametrize("second", ["127.0.0.1:{port}", ":{port}", "localhost:{port}"])
def test_an_address_given_twice(second: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    second = second.format(port=port)

    message = refused(f"127.0.0.1:{port}", second)

    assert message.startswith(f"server.bind {second}: 127.0.0.1:{port} is bound already")


def test_a_port_that_is_not_permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidding(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "socket", patched(socket=Forbidding))

    assert refused("127.0.0.1:80") == (
        "server.bind 127.0.0.1:80: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE, choose a higher one"
    )


def test_a_kernel_without_ipv6_still_has_every_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnlyIPv4(socket.socket):
        def __init__(self, family: int = -1, kind: int = -1, proto: int = -1, fileno: int | None = None) -> None:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, kind, proto, fileno)

    monkeypatch.setattr(module, "socket", patched(socket=OnlyIPv4))

    with opened(":0") as listeners:
        assert [listener.sock.family for listener in listeners] == [socket.AF_INET]
    assert refused("[::1]:0") == "server.bind [::1]:0: Address family not supported by protocol"


def patched(**names: object) -> ModuleType:
    """Return the module `socket` with other names in it."""
    copy = ModuleType("socket")
    vars(copy).update(vars(socket), **names)
    return copy


# Unix sockets


@pytest.mark.parametrize("mode", ["0660", "600", "0777", "0000"])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_unix_socket_has_its_mode_from_the_start(tmp_path: Path, mode: str, umask: int) -> None:
    path = tmp_path / "app.sock"
    before = os.umask(umask)
    try:
        with opened(f"unix:{path}", mode=mode) as (listener,):
            assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
            assert str(listener) == f"unix:{path}"
        assert os.umask(umask) == umask
    finally:
        os.umask(before)


def test_a_unix_path_goes_with_its_listener(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with opened(f"unix:{path}"):
        assert path.is_socket()

    assert not path.exists()


def test_a_path_that_is_gone_already_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with opened(f"unix:{path}"):
        path.unlink()


def test_a_path_that_another_has_taken_over_is_left(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with opened(f"unix:{path}"):
        path.rename(tmp_path / "old")  # its inode stays in use, so that the next one is another
        successor = other_server(path)

    assert path.is_socket()
    successor.close()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    other_server(path).close()

    with opened(f"unix:{path}") as (listener,):
        listener.sock.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert path.is_socket()


def test_a_socket_that_somebody_listens_on_is_left(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with closing(other_server(path)):
        assert refused(f"unix:{path}") == (
            f"server.bind unix:{path}: another server listens there; stop it or choose another path"
        )
        assert path.is_socket()


def test_a_server_that_is_too_busy_to_accept_listens_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with closing(other_server(path)) as server:
        server.listen(0)
        waiting = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            try:
                client.connect(str(path))
            except BlockingIOError:
                break
        assert "another server listens there" in refused(f"unix:{path}")
        for client in waiting:
            client.close()


@pytest.mark.parametrize("kind", ["file", "directory", "link to a file"])
def test_what_is_no_socket_is_never_removed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "app.sock"
    if kind == "directory":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    else:
        (tmp_path / "file").write_text("precious")
        path.symlink_to(tmp_path / "file")

    assert refused(f"unix:{path}") == (
        f"server.bind unix:{path}: a file that is no socket is there; remove it or choose another"
    )
    assert path.exists()


def test_a_socket_of_another_kind_is_left(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        assert refused(f"unix:{path}").startswith(f"server.bind unix:{path}: ")
        assert path.is_socket()


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    message = refused(f"unix:{tmp_path}/missing/app.sock")

    assert message.endswith("/missing/app.sock: No such file or directory; check the directory and its permissions")


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert refused(f"unix:{tmp_path}/file/app.sock").endswith("app.sock: Not a directory")


def test_the_same_path_twice(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"

    message = refused(f"unix:{path}", f"unix:{path}")

    assert message.startswith(f"server.bind unix:{path}: unix:{path} is bound already")
    assert not path.exists()


# Owners


def test_the_owner_of_a_unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[object, int, int]] = []
    monkeypatch.setattr("os.chown", lambda path, user, group: given.append((path, user, group)))
    path = tmp_path / "app.sock"
    for owner in ("root", "root:root", ":0", "12345"):
        for listener in open_all([f"unix:{path}"], MODE, SETTINGS, owner):
            listener.close()

    assert given == [(str(path), 0, -1), (str(path), 0, 0), (str(path), -1, 0), (str(path), 12345, -1)]


def test_an_owner_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chown(path: str, user: int, group: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.chown", chown)
    path = tmp_path / "app.sock"
    for owner, reason in [
        ("nobody-here", "there is no user nobody-here on this machine (unix_owner)"),
        (":nobody-here", "there is no group nobody-here on this machine (unix_owner)"),
        ("root", "it cannot be given to root (Operation not permitted); only root may give files away, others to groups"
         " of theirs"),
    ]:  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            open_all([f"unix:{path}"], MODE, SETTINGS, owner)
        assert str(caught.value) == f"server.bind unix:{path}: {reason}"
        assert not path.exists()


# What was opened before


def test_a_listener_beside_others() -> None:
    option = "a.toml:3:1 [[listener]] bind"
    with opened("127.0.0.1:0") as (first,):
        port = first.sock.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            open_all([f"127.0.0.1:{port}"], MODE, SETTINGS, option=option, beside=[first])

    assert str(caught.value).startswith(f"{option} 127.0.0.1:{port}: 127.0.0.1:{port} is bound already")


def test_a_descriptor() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as passed:
        number, port = passed.fileno(), passed.getsockname()[1]
        with opened(f"fd://{number}") as (listener,):
            assert str(listener) == f"http://127.0.0.1:{port} (fd://{number})"
            listener.listen(10)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                accepted, address = listener.sock.accept()
                accepted.close()
                assert address == client.getsockname()
        assert passed.getsockname()[1] == port


def test_the_path_of_a_passed_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with closing(other_server(path)) as passed, opened(f"fd://{passed.fileno()}") as (listener,):
        assert (listener.path, str(listener)) == (str(path), f"unix:{path} (fd://{passed.fileno()})")

    assert path.is_socket()


def test_descriptors_that_cannot_be_listened_on(tmp_path: Path) -> None:
    near, far = socket.socketpair()
    datagrams, unbound = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    with near, far, datagrams, unbound, (tmp_path / "file").open("w") as file:
        for number, reason in {
            near.fileno(): "is connected, and not to be listened on (Accept=yes of a .socket unit?)",
            file.fileno(): "is no socket",
            datagrams.fileno(): "is no stream socket of TCP or unix",
            unbound.fileno(): "is bound to no address",
            9999: "is not open (Bad file descriptor); it has to be passed by what starts us",
        }.items():
            assert refused(f"fd://{number}") == f"server.bind fd://{number}: descriptor {number} {reason}"


def test_sockets_of_a_service_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as web, closing(socket.create_server(("127.0.0.1", 0))) as health:
        monkeypatch.setattr("appserver.net.inherited.FIRST", web.fileno())
        assert health.fileno() == web.fileno() + 1, "the second is not beside the first"
        for name, value in {"FDS": "2", "PID": str(os.getpid()), "FDNAMES": "web:health"}.items():
            monkeypatch.setenv(f"LISTEN_{name}", value)
        ports = [web.getsockname()[1], health.getsockname()[1]]

        with opened("systemd") as listeners:
            assert [listener.sock.getsockname()[1] for listener in listeners] == ports
        with opened("systemd:health") as (listener,):
            assert str(listener) == f"http://127.0.0.1:{ports[1]} (systemd:health)"
        assert refused("systemd:metrics").endswith("has that name (FileDescriptorName=); there are: health, web")
        assert "is bound already" in refused("systemd", "systemd:web")
        monkeypatch.setenv("LISTEN_PID", "1")
        assert f"the sockets are for process 1, this one is {os.getpid()}" in refused("systemd")
        monkeypatch.delenv("LISTEN_FDS")
        assert refused("systemd").startswith("server.bind systemd: no socket was passed (LISTEN_FDS is not set)")
