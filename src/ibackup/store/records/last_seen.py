"""What a phone last reported, for commands that work without the phone: ``<UDID>/seen.json``."""

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from ibackup.store.disk import durable, record_times
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

SCHEMA = 1
NAME = "seen.json"


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What a phone last reported.

    Attributes:
        when: when it was last asked, UTC.
        name: the name that its owner gave it; may be empty.
        cloud_backup: whether iCloud Backup was switched on then; None if it did not say.
        last_cloud_backup: the time of the last iCloud backup, as it reported; None if it never reported one.
        cloud_told: when it reported that.
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
        """What a phone reports now."""
        return cls(when, name or "", cloud_backup, last_cloud_backup, when if last_cloud_backup else None)

    def after(self, earlier: "LastSeen | None") -> "LastSeen":
        """This, completed with what an earlier report had and this one has not."""
        if earlier is None or self.last_cloud_backup is not None:
            return self
        return replace(self, last_cloud_backup=earlier.last_cloud_backup, cloud_told=earlier.cloud_told)

    @classmethod
    def read(cls, folder: str) -> Self | None:
        """What is known about the phone with this folder; a missing or damaged record counts as nothing."""
        try:
            record = JsonRecord.read(os.path.join(folder, NAME))
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
        """Replace the file; False if that fails, which is no reason to stop anything."""
        try:
            durable.write_file(os.path.join(folder, NAME), self._record().render())
        except OSError:
            return False
        return True

    def _record(self) -> JsonRecord:
        return JsonRecord(
            {
                "schema": SCHEMA,
                "when": record_times.written(self.when),
                "name": self.name,
                "cloud_backup": self.cloud_backup,
                "last_cloud_backup": _written(self.last_cloud_backup),
                "cloud_told": _written(self.cloud_told),
            }
        )


def _time(record: JsonRecord, key: str) -> datetime | None:
    return record.time(key) if key in record else None


def _written(moment: datetime | None) -> str | None:
    return record_times.written(moment) if moment else None
