"""The file of a unix socket: made with its mode and owner, never taken from a server that listens there."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat

from appserver.config.grammar import UnixBind, parse_mode, parse_owner
from appserver.net.binding import BindError

__all__ = ["bound_unix", "owner_ids", "remove_if_same"]

UNCHANGED = -1  # chown(2)


def bound_unix(address: UnixBind, mode: str, owner: str) -> socket.socket:
    """Return a socket bound to the path, which nobody can connect to before it listens; raises BindError."""
    user, group = owner_ids(address, owner)
    _clear(address)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode is there from the first moment on: no window in which others may connect.
    before = os.umask(0o777 & ~parse_mode(mode))
    try:
        sock.bind(address.path)
    except OSError as error:
        sock.close()
        raise BindError(address, f"{error.strerror}; check the directory and its permissions") from None
    finally:
        os.umask(before)
    try:
        if owner:
            os.chown(address.path, user, group)
    except OSError as error:
        sock.close()
        os.unlink(address.path)
        reason = f"it cannot be given to {owner} ({error.strerror}); only root may give files away, others to groups of theirs"
        raise BindError(address, reason) from None
    return sock


def owner_ids(address: UnixBind, owner: str) -> tuple[int, int]:
    """Return the numbers of USER:GROUP, -1 for what is not given; raises BindError for a name that nobody has."""
    if not owner:
        return UNCHANGED, UNCHANGED
    user, group = parse_owner(owner)
    try:
        uid = UNCHANGED if not user else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise BindError(address, f"there is no user {user} on this machine (unix_owner)") from None
    try:
        gid = UNCHANGED if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise BindError(address, f"there is no group {group} on this machine (unix_owner)") from None
    return uid, gid


def remove_if_same(path: str, inode: int) -> None:
    """Remove the file unless another has taken its place."""
    try:
        if os.stat(path).st_ino == inode:
            os.unlink(path)
    except FileNotFoundError:
        return


def _clear(address: UnixBind) -> None:
    """Remove a stale socket; refuse anything else that is in the way."""
    try:
        if not stat.S_ISSOCK(os.lstat(address.path).st_mode):
            raise BindError(address, "a file that is no socket is there; remove it or choose another")
    except FileNotFoundError:
        return
    except OSError as error:
        raise BindError(address, error.strerror or str(error)) from None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            os.unlink(address.path)
            return
        except BlockingIOError:
            pass  # its queue is full: it listens
        except OSError as error:
            raise BindError(address, error.strerror or str(error)) from None
    raise BindError(address, "another server listens there; stop it or choose another path")
