"""The recovery sheet: what someone needs on paper when the phone is gone."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.base.errors import PasswordWrong, UsageError
from ibackup.base.events import Observer, PhaseStarted
from ibackup.base.identities import name_of
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.vault.unlocker import Unlocker

Opens = Literal["needs none", "this password", "another password", "not tried"]


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One snapshot; its data is from ``data_from``."""

    snapshot: str
    data_from: datetime
    opens: Opens


@dataclass(frozen=True, slots=True)
class Sheet:
    """The contents of the page.

    Attributes:
        store: the folder.
        rows: its snapshots of the phone, the newest first.
        password: the one called ``this password``; None if no source gave one.
    """

    device_name: str
    product_type: str
    ios_version: str
    udid: str
    store: str
    rows: tuple[SheetRow, ...]
    password: str | None = field(repr=False)


def draw_up(folder: PhoneFolder, store: str, unlocker: Unlocker, observe: Observer) -> Sheet:
    """Gather the contents, and try the password on every snapshot.

    Raises:
        UsageError: there is no snapshot.
        PasswordWrong: the password opens none of them, so it must not be printed.
    """
    snapshots = folder.snapshots()[::-1]
    if not snapshots:
        raise UsageError(
            f"There is no snapshot of {name_of(folder.udid)} yet, so there is nothing to restore.",
            hint="Make one with `ibackup now`.",
        )
    encrypted = any(each.meta.encrypted for each in snapshots)

    def attempt() -> Sheet:
        given = unlocker.password(folder.udid) if encrypted else None
        trial = _Trial(given, unlocker, observe)
        rows = tuple(SheetRow(each.id, each.meta.data_from, trial.of(each)) for each in snapshots)
        if given is not None and all(row.opens != "this password" for row in rows):
            raise PasswordWrong(
                "The password opens none of the snapshots.",
                hint="A sheet with a wrong password is worse than none. Give the right one with --password-file.",
            )
        meta = snapshots[0].meta
        return Sheet(meta.device_name, meta.product_type, meta.ios_version, folder.udid, store, rows, given)

    return unlocker.retrying(attempt)


class _Trial:
    """Tries one password on snapshots; reports each keybag that it is tried on, because a try takes seconds."""

    def __init__(self, password: str | None, unlocker: Unlocker, observe: Observer) -> None:
        self._password = password
        self._unlocker = unlocker
        self._observe = observe
        self._tried: set[bytes] = set()

    def of(self, snapshot: Snapshot) -> Opens:
        """Whether it opens this snapshot."""
        if not snapshot.meta.encrypted:
            return "needs none"
        if self._password is None:
            return "not tried"
        try:
            with Backup.open(snapshot.backup_path, known=True) as backup:
                keybag = backup.manifest.keybag or b""
                if keybag not in self._tried:
                    self._tried.add(keybag)
                    self._observe(PhaseStarted("prepare", f"Trying the password on {snapshot.id}."))
                return "this password" if self._unlocker.opens(backup, self._password) else "another password"
        except FormatError:
            return "not tried"
