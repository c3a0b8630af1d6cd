"""What a phone told when it was last connected, for commands that work without it: ``<UDID>/seen.json``."""

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from ibackup.store import durable, times
from ibackup.store.records import Record, RecordFlaw

SCHEMA = 1
NAME = "seen.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a phone told.

    Attributes:
        when: when it was last asked, UTC.
        name: what its owner calls it; may be empty.
        cloud_backup: whether iCloud Backup was switched on then; None when it did not say.
        last_cloud_backup: when iCloud last backed it up, as it told; None when it never did.
        cloud_told: when it told that.
    """

    when: datetime
    name: str = ""
    cloud_backup: bool | None = None
    last_cloud_backup: datetime | None = None
    cloud_told: datetime | None = None

    @classmethod
    def told(
        cls, name: str | None, cloud_backup: bool | None, last_cloud_backup: datetime | None, when: datetime
    ) -> Self:
        """What a phone tells at this moment."""
        return cls(when, name or "", cloud_backup, last_cloud_backup, when if last_cloud_backup else None)

    def after(self, earlier: "Seen | None") -> "Seen":
        """This, with what an earlier time told and this time did not."""
        if earlier is None or self.last_cloud_backup is not None:
            return self
        return replace(self, last_cloud_backup=earlier.last_cloud_backup, cloud_told=earlier.cloud_told)

    @classmethod
    def read(cls, folder: str) -> Self | None:
        """What is known of the phone with this folder; a missing or damaged record counts as nothing known."""
        try:
            record = Record.read(os.path.join(folder, NAME))
            return cls(
                when=record.time("when"),
                name=record.text("name"),
                cloud_backup=record.flag("cloud_backup") if "cloud_backup" in record else None,
                last_cloud_backup=_time(record, "last_cloud_backup"),
                cloud_told=_time(record, "cloud_told"),
            )
        except (OSError, RecordFlaw):
            return None

    def write(self, folder: str) -> bool:
        """Put it in place of what was there; False when that cannot be, which is no reason to stop anything."""
        try:
            durable.write_file(os.path.join(folder, NAME), self._record().render())
        except OSError:
            return False
        return True

    def _record(self) -> Record:
        return Record(
            {
                "schema": SCHEMA,
                "when": times.written(self.when),
                "name": self.name,
                "cloud_backup": self.cloud_backup,
                "last_cloud_backup": _written(self.last_cloud_backup),
                "cloud_told": _written(self.cloud_told),
            }
        )


def _time(record: Record, key: str) -> datetime | None:
    return record.time(key) if key in record else None


def _written(moment: datetime | None) -> str | None:
    return times.written(moment) if moment else None
