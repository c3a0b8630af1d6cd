"""One sentence at the end of ``ibackup now``, if the fresh backup shows why iCloud Backup fails."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ibackup.apple.backup import Backup
from ibackup.apple.plist_values import NOTHING
from ibackup.base.errors import IbackupError
from ibackup.doctor.evidence.noted_evidence import NotedError, PhoneNotes
from ibackup.doctor.evidence.sighting import EvidenceSource
from ibackup.doctor.gather.backup_notes import read_notes, read_settings_values
from ibackup.doctor.gather.phone_files import cloud_date
from ibackup.store.records.snapshot import Snapshot
from ibackup.vault.unlocker import Unlocker

_RECENT = timedelta(days=2)
_ENDED_BY_CONDITIONS = frozenset([202, 208, *range(217, 221), *range(222, 225)])
"""Errors that every phone records now and then: unplugged, picked up, away from home."""
_OFTEN = 3
_TIMES = ("", "once", "twice", "three times", "four times", "five times", "six times", "seven times")


def hint_of(snapshot: Snapshot, unlocker: Unlocker) -> str | None:
    """A sentence about failed iCloud backups noted in this backup; None if there is nothing to say or it is locked.

    An encrypted backup takes a second or more, unless the unlocker has opened its keybag before.
    """
    try:
        with Backup.open(snapshot.backup_path, known=True) as backup:
            unlocker.open(backup)
            if not backup.unlocked:
                return None
            source = EvidenceSource("backup", snapshot.meta.data_from, "")
            settings = read_settings_values(backup, source).get() or NOTHING
            if settings.get("CloudBackupEnabled") is False:
                return None  # the person who switched it off knows
            last = cloud_date(settings, source.date)
            noted = read_notes(backup, source)
    except (IbackupError, OSError):
        return None  # the backup is made and checked; this hint is only a courtesy
    user_settings, notes = noted.settings.get(), noted.notes.get()
    if user_settings is not None and user_settings.allow_cloud_backup is False:
        return "iCloud Backup fails: a profile on the phone forbids it. Run `ibackup doctor`."
    return (
        sentence(notes, last.date if last is not None else None, source.date) if notes is not None else None
    )


def sentence(notes: PhoneNotes, last_success: datetime | None, now: datetime) -> str | None:
    """The sentence for what was noted; None if iCloud Backup worked recently or fails for passing reasons."""
    successes = [date for date in (notes.last_success, last_success) if date is not None and date <= now]
    newest_success = max(successes, default=None)
    if newest_success is not None and now - newest_success < _RECENT:
        return None
    failures = [
        each
        for each in notes.errors
        if each.code and each.date and (newest_success is None or each.date > newest_success)
    ]
    if not failures:
        return None
    same = _same(failures)
    if same[0].code in _ENDED_BY_CONDITIONS and len(same) < _OFTEN:
        return None
    oldest = same[-1].date
    since = f" since {_day(oldest)}" if len(same) > 1 and oldest is not None else ""
    number = len(same)
    times = _TIMES[number] if number < len(_TIMES) else f"{number} times"
    return f"iCloud Backup fails: the phone noted error {same[0].code} {times}{since}. Run `ibackup doctor`."


def _same(failures: Sequence[NotedError]) -> list[NotedError]:
    """The failures with the newest one's code, newest first."""
    newest = failures[0]
    return [each for each in failures if (each.domain, each.code) == (newest.domain, newest.code)]


def _day(date: datetime) -> str:
    local = date.astimezone()
    return f"{local.day} {local:%B}"
