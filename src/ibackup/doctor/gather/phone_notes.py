"""com.apple.MobileBackup.plist, in which a phone records how its iCloud backups ended."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from ibackup.apple import plist_values, plists
from ibackup.apple.plist_values import NOTHING, Values
from ibackup.doctor.evidence.noted_evidence import NotedError, PhoneNotes, RestoreInfo, Sizing
from ibackup.doctor.gather.night_conditions import parse_windows

LARGEST = 16 << 20
_MOST_ERRORS = 100
_MOST_DOMAINS = 20_000
_MOST_APPS = 50
_APP = re.compile(r"AppDomain(?:Group|Plugin)?-([A-Za-z0-9][A-Za-z0-9.\-]{0,200})")
_TOTAL = "_TotalSize"


def parse_notes(data: bytes, now: datetime) -> PhoneNotes:
    """Read the file; a value in an unknown format counts as missing.

    Args:
        data: the plist.
        now: for dates whose epoch must be guessed.

    Raises:
        FormatError: it is not a property list.
    """
    notes = (
        plist_values.mapping(plists.load(data, limit=LARGEST, part="com.apple.MobileBackup.plist")) or NOTHING
    )
    state = plist_values.mapping(notes.get("BackupStateInfo")) or NOTHING

    def date(key: str) -> datetime | None:
        return plist_values.phone_time(notes, key, now)

    return PhoneNotes(
        state=plist_values.integer(state, "state"),
        progress=_fraction(state.get("progress")),
        is_cloud=plist_values.boolean(state, "isCloud"),
        errors=_errors(state, now),
        windows=parse_windows(plist_values.sequence(notes.get("LastOnConditionEvents"))),
        sizing=_sizing(plist_values.mapping(notes.get("PreflightSizing"))),
        pending_bytes=plist_values.count(notes, "LastPendingSnapshotSize"),
        account_enabled=date("AccountEnabledDate"),
        failure_count=plist_values.count(notes, "FailureCount"),
        retry_after=date("RetryAfter"),
        missing_key_failures=plist_values.count(notes, "MissingEncryptionKeyFailureCount"),
        missing_key_retry_after=date("MissingEncryptionKeyRetryAfter"),
        restore=_restore(notes, now),
        skipped_apps=_skipped_apps(notes.get("SkippedFilesFromBackup")),
    )


def app_of(text: str) -> str:
    """The bundle identifier in a path or a log line; empty if there is none."""
    match = _APP.search(text)
    return match[1].rstrip(".-") if match else ""


def _errors(state: Values, now: datetime) -> tuple[NotedError, ...]:
    noted = plist_values.sequence(state.get("errors"))[:_MOST_ERRORS]
    latest = plist_values.mapping(state.get("error"))
    found = [error for each in noted if (error := _error(plist_values.mapping(each), now)) is not None]
    alone = _error(latest, now)
    if alone is not None and not found:
        found = [alone]
    oldest = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(found, key=lambda each: each.date or oldest, reverse=True))


def _error(item: Values | None, now: datetime) -> NotedError | None:
    code = plist_values.integer(item, "code") if item is not None else None
    if item is None or code is None:
        return None
    path = plist_values.shown(item, "filePath") or ""
    text = plist_values.shown(item, "localizedDescription") or ""
    return NotedError(
        domain=plist_values.shown(item, "domain") or "",
        code=code,
        date=_error_date(item, now),
        text=text,
        path=path,
        app=app_of(path) or app_of(text),
    )


def _error_date(item: Values, now: datetime) -> datetime | None:
    """An ISO date in UTC without a zone, or a native plist date."""
    text = item.get("date")
    return (
        plist_values.iso_time(text) if isinstance(text, str) else plist_values.phone_time(item, "date", now)
    )


def _sizing(sizes: Values | None) -> Sizing | None:
    if sizes is None:
        return None
    domains = {
        plist_values.printable(name): size
        for name in list(sizes)[:_MOST_DOMAINS]
        if name != _TOTAL and (size := plist_values.count(sizes, name)) is not None
    }
    total = plist_values.count(sizes, _TOTAL)
    if total is None and domains:
        total = sum(domains.values())
    ordered = dict(sorted(domains.items(), key=lambda item: -item[1]))
    return Sizing(total=total, domains=ordered) if total is not None else None


def _restore(notes: Values, now: datetime) -> RestoreInfo | None:
    info, state = (
        plist_values.mapping(notes.get("RestoreInfo")),
        plist_values.mapping(notes.get("RestoreStateInfo")),
    )
    if info is None and state is None:
        return None
    return RestoreInfo(
        date=plist_values.phone_time(info or NOTHING, "RestoreDate", now),
        state=plist_values.integer(state or NOTHING, "state"),
    )


def _skipped_apps(value: object) -> tuple[str, ...]:
    """The apps of which files were left out; the value's format is not documented."""
    return tuple(dict.fromkeys(_apps_in(value)))[:_MOST_APPS] if isinstance(value, list | dict) else ()


def _apps_in(items: Iterable[object]) -> Iterable[str]:
    for item in items:
        texts = [item] if isinstance(item, str) else list(item.values()) if isinstance(item, dict) else []
        for text in texts:
            if isinstance(text, str) and (app := app_of(text)):
                yield app


def _fraction(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None
