"""The recovery sheet: what somebody needs, on paper, on the day when the phone is gone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ibackup.errors import PasswordWrong, UsageError
from ibackup.events import Observer, PhaseStarted
from ibackup.manifest.backup import Backup
from ibackup.manifest.flaws import FormatError
from ibackup.store import PhoneFolder, Snapshot

Opens = Literal["needs none", "this password", "another password", "not tried"]


@dataclass(frozen=True, slots=True)
class Row:
    """One snapshot: what is in it is of ``data_from``."""

    snapshot: str
    data_from: datetime
    opens: Opens


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on the page.

    Attributes:
        store: the folder.
        rows: its snapshots of the phone, the newest first.
        password: which ``this password`` is; None when no source gave one.
    """

    device_name: str
    product_type: str
    ios_version: str
    udid: str
    store: str
    rows: tuple[Row, ...]
    password: str | None = field(repr=False)


def draw_up(
    folder: PhoneFolder, store: str, password: Callable[[str], str | None], observe: Observer
) -> Sheet:
    """Gather it, and try the password on every snapshot.

    Raises:
        UsageError: there is no snapshot.
        PasswordWrong: the password opens none of them, so that it must not get onto paper.
    """
    snapshots = folder.snapshots()[::-1]
    if not snapshots:
        raise UsageError(
            f"There is no snapshot of {folder.udid} yet, so there is nothing to restore.",
            hint="Make one with `ibackup now`.",
        )
    given = password(folder.udid) if any(each.meta.encrypted for each in snapshots) else None
    trial = _Trial(given, observe)
    rows = tuple(Row(each.id, each.meta.data_from, trial.of(each)) for each in snapshots)
    if given is not None and all(row.opens != "this password" for row in rows):
        raise PasswordWrong(
            "The password opens none of the snapshots.",
            hint="A sheet with it would be worse than none. Give the right one with --password-file.",
        )
    meta = snapshots[0].meta
    return Sheet(meta.device_name, meta.product_type, meta.ios_version, folder.udid, store, rows, given)


class _Trial:
    """Tries one password on snapshots; those that share a keybag share the outcome, since a try takes seconds."""

    def __init__(self, password: str | None, observe: Observer) -> None:
        self._password = password
        self._observe = observe
        self._known: dict[bytes, Opens] = {}

    def of(self, snapshot: Snapshot) -> Opens:
        """Whether it opens this one."""
        if not snapshot.meta.encrypted:
            return "needs none"
        if self._password is None:
            return "not tried"
        try:
            with Backup.open(snapshot.backup_path, known=True) as backup:
                keybag = backup.manifest.keybag or b""
                if keybag not in self._known:
                    self._observe(PhaseStarted("prepare", f"Trying the password on {snapshot.id}."))
                    self._known[keybag] = self._try(backup, self._password)
                return self._known[keybag]
        except FormatError:
            return "not tried"

    @staticmethod
    def _try(backup: Backup, password: str) -> Opens:
        try:
            backup.unlock(password)
        except PasswordWrong:
            return "another password"
        return "this password"
