"""com.apple.MobileBackup.plist, in which a phone remembers what became of its iCloud backups (section 1.9)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from ibackup.device import values
from ibackup.device.values import NOTHING, Values
from ibackup.doctor.evidence import NotedError, PhoneNotes, RestoreInfo, Sizing
from ibackup.doctor.windows import parse_windows
from ibackup.manifest import plists

LARGEST = 16 << 20
_MOST_ERRORS = 100
_MOST_DOMAINS = 20_000
_MOST_APPS = 50
_APP = re.compile(r"AppDomain(?:Group|Plugin)?-([A-Za-z0-9][A-Za-z0-9.\-]{0,200})")
_TOTAL = "_TotalSize"


def parse_notes(data: bytes, now: datetime) -> PhoneNotes:
    """Read the file; whatever has an unknown shape counts as missing.

    Args:
        data: the plist.
        now: for dates whose epoch has to be told.

    Raises:
        FormatError: it is no property list.
    """
    notes = values.mapping(plists.load(data, limit=LARGEST, part="com.apple.MobileBackup.plist")) or NOTHING
    state = values.mapping(notes.get("BackupStateInfo")) or NOTHING
    remote = values.mapping(notes.get("RemoteConfiguration")) or NOTHING
    windows, dropped = parse_windows(values.sequence(notes.get("LastOnConditionEvents")))
    skipped, skipped_apps = _skipped(notes.get("SkippedFilesFromBackup"))

    def date(key: str) -> datetime | None:
        return values.phone_time(notes, key, now)

    return PhoneNotes(
        state=values.integer(state, "state"),
        progress=_fraction(state.get("progress")),
        is_cloud=values.boolean(state, "isCloud"),
        attempt=values.count(state, "backupAttemptCount"),
        state_date=values.phone_time(state, "date", now),
        errors=_errors(state, now),
        windows=windows,
        dropped_windows=dropped,
        sizing=_sizing(values.mapping(notes.get("PreflightSizing"))),
        pending_bytes=values.count(notes, "LastPendingSnapshotSize"),
        account_enabled=date("AccountEnabledDate"),
        failure_count=values.count(notes, "FailureCount"),
        retry_after=date("RetryAfter"),
        missing_key_failures=values.count(notes, "MissingEncryptionKeyFailureCount"),
        missing_key_retry_after=date("MissingEncryptionKeyRetryAfter"),
        battery_retry_after=date("OnBatteryRetryAfter"),
        backup_period_seconds=_seconds(remote.get("BackupPeriod")),
        warning_period_seconds=_seconds(remote.get("BackupWarningPeriod")),
        restricted_domains=tuple(
            values.printable(each)
            for each in values.sequence(notes.get("ServerRestrictedDomains"))[:_MOST_APPS]
            if isinstance(each, str)
        ),
        restore=_restore(notes, now),
        skipped_files=skipped,
        skipped_apps=skipped_apps,
        passcode_changed=date("DateOfLastPasscodeChange"),
    )


def app_of(text: str) -> str:
    """The bundle identifier that a path or a line of the log names; empty when it names none."""
    match = _APP.search(text)
    return match[1].rstrip(".-") if match else ""


def _errors(state: Values, now: datetime) -> tuple[NotedError, ...]:
    noted = values.sequence(state.get("errors"))[:_MOST_ERRORS]
    latest = values.mapping(state.get("error"))
    found = [error for each in noted if (error := _error(values.mapping(each), now)) is not None]
    alone = _error(latest, now)
    if alone is not None and not found:
        found = [alone]
    oldest = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(found, key=lambda each: each.date or oldest, reverse=True))


def _error(item: Values | None, now: datetime) -> NotedError | None:
    code = values.integer(item, "code") if item is not None else None
    if item is None or code is None:
        return None
    path = values.shown(item, "filePath") or ""
    text = values.shown(item, "localizedDescription") or ""
    return NotedError(
        domain=values.shown(item, "domain") or "",
        code=code,
        date=_error_date(item, now),
        text=text,
        path=path,
        app=app_of(path) or app_of(text),
    )


def _error_date(item: Values, now: datetime) -> datetime | None:
    """An ISO text in UTC that does not say so; a date of the plist's own serves as well."""
    text = item.get("date")
    return values.iso_time(text) if isinstance(text, str) else values.phone_time(item, "date", now)


def _sizing(sizes: Values | None) -> Sizing | None:
    if sizes is None:
        return None
    domains = {
        values.printable(name): size
        for name in list(sizes)[:_MOST_DOMAINS]
        if name != _TOTAL and (size := values.count(sizes, name)) is not None
    }
    total = values.count(sizes, _TOTAL)
    if total is None and domains:
        total = sum(domains.values())
    ordered = dict(sorted(domains.items(), key=lambda item: -item[1]))
    return Sizing(total=total, domains=ordered) if total is not None else None


def _restore(notes: Values, now: datetime) -> RestoreInfo | None:
    info, state = values.mapping(notes.get("RestoreInfo")), values.mapping(notes.get("RestoreStateInfo"))
    if info is None and state is None:
        return None
    return RestoreInfo(
        date=values.phone_time(info or NOTHING, "RestoreDate", now),
        was_cloud=values.boolean(info or NOTHING, "WasCloudRestore"),
        state=values.integer(state or NOTHING, "state"),
    )


def _skipped(value: object) -> tuple[int | None, tuple[str, ...]]:
    """How many files were left out and of which apps; the shape of the value is not documented."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, ()) if value >= 0 else (None, ())
    if not isinstance(value, list | dict):
        return None, ()
    return len(value), tuple(dict.fromkeys(_apps_in(value)))[:_MOST_APPS]


def _apps_in(items: Iterable[object]) -> Iterable[str]:
    for item in items:
        texts = [item] if isinstance(item, str) else list(item.values()) if isinstance(item, dict) else []
        for text in texts:
            if isinstance(text, str) and (app := app_of(text)):
                yield app


def _fraction(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        return None
    return float(value)
