"""`apply`: a running proxy is given what a site file says now, and keeps what it had if it does not serve with that.

Check, write, reload, ask: whatever is red puts the files back and reloads again. A state that is written down before the
first file is replaced makes this true for a process that was killed, too: the next one puts the files back.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from proxyconf.document.findings import Finding
from proxyconf.output import transaction
from proxyconf.output.bundle import Bundle, without_banner
from proxyconf.output.files import Drift, FileError, drift, may_replace, write
from proxyconf.output.transaction import Busy
from proxyconf.programs.reload import Reload
from proxyconf.programs.run import ProgramFault, ProgramMissing
from proxyconf.proxies.contract import Program
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import SiteFile
from proxyconf.verbs import site as sites
from proxyconf.verbs.health import Health, Unhealthy, until_healthy
from proxyconf.verbs.native import let_it_check

__all__ = [
    "Busy", "Interrupted", "Narrator", "NoWay", "NotApplied", "NotRestored", "Order", "Prepared", "Refused", "apply", "changes", "prepare",
    "reloading", "repair",
]  # fmt: skip


class Refused(Exception):
    """The target cannot do what the site asks for."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep the findings."""
        super().__init__("refused")
        self.findings = tuple(findings)


class NoWay(Exception):
    """How this proxy reads its files again is not known; the text says what to add."""


class NotApplied(Exception):
    """Something was red; the proxy has what it had. The text says what was red."""


class NotRestored(Exception):
    """Something was red, and so was going back: a person has to look. The text says both."""


class Interrupted(Exception):
    """The user ended it; the proxy has what it had."""


class Narrator(Protocol):
    """Hears what is done."""

    def step(self, text: str) -> None:
        """Something was done."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted besides the site: where the proxy reads its files, and what may be left out."""

    folder: Path
    seconds: float = 10.0
    """How long the proxy may take to read its files, and then until it is healthy."""
    force: bool = False
    """Whether files that were not written here are replaced."""
    allow_missing: bool = False
    """Whether it is done without the proxy's own check where the program is not installed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is known before the first change."""

    name: str
    bundle: Bundle
    files: dict[str, str]
    reload: Reload
    health: Health | None


def reloading(
    name: str, file: SiteFile, folder: Path, command: Sequence[str] = (), pid_file: Path | None = None
) -> Reload:
    """Return how a proxy is made to read its files again: as given, as the site says, or in the proxy's own way.

    Raises `NoWay`.
    """
    wanted = next((one for one in file.spec.targets if one.proxy == name), None)
    program = proxy(name).program
    said = _words(wanted.reload, "targets: reload") if wanted and wanted.reload else ()
    place = pid_file or (Path(wanted.pid_file) if wanted and wanted.pid_file else None)
    if command or (said and pid_file is None):
        return Reload(tuple(command) or said, "", place, settle_seconds=program.settle_seconds)
    if place is not None:
        if not program.signal:
            raise NoWay(f"{name} takes no signal to read its files again; give its command: --reload COMMAND")
        return Reload((), program.signal, place, settle_seconds=program.settle_seconds)
    admin = wanted.admin.removeprefix("unix:") if wanted and wanted.admin != "off" else ""
    return _own_way(name, program, folder, admin)


def _own_way(name: str, program: Program, folder: Path, admin: str) -> Reload:
    filled = tuple(word.replace("{folder}", str(folder)).replace("{admin}", admin) for word in program.reload)
    needs_admin = any("{admin}" in word for word in program.reload)
    if needs_admin and not admin:
        raise NoWay(
            f"{name} is reloaded through its control socket, and the site gives it none; write"
            f" targets: [{{proxy: {name}, admin: unix:/run/{name}/admin.sock}}], or give a command: --reload COMMAND"
        )
    if program.pid_file and not (found := Path(program.pid_file.replace("{folder}", str(folder)))).exists():
        raise NoWay(
            f"how the running {name} is reached is not known ({found} is not there); give --pid-file FILE, a command"
            f" (--reload 'systemctl reload {name}'), or the same under targets: {{proxy: {name}, pid_file: FILE}}"
        )
    if filled and not any("{pid}" in word for word in filled):
        return Reload(
            filled, "", found if program.pid_file else None, Path(admin) if needs_admin else None,
            settle_seconds=program.settle_seconds, environment=program.environment,
        )  # fmt: skip
    if program.signal and program.pid_file:
        return Reload((), program.signal, found, settle_seconds=program.settle_seconds)
    if program.watches:
        return Reload(watches=program.watches, settle_seconds=program.settle_seconds)
    if program.signal:
        raise NoWay(
            f"how the running {name} is reached is not known; give --pid-file FILE, a command"
            f" (--reload 'systemctl reload {name}'), or the same under targets: {{proxy: {name}, pid_file: FILE}}"
        )
    raise NoWay(
        f"{name} cannot read these files again while it runs; give the command that restarts it"
        f" (--reload 'systemctl restart {name}'), or the same under targets: {{proxy: {name}, reload: COMMAND}}"
    )


