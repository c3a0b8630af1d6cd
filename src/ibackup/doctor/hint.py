"""One sentence at the end of ``ibackup now``, when the fresh backup tells why iCloud Backup fails."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ibackup.device.values import NOTHING
from ibackup.doctor.backupfiles import read_notes, read_settings_values
from ibackup.doctor.evidence import NotedError, PhoneNotes, Source
from ibackup.doctor.phonefiles import cloud_date
from ibackup.errors import IbackupError
from ibackup.manifest.backup import Backup
from ibackup.store import Snapshot

_RECENT = timedelta(days=2)
_ENDED_BY_CONDITIONS = frozenset([202, 208, *range(217, 221), *range(222, 225)])
"""What every phone notes now and then: unplugged, picked up, out of the house."""
_OFTEN = 3
_TIMES = ("", "once", "twice", "three times", "four times", "five times", "six times", "seven times")


def hint_of(snapshot: Snapshot, password: str | None) -> str | None:
    """What the phone noted in it of failed iCloud backups; None when there is nothing worth saying, or it is locked.

    Reading an encrypted one costs the second or more that opening its keybag takes.
    """
    try:
        with Backup.open(snapshot.backup_path, known=True) as backup:
            if not backup.unlocked:
                if password is None:
                    return None
                backup.unlock(password)
            source = Source("backup", snapshot.meta.data_from, "")
            settings = read_settings_values(backup, source).get() or NOTHING
            if settings.get("CloudBackupEnabled") is False:
                return None  # whoever switched it off knows
            last = cloud_date(settings, source.date)
            noted = read_notes(backup, source)
    except (IbackupError, OSError):
        return None  # the backup is made and checked; what is missing here is a courtesy
    user_settings, notes = noted.settings.get(), noted.notes.get()
    if user_settings is not None and user_settings.allow_cloud_backup is False:
        return "iCloud Backup fails: a profile on the phone forbids it. Run `ibackup doctor`."
    return (
        sentence(notes, last.date if last is not None else None, source.date) if notes is not None else None
    )


def sentence(notes: PhoneNotes, last_success: datetime | None, now: datetime) -> str | None:
    """The sentence for what was noted; None when iCloud Backup worked lately or fails for passing reasons."""
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
