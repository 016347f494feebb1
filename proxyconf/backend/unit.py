"""The systemd unit of a server: where it starts, who may open its socket, how long a stop may take."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.backend.facts import Facts
from proxyconf.backend.presets import Preset
from proxyconf.document.findings import Finding, Rule

__all__ = ["name_of", "remarks", "unit"]


def name_of(found: Facts) -> str:
    """Return the unit's name without its ending, of the application's module."""
    return found.server.app.partition(":")[0].replace(".", "-")


def unit(found: Facts, preset: Preset) -> str:
    """Return the unit; the kill comes after the server's own deadline."""
    server, folder = found.server, _folder(found)
    reloads = preset.reloads == "always" or (preset.reloads == "workers" and (server.workers or 1) > 1)
    lines = [
        "[Unit]",
        f"Description={preset.name} for {server.app}",
        "After=network.target",
        "",
        "[Service]",
        "Type=exec",
        *([f"User={server.user}"] if server.user else ["DynamicUser=yes"]),
        *([f"Group={server.group}"] if server.group else []),
        f"WorkingDirectory={_specifier(folder)}",
        f"Environment={_word(f'PATH={folder}/.venv/bin:/usr/local/bin:/usr/bin:/bin')}",
        *_sockets(found),
        f"ExecStart=/usr/bin/env {' '.join(map(_word, preset.command(found)))}",
        *(["ExecReload=/bin/kill -HUP $MAINPID"] if reloads else []),
        "KillMode=mixed",
        f"TimeoutStopSec={found.stop_seconds:g}",
        "Restart=on-failure",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        *([] if any(_below(path, "/tmp", "/var/tmp") for path in _paths(found)) else ["PrivateTmp=yes"]),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def remarks(found: Facts, preset: Preset) -> Iterator[Finding]:
    """Yield what nobody but the user can know about the machine."""
    server, where = found.server, ("appserver",)
    if server.directory is None:
        message = f"the unit starts {preset.name} in {_folder(found)}; write directory: /PATH under appserver if that is elsewhere"
        yield Finding(Rule.REMARK, where, message)
    if found.binds and any(bind.is_unix for bind in found.binds) and server.group is None:
        message = "the socket is the server's own; write group: under appserver, the proxy's group, such as www-data, or it may not open it"
        yield Finding(Rule.REMARK, where, message)
    for path in _paths(found):
        if path.count("/") == 2 and path.startswith("/run/"):
            message = f"only root may put a socket into /run; {path} should be in a folder of its own, such as /run/app/{path[5:]}"
            yield Finding(Rule.REMARK, where, message)


def _paths(found: Facts) -> list[str]:
    return [bind.path for bind in found.binds if bind.is_unix]


def _sockets(found: Facts) -> Iterator[str]:
    """Yield what a server needs to make its sockets, and what keeps others from them."""
    paths = _paths(found)
    if not paths:
        return
    yield "UMask=0007"  # the proxy's group may connect
    own = [path.split("/")[2] for path in paths if path.startswith("/run/") and path.count("/") > 2]
    yield from (f"RuntimeDirectory={folder}" for folder in dict.fromkeys(own))
    if own:
        yield "RuntimeDirectoryMode=0750"
    others = [path.rpartition("/")[0] for path in paths if not _below(path, "/run", "/tmp", "/var/tmp")]
    yield from (f"ReadWritePaths={_word(folder)}" for folder in dict.fromkeys(others))


def _below(path: str, *folders: str) -> bool:
    return path.startswith(tuple(f"{folder}/" for folder in folders))


def _folder(found: Facts) -> str:
    return found.server.directory or f"/srv/{name_of(found).partition('-')[0]}"


def _specifier(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """Quote one word of a command line as systemd reads it (systemd.syntax(7))."""
    if text and all(char.isalnum() or char in "-_./:=,+@[]*" for char in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$").replace("%", "%%")
    return f'"{escaped}"'