def _words(text: str, where: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise NoWay(f"{where}: {error}: {text}") from error


def prepare(
    name: str, file: SiteFile, order: Order, reload: Reload, health: Health | None, narrator: Narrator
) -> Prepared:
    """Render a site and look at everything that can be looked at without a change.

    Raises `Refused`, `NoWay`, `FileError`, `ProgramFault`, `ProgramMissing`.
    """
    made = sites.rendered(file, [name])
    bundle = made.bundles[name]
    if bundle.refused:
        raise Refused(bundle.findings)
    if not order.force:
        may_replace(order.folder, made.files)
    unread = [
        one.path.name for one in drift(order.folder, made.files)
        if reload.watches and one.path.name not in reload.watches and without_banner(one.on_disk) != without_banner(one.rendered)
    ]  # fmt: skip
    if unread:
        raise NoWay(
            f"{name} reads {', '.join(unread)} only when it starts, and that is not as it will be; give the command that"
            f" restarts it: --reload 'systemctl restart {name}'"
        )
    _check(name, made.files, order.allow_missing, narrator)
    return Prepared(name, bundle, made.files, reload, health)


def _check(name: str, files: dict[str, str], allow_missing: bool, narrator: Narrator) -> None:
    try:
        words = let_it_check(name, files)
    except ProgramMissing as error:
        if not allow_missing:
            raise ProgramMissing(f"{error}; --allow-missing goes without its check") from error
        narrator.step(f"{name}: not checked by itself: {error}")
        return
    narrator.step(f"{name}: accepted by {words}" if words else f"{name}: has no command that checks its files")


def changes(order: Order, prepared: Prepared) -> list[Drift]:
    """Return what would be written, for a dry run."""
    return drift(order.folder, prepared.files)


def repair(order: Order, reload: Reload, narrator: Narrator) -> None:
    """Put back what an apply that was killed has left, if any. Raises `Busy`, `FileError`."""
    if transaction.unfinished(order.folder) is not None:
        with transaction.locked(order.folder):
            _repair(order, reload, narrator)


def _repair(order: Order, reload: Reload, narrator: Narrator) -> None:
    left = transaction.unfinished(order.folder)
    if left is None:
        return
    edited = [] if order.force else left.edited()
    if edited:
        raise FileError(
            f"{edited[0]}: an earlier apply did not finish, and this file was changed by hand since; --force puts back"
            f" what was there before it ({order.folder}/.proxyconf/previous)"
        )
    paths = left.restore()
    narrator.step(f"an earlier apply did not finish; put back: {', '.join(map(str, paths)) or 'nothing had changed'}")
    try:
        reload.run(order.seconds)
    except (ProgramFault, ProgramMissing) as error:
        narrator.step(f"it could not be reloaded with them: {error}")


def apply(order: Order, prepared: Prepared, narrator: Narrator) -> None:
    """Write, reload, ask, one at a time in a folder.

    Raises `Busy` and `FileError` (nothing was changed), `NotApplied` and `Interrupted` (the proxy has what it had),
    `NotRestored`, `ProgramFault` (nothing runs).
    """
    with transaction.locked(order.folder):
        _repair(order, prepared.reload, narrator)
        prepared.reload.ready()
        begun = transaction.begin(order.folder, prepared.files)
        try:
            for path in write(order.folder, prepared.files, force=True):
                narrator.step(str(path))
            _put_into_service(order, prepared, narrator)
        except (FileError, ProgramFault, ProgramMissing, Unhealthy) as error:
            _go_back(begun, order, prepared, str(error))
            raise NotApplied(f"{error}; the files were put back, and {prepared.name} was reloaded with them") from error
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            _go_back(begun, order, prepared, "interrupted")
            raise Interrupted(f"interrupted; the files were put back, and {prepared.name} was reloaded with them") from error
        begun.commit()


def _put_into_service(order: Order, prepared: Prepared, narrator: Narrator) -> None:
    prepared.reload.run(order.seconds)
    narrator.step(f"{prepared.name}: reloaded by {prepared.reload}")
    if prepared.health is None:
        return
    said = asyncio.run(until_healthy(prepared.health, order.seconds))
    narrator.step(f"{prepared.name}: {prepared.health.url} answers {said}")


def _go_back(begun: transaction.Transaction, order: Order, prepared: Prepared, cause: str) -> None:
    """Put back the files and reload, whatever the state is."""
    try:
        begun.restore()
    except FileError as error:
        kept = begun.folder / ".proxyconf/previous"
        raise NotRestored(f"{cause}; going back failed, too: {error}; what was there is kept in {kept}") from error
    try:
        prepared.reload.run(order.seconds)
    except (ProgramFault, ProgramMissing) as error:
        left = f"the files were put back, but {prepared.name} did not take them: {error}; start it again"
        raise NotRestored(f"{cause}; {left}") from error
