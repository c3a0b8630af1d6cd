"""Examines a store: for each phone the newest good snapshot, its proofs, any damage, and leftovers of interrupted runs.

It reads only the small records (snapshot.json, the proofs, seen.json, run.json). It lists no backup folder and opens
no backup file, so it takes a fraction of a second, whatever their size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ibackup.base.exit_codes import ExitCode
from ibackup.base.udids import same_udid
from ibackup.config.config_schema import Config, PhoneConfig
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.whole_elsewhere import copies_with, healing_hint
from ibackup.jobs.overview import store_growth
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.disk.lock import Holder
from ibackup.store.freshness import Known, Standing, is_stale
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store


@dataclass(frozen=True, slots=True)
class Cloud:
    """iCloud Backup, as the phone reported it.

    Attributes:
        last: when it last made a backup; None if the phone did not say.
        told: when the phone reported that.
        enabled: whether it was switched on when the phone was last connected; None if it did not say.
    """

    last: datetime | None
    told: datetime | None
    enabled: bool | None


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Something unfinished in the store, and what will happen to it."""

    path: str
    kind: str
    plan: str


@dataclass(frozen=True, slots=True)
class PhoneStatus:
    """The state of one phone's backups.

    Attributes:
        name: its name in the config, else its own name, else its UDID.
        newest: the newest snapshot that is not known to be damaged.
        made: the date of its data, UTC; None without one.
        flawed: whether it has files that differ from the phone's own list.
        age: how old its data is, never below zero; None without one.
        max_age: how old it may be.
        proof: its strongest good proof, except rehearsals.
        rehearsed: when it was last restored into the virtual iPhone with success.
        damage: what is known to be wrong with the newest snapshot, one sentence; empty if nothing.
        damaged_snapshot: that snapshot's id.
        is_unknown: ``damage`` is only that nobody knows whether it is good.
        damaged_older: the ids of damaged snapshots before the newest.
        is_stale: no good backup within the limit.
        by_cloud: it would be stale without the iCloud backup.
        is_ahead: the newest good snapshot is dated in the future, so its age means nothing.
        left: leftovers of interrupted runs; empty during a run.
        running: the run that is backing it up now.
        snapshots: how many there are, damaged ones too.
        healing: what repairs the damaged one, as a sentence; empty if nothing is known that does.
    """

    udid: str
    name: str
    newest: Snapshot | None
    made: datetime | None
    flawed: bool
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
    healing: str = ""
    is_unknown: bool = False
    damaged_older: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the backups in a store.

    Attributes:
        phones: those of the config first, then the others in the store.
        free_bytes: free space on the store's disk.
        enough_for: how long that is enough at the store's growth; None if that is not known.
        next_run: when the schedule next starts, None without a schedule.
        watched: whether `ibackup watch` is kept running.
        unsure: whether there is a schedule of which nobody knows whether it starts.
    """

    store: str
    phones: tuple[PhoneStatus, ...]
    free_bytes: int
    next_run: datetime | None
    watched: bool = False
    unsure: bool = False
    enough_for: timedelta | None = None

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
    standings: Mapping[str, Standing] | None = None,
) -> Overview:
    """The state of the backups in a store.

    Args:
        store: the store.
        config: names, and how old a phone's backup may be.
        now: the present moment.
        udid: one phone only.
        max_age_s: how old a backup may be, in seconds, whatever the config says.
        accept_icloud: whether the iCloud backup also counts.
        next_run: when the schedule next starts.
        watched: whether `ibackup watch` is kept running.
        standings: of phones by their UDIDs, if they were read already.

    Raises:
        IbackupError: the store cannot be read.
    """
    with telling(f"The store {store.path!r} could not be read.", reading=True):
        looks = [
            _Look(
                folder,
                configured,
                (standings or {}).get(folder.udid) or folder.standing(),
                now,
                accept_icloud,
                config.copies,
            )
            for folder, configured in _who(store, config.phones, udid)
        ]
        phones = tuple(
            each.status(config.rules(each.folder.udid).max_age_s if max_age_s is None else max_age_s)
            for each in looks
        )
        free = free_bytes(store.path)
        metas = [[known.snapshot.meta for known in each.standing.snapshots] for each in looks]
        growth = store_growth.bytes_per_day(metas, now, copies=store.copies) if udid is None else None
        enough_for = store_growth.lasts(free, growth)
        return Overview(store.path, phones, free, next_run, watched, enough_for=enough_for)


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
    """Examines one phone's folder."""

    folder: PhoneFolder
    configured: PhoneConfig | None
    standing: Standing
    now: datetime
    accept_icloud: bool
    copies: tuple[CopyConfig, ...]

    def status(self, max_age_s: float) -> PhoneStatus:
        folder, standing = self.folder, self.standing
        seen = folder.seen()
        newest, damaged = standing.newest_good, standing.damaged_newest
        is_old = standing.is_stale(max_age_s, self.now)
        last_cloud = seen.last_cloud_backup if seen else None
        by_cloud = is_old and self.accept_icloud and not is_stale(last_cloud, max_age_s, self.now)
        running = self.folder.holder()
        return PhoneStatus(
            udid=folder.udid,
            name=self.configured.name if self.configured else folder.device_name() or folder.udid,
            newest=newest.snapshot if newest else None,
            made=standing.made,
            flawed=newest is not None and newest.state == "flawed",
            age=standing.age(self.now),
            max_age=timedelta(seconds=max_age_s),
            proof=newest.proof if newest else None,
            rehearsed=newest.rehearsed if newest else None,
            damage=standing.damage,
            damaged_snapshot=damaged.id if damaged else "",
            is_stale=is_old and not by_cloud,
            by_cloud=by_cloud,
            is_ahead=standing.is_ahead(self.now),
            cloud=Cloud(last_cloud, seen.cloud_told if seen else None, seen.cloud_backup if seen else None),
            left=() if running else tuple(LeftBehind(x.path, x.kind, x.plan) for x in folder.left_overs()),
            running=running,
            snapshots=len(standing.entries),
            healing=healing_hint(damaged.id, copies_with(folder, damaged.id, self.copies)) if damaged else "",
            is_unknown=isinstance(damaged, Known) and damaged.is_unknown,
            damaged_older=standing.damaged_older,
        )
