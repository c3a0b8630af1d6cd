"""The phones and backups that the pages show, by names that people know."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from ibackup.apple.backup import Backup
from ibackup.base.udids import same_udid
from ibackup.config.config_schema import Config
from ibackup.store.freshness import Known, Standing
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import BrokenSnapshot, Snapshot
from ibackup.store.store import Store

FOLDER_ID = "folder"
"""The id of the one backup that is shown when a folder was opened."""


@dataclass(frozen=True)
class ShownBackup:
    """One backup: a snapshot of the store, or a folder that another program made.

    Attributes:
        id: the snapshot's id, or ``FOLDER_ID``; stands in addresses as ``at``.
        path: the folder in Apple's format.
        udid: of its phone.
        made: the date of its data, UTC; None if the folder does not say.
        known: what the store knows about it; None for a folder.
    """

    id: str
    path: str
    udid: str
    made: datetime | None
    known: Known | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot, None for a folder."""
        return self.known.snapshot if self.known else None


@dataclass(frozen=True)
class ShownPhone:
    """One phone and its backups.

    Attributes:
        slug: stands for it in addresses; unique in this view.
        name: its name in the config, else its own.
        product_type: Apple's name of the model, such as "iPhone15,2"; empty if unknown.
        ios_version: of its newest backup; empty if unknown.
        backups: oldest first.
        broken: snapshots whose record cannot be read.
        folder: its folder in the store; None if a backup folder was opened.
    """

    slug: str
    udid: str
    name: str
    product_type: str
    ios_version: str
    backups: tuple[ShownBackup, ...]
    broken: tuple[BrokenSnapshot, ...] = ()
    folder: PhoneFolder | None = None

    @property
    def newest(self) -> ShownBackup | None:
        """The newest backup, whatever is known about it."""
        return self.backups[-1] if self.backups else None

    @property
    def broken_newest(self) -> BrokenSnapshot | None:
        """The newest snapshot if its record cannot be read; by id, as always."""
        last = max(self.broken, key=lambda each: each.id, default=None)
        return last if last and (self.newest is None or last.id > self.newest.id) else None

    @cached_property
    def damaged_older(self) -> int:
        """How many backups before the newest are known to be damaged, or have no readable record. Reads no seal."""
        known = [each.known for each in self.backups[:-1] if each.known and each.known.is_marked]
        return len(known) + len(self.broken)

    @cached_property
    def may_share_damage(self) -> bool:
        """Whether an older backup lost files, and no reading of the newest since says that it has them whole.

        A file that did not change is stored once for both.
        """
        if self.newest is None or self.newest.known is None:
            return False
        verified = self.newest.known.verified
        found = [
            proof.when
            for each in self.backups[:-1]
            if each.known and each.known.proofs.known_damaged
            for proof in each.known.proofs.last
            if proof.result == "damaged"
        ]
        return any(verified is None or verified < when for when in found)

    @cached_property
    def by_id(self) -> dict[str, ShownBackup]:
        """The backups by their ids."""
        return {each.id: each for each in self.backups}


def of_store(
    store: Store, config: Config, standings: Mapping[str, Standing] | None = None
) -> tuple[ShownPhone, ...]:
    """The phones of a store: those of the config first, in its order, then the others.

    Args:
        store: it.
        config: names them.
        standings: of the phones by their UDIDs, if they were read already.

    Raises:
        IbackupError: the store cannot be read.
    """
    folders = store.phones()
    configured = [(each.name, store.phone(each.udid)) for each in config.phones]
    known = {folder.udid for _, folder in configured}
    others = [("", folder) for folder in folders if not any(same_udid(folder.udid, each) for each in known)]
    return _with_slugs(
        _phone(name, folder, (standings or {}).get(folder.udid) or folder.standing())
        for name, folder in (*configured, *others)
    )


def of_folder(path: str, udid: str | None) -> tuple[ShownPhone, ...]:
    """The phone of a backup folder that was opened.

    Raises:
        NotABackup: it is none.
    """
    with Backup.open(path, known=True) as backup:
        info = backup.info
        of = udid or backup.udid
        shown = ShownBackup(FOLDER_ID, backup.path, of, info.last_backup_date)
    name = info.display_name or info.device_name or os.path.basename(path)
    phone = ShownPhone("", of, name, info.product_type, info.product_version, (shown,))
    return _with_slugs([phone])


def _phone(name: str, folder: PhoneFolder, standing: Standing) -> ShownPhone:
    newest = standing.newest.snapshot.meta if standing.newest else None
    return ShownPhone(
        slug="",
        udid=folder.udid,
        name=name or folder.device_name() or folder.udid,
        product_type=newest.product_type if newest else "",
        ios_version=newest.ios_version if newest else "",
        backups=tuple(map(_backup, standing.snapshots)),
        broken=tuple(each for each in standing.entries if isinstance(each, BrokenSnapshot)),
        folder=folder,
    )


def _backup(known: Known) -> ShownBackup:
    return ShownBackup(known.id, known.snapshot.backup_path, known.snapshot.udid, known.made, known)


def _with_slugs(phones: Iterable[ShownPhone]) -> tuple[ShownPhone, ...]:
    """Give each phone an address of its own; of two with one name, the second gets a number."""
    found: list[ShownPhone] = []
    taken: set[str] = set()
    for phone in phones:
        plain = slug(phone.name)
        mine = next(
            each for each in (plain, *(f"{plain}-{n}" for n in range(2, 10_000))) if each not in taken
        )
        taken.add(mine)
        found.append(replace(phone, slug=mine))
    return tuple(found)


def slug(name: str) -> str:
    """A name in an address: ``Ann's iPhone`` is ``anns-iphone``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "phone"
