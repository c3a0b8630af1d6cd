"""All the checks of this system, in the order in which things depend on each other."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ibackup.device import Usbmux, find, parse_address
from ibackup.device.usbmux import start_hint
from ibackup.errors import IbackupError, StoreMissing
from ibackup.readiness.types import Check
from ibackup.scheduling import find as find_schedule
from ibackup.store import Store

_FILES = {"darwin": "mac", "win32": "windows"}
_PHONE = {
    "trusted": "ready",
    "untrusted": "does not trust this computer yet: unlock it and tap Trust when `ibackup now` asks",
    "locked": "locked: unlock it",
    "unreachable": "does not answer",
}


def check_all(store: Path, platform: str = sys.platform) -> Iterator[Check]:
    """Look at everything that this system needs.

    Args:
        store: where the backups go.
        platform: as ``sys.platform``.
    """
    system = importlib.import_module(f"ibackup.readiness.{_FILES.get(platform, 'linux')}")
    yield from system.before()
    yield from _phones(system.NO_USBMUXD)
    yield from system.after()
    yield _schedule()
    yield _store(store)


def _phones(absent: Check) -> Iterator[Check]:
    """The service usbmuxd, then the phones that it knows.

    Args:
        absent: what it means on this system when nothing answers, and what to type.
    """
    try:
        Usbmux(parse_address()).devices()
    except IbackupError as error:
        yield Check("usbmuxd", absent.state, f"{error.message} {absent.text}".strip(), absent.commands)
        return
    yield Check("usbmuxd", "good", "The service that talks to phones answers.")
    try:
        phones = find()
    except IbackupError as error:
        yield Check("phone", "advice", error.message)
        return
    if not phones:
        yield Check("phone", "advice", f"No phone is connected. {start_hint()}".strip())
    for phone in phones:
        name = phone.facts.name or phone.facts.noun
        text = f"{name} is connected, {_PHONE[phone.trust]}."
        yield Check("phone", "good" if phone.trust == "trusted" else "advice", text)


def _schedule() -> Check:
    try:
        found = find_schedule() or find_schedule("watch")
    except IbackupError as error:
        return Check("schedule", "advice", error.message)
    if found is None:
        return Check(
            "schedule",
            "advice",
            "Nothing starts backups by itself yet.",
            ("ibackup schedule install",),
        )
    if found.problem:
        return Check("schedule", "missing", found.problem, ("ibackup schedule install",))
    if found.program == "watch":
        return Check("schedule", "good", f"`ibackup watch` is kept running ({found.kind}).")
    when = f"every day at {found.at:%H:%M}" if found.at else "by a rule that somebody has changed"
    return Check("schedule", "good", f"Backups are started {when} ({found.kind}).")


def _store(path: Path) -> Check:
    try:
        found = Store.open(path, create=False)
    except StoreMissing as error:
        if error.why:  # one that was used before is not mounted, or is of a newer version
            return Check("store", "missing", f"{error.message} {error.hint}".strip())
        return Check("store", "good", f"The first backup makes the store {str(path)!r}.")
    except IbackupError as error:
        return Check("store", "missing", f"{error.message} {error.hint}".strip())
    if not os.access(found.path, os.W_OK):
        return Check("store", "missing", f"The store {found.path!r} cannot be written by you, or at all.")
    return Check("store", "good", f"The store is {found.path!r}.")
