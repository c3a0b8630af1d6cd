"""Looks at a store: per phone the newest good snapshot, what proves it, what is wrong, what broken runs left.

Read are the small records alone (snapshot.json, the proofs, seen.json, run.json); of the backups themselves no folder
is listed and no file opened, so that it takes the same fraction of a second whatever they hold.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ibackup.config import Config, PhoneConfig, same_udid
from ibackup.errors import ExitCode
from ibackup.store import BrokenSnapshot, PhoneFolder, Proof, Snapshot, Store, free_bytes
from ibackup.store.lock import Holder
from ibackup.store.proofs import Level
from ibackup.store.trouble import telling

_CLOCKS_DIFFER = timedelta(days=1)  # a phone's clock may be ahead of this computer's, but not by more
_STRONGEST: tuple[Level, ...] = ("deep", "full", "quick")


@dataclass(frozen=True, slots=True)
class Cloud:
    """iCloud Backup, as the phone told.

    Attributes:
        last: when it last made a backup; None when the phone did not tell.
        told: when the phone told that.
        enabled: whether it was switched on when the phone was last connected; None when it did not tell.
    """

    last: datetime | None
    told: datetime | None
    enabled: bool | None


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Something unfinished in the store, and what will be done about it."""

    path: str
    kind: str
    plan: str


@dataclass(frozen=True, slots=True)
class PhoneStatus:
    """How one phone's backups are.

    Attributes:
        name: what the config calls it, else its own name, else its UDID.
        newest: the newest snapshot that is not known to be damaged.
        age: how old its data is, never below zero; None without one.
        max_age: how old it may be.
        proof: the strongest proof of it that is good; rehearsals apart.
        rehearsed: when it was last restored into the virtual iPhone with success.
        damage: what is known to be wrong with the newest snapshot, one sentence; empty when nothing is.
        damaged_snapshot: that snapshot's id.
        is_stale: no good backup within the limit.
        by_cloud: it would be stale without iCloud's backup.
        is_ahead: the newest good snapshot is dated in the future, so that its age says nothing.
        left: what broken runs left; empty while a run is under way.
        running: who is backing it up right now.
        snapshots: how many there are, damaged ones too.
    """

    udid: str
    name: str
    newest: Snapshot | None
    age: timedelta | None
    max_age: timedelta
    proof: Proof | None
    rehearsed: datetime | None
    damage: str
    damaged_snapshot: str
    is_stale: bool
    by_cloud: bool
    is_ahead: bool
    cloud: Cloud
    left: tuple[LeftBehind, ...]
    running: Holder | None
    snapshots: int


@dataclass(frozen=True, slots=True)
class Overview:
    """How the backups in a store are.

    Attributes:
        phones: those of the config first, then the others in the store.
        free_bytes: room left on the store's disk.
        next_run: when the schedule next starts, None when there is none.
        watched: whether `ibackup watch` is kept running.
    """

    store: str
    phones: tuple[PhoneStatus, ...]
    free_bytes: int
    next_run: datetime | None
    watched: bool = False

    @property
    def code(self) -> ExitCode:
        """Damage before staleness; a store in which no phone has a backup is stale."""
        if any(phone.damage for phone in self.phones):
            return ExitCode.DAMAGE
        if not self.phones or any(phone.is_stale for phone in self.phones):
            return ExitCode.STALE
        return ExitCode.OK


def look(
    store: Store,
    config: Config,
    now: datetime,
    *,
    udid: str | None = None,
    max_age_s: float | None = None,
    accept_icloud: bool = False,
    next_run: datetime | None = None,
    watched: bool = False,
) -> Overview:
    """How the backups in a store are.

    Args:
        store: the store.
        config: names, and how old a phone's backup may be.
        now: the present moment.
        udid: one phone alone.
        max_age_s: how old a backup may be, in seconds, whatever the config says.
        accept_icloud: whether iCloud's backup counts, too.
        next_run: when the schedule next starts.
        watched: whether `ibackup watch` is kept running.

    Raises:
        IbackupError: the store cannot be read.
    """
    with telling(f"The store {store.path!r} could not be read."):
        phones = tuple(
            _Look(folder, configured, now, accept_icloud).status(
                config.rules(folder.udid).max_age_s if max_age_s is None else max_age_s
            )
            for folder, configured in _who(store, config.phones, udid)
        )
        return Overview(store.path, phones, free_bytes(store.path), next_run, watched)


