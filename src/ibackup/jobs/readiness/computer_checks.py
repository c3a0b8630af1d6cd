"""All the checks of this system, in order of dependency."""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ibackup.base.errors import IbackupError, StoreMissing
from ibackup.config.copy_config import CopyConfig
from ibackup.device.mux.usbmux import Usbmux, parse_address, start_hint
from ibackup.device.phones.found_phones import find
from ibackup.jobs.readiness import ready_linux, ready_mac
from ibackup.jobs.readiness.check_result import ComputerCheck
from ibackup.jobs.schedule.scheduler_choice import find as find_schedule
from ibackup.store.store import Store

_FILES = {"darwin": "mac", "win32": "windows"}
_PHONE = {
    "trusted": "ready",
    "untrusted": "does not trust this computer yet: unlock it and tap Trust when `ibackup now` asks",
    "locked": "locked: unlock it",
    "unreachable": "does not answer",
    "busy": "in use by another run of ibackup",
}


def check_all(store: Path, platform: str = sys.platform) -> Iterator[ComputerCheck]:
    """Check everything that this system needs.

    Args:
        store: where the backups go.
        platform: as ``sys.platform``.
    """
    system = importlib.import_module(f"ibackup.jobs.readiness.ready_{_FILES.get(platform, 'linux')}")
    yield from system.before()
    yield from _phones(system.NO_USBMUXD)
    yield from system.after()
    yield _schedule()
    if platform == "darwin":
        yield from ready_mac.agent(store)
    yield _store(store)


def _phones(absent: ComputerCheck) -> Iterator[ComputerCheck]:
    """The service usbmuxd, then the phones that it knows.

    Args:
        absent: what it means on this system if nothing answers, and which commands help.
    """
    try:
        Usbmux(parse_address()).devices()
    except IbackupError as error:
        yield ComputerCheck(
            "usbmuxd", absent.state, f"{error.message} {absent.text}".strip(), absent.commands
        )
        return
    yield ComputerCheck("usbmuxd", "good", "The service that talks to phones answers.")
    try:
        phones = find()
    except IbackupError as error:
        yield ComputerCheck("phone", "advice", error.message)
        return
    if not phones:
        yield ComputerCheck("phone", "advice", f"No phone is connected. {start_hint()}".strip())
    for phone in phones:
        name = phone.facts.name or phone.facts.noun
        text = f"{name} is connected, {_PHONE[phone.trust]}."
        yield ComputerCheck("phone", "good" if phone.trust == "trusted" else "advice", text)


def _schedule() -> ComputerCheck:
    if (runs := ready_linux.watch_of_container()) is not None:
        text = "This container keeps `ibackup watch` running."
        ended = "`ibackup watch` has ended, and this container starts it again soon. Its log says why."
        return (
            ComputerCheck("schedule", "good", text) if runs else ComputerCheck("schedule", "missing", ended)
        )
    try:
        found = find_schedule() or find_schedule("watch")
    except IbackupError as error:
        return ComputerCheck("schedule", "advice", error.message)
    if found is None:
        return ComputerCheck(
            "schedule",
            "advice",
            "Nothing starts backups automatically yet.",
            ("ibackup schedule install",),
        )
    if found.problem:
        return ComputerCheck("schedule", "missing", found.problem, ("ibackup schedule install",))
    if found.program == "watch":
        return ComputerCheck("schedule", "good", f"`ibackup watch` is kept running ({found.kind}).")
    when = f"every day at {found.at:%H:%M}" if found.at else "by a rule that someone has changed"
    return ComputerCheck("schedule", "good", f"Backups are started {when} ({found.kind}).")


def check_copies(copies: Sequence[CopyConfig]) -> ComputerCheck:
    """Whether the config names a second copy; without one it is only advice."""
    if copies:
        names = ", ".join(each.name for each in copies)
        return ComputerCheck("second copy", "good", f"The snapshots also go to: {names}.")
    return ComputerCheck(
        "second copy",
        "advice",
        "All backups are on one disk. If it fails, only a second copy helps: on another disk, a NAS or in a cloud.",
        ("ibackup copy add NAME --to FOLDER",),
    )


def _store(path: Path) -> ComputerCheck:
    try:
        found = Store.open(path, create=False)
    except StoreMissing as error:
        if error.why:  # a store used before is not mounted, or was written by a newer version
            return ComputerCheck("store", "missing", f"{error.message} {error.hint}".strip())
        return ComputerCheck("store", "good", f"The first backup creates the store {str(path)!r}.")
    except IbackupError as error:
        return ComputerCheck("store", "missing", f"{error.message} {error.hint}".strip())
    if not os.access(found.path, os.W_OK):
        return ComputerCheck("store", "missing", f"You cannot write to the store {found.path!r}.")
    return ComputerCheck("store", "good", f"The store is {found.path!r}.")