def _who(
    store: Store, configured: Sequence[PhoneConfig], udid: str | None
) -> list[tuple[PhoneFolder, PhoneConfig | None]]:
    """The phones that the config names, then those that have something in the store."""
    found = [(store.phone(phone.udid), phone) for phone in configured]
    others = [
        (folder, None)
        for folder in store.phones()
        if not any(same_udid(folder.udid, other.udid) for other, _ in found)
    ]
    known: list[tuple[PhoneFolder, PhoneConfig | None]] = [*found, *others]
    if udid is None:
        return known
    chosen = [each for each in known if same_udid(each[0].udid, udid)]
    return chosen or [(store.phone(udid), None)]


@dataclass(frozen=True)
class _Look:
    """Looks at one phone's folder."""

    folder: PhoneFolder
    configured: PhoneConfig | None
    now: datetime
    accept_icloud: bool

    def status(self, max_age_s: float) -> PhoneStatus:
        folder, max_age = self.folder, timedelta(seconds=max_age_s)
        entries = folder.entries()
        seen = folder.seen()
        newest = self._newest_good(entries)
        age, is_ahead = self._age(newest.meta.data_from) if newest else (None, False)
        too_old = age is None or is_ahead or age > max_age
        last_cloud = seen.last_cloud_backup if seen else None
        by_cloud = (
            too_old and self.accept_icloud and last_cloud is not None and self._is_fresh(last_cloud, max_age)
        )
        damaged = self._damaged_newest(entries, newest)
        proofs = folder.proofs(newest.id) if newest else None
        running = self.folder.holder()
        good = {each.level: each for each in proofs.last if each.result == "good"} if proofs else {}
        return PhoneStatus(
            udid=folder.udid,
            name=self._name(entries, seen.name if seen else ""),
            newest=newest,
            age=age,
            max_age=max_age,
            proof=next((good[level] for level in _STRONGEST if level in good), None),
            rehearsed=good["rehearse"].when if "rehearse" in good else None,
            damage=_what_is_wrong(damaged) if damaged else "",
            damaged_snapshot=damaged.id if damaged else "",
            is_stale=too_old and not by_cloud,
            by_cloud=by_cloud,
            is_ahead=is_ahead,
            cloud=Cloud(last_cloud, seen.cloud_told if seen else None, seen.cloud_backup if seen else None),
            left=() if running else tuple(LeftBehind(x.path, x.kind, x.plan) for x in folder.left_overs()),
            running=running,
            snapshots=len(entries),
        )

    def _name(self, entries: Sequence[Snapshot | BrokenSnapshot], told: str) -> str:
        if self.configured is not None:
            return self.configured.name
        names = [each.meta.device_name for each in entries if isinstance(each, Snapshot)]
        return told or (names[-1] if names else "") or self.folder.udid

    def _newest_good(self, entries: Sequence[Snapshot | BrokenSnapshot]) -> Snapshot | None:
        good = (
            each for each in reversed(entries) if isinstance(each, Snapshot) and not self._is_damaged(each)
        )
        return next(good, None)

    def _is_damaged(self, snapshot: Snapshot) -> bool:
        return self.folder.proofs(snapshot.id).known_damaged or not os.path.isfile(snapshot.seal_path)

    def _damaged_newest(
        self, entries: Sequence[Snapshot | BrokenSnapshot], good: Snapshot | None
    ) -> Snapshot | BrokenSnapshot | None:
        """The newest snapshot when it is known to be damaged: one that came after the newest good one.

        By sequence, as always; one whose record cannot be read has nothing but its id.
        """
        later = [
            each
            for each in entries
            if good is None
            or (each.meta.sequence > good.meta.sequence if isinstance(each, Snapshot) else each.id > good.id)
        ]
        return max(later, key=lambda each: each.id, default=None)

    def _age(self, data_from: datetime) -> tuple[timedelta, bool]:
        """How old, and whether it is so far in the future that this says nothing."""
        age = self.now - data_from
        return max(age, timedelta()), -age > _CLOCKS_DIFFER

    def _is_fresh(self, moment: datetime, max_age: timedelta) -> bool:
        age, is_ahead = self._age(moment)
        return age <= max_age and not is_ahead


def _what_is_wrong(damaged: Snapshot | BrokenSnapshot) -> str:
    if isinstance(damaged, BrokenSnapshot):
        return damaged.error.message
    if not os.path.isfile(damaged.seal_path):
        return f"The seal of snapshot {damaged.id} is missing."
    return f"Snapshot {damaged.id} is known to be damaged; `ibackup show {damaged.id}` says where."
