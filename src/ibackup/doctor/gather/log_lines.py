"""What lines of a phone's log say about iCloud Backup.

The match is loose, because each iOS version words them differently.
Only numbers and public words are used; objects are often ``<private>``. Lines of ``BackupAgent2`` are about the local
backup, which uses the same error domains with other meanings, so they do not count.
"""

import dataclasses
import re
from datetime import datetime, timedelta

from ibackup.apple import plist_values
from ibackup.device.services.os_trace import LogLine
from ibackup.doctor.evidence.phone_evidence import Conditions, Live, LiveError
from ibackup.doctor.gather.phone_notes import app_of

CONCERNED = frozenset(["backupd", "cloudd", "accountsd", "akd", "dasd"])
"""The programs whose lines matter; errors count only from the first four."""

_ERRORS_FROM = frozenset(["backupd", "cloudd", "accountsd", "akd"])
_BACKUP = frozenset(["backupd"])
_MOST_ERRORS = 200
_MOST_APPS = 100
OLD_LINES = timedelta(seconds=30)
"""A line older than this was logged before watching began."""

_FLAG = re.compile(r"\b(enabled|locked|onPower|onWiFi)\s*[:=]\s*(\d)\b", re.IGNORECASE)
_CONDITION = re.compile(r"\bO(?:n|ff) condition\b", re.IGNORECASE)
_DOMAIN = re.compile(
    r"\b(MBErrorDomain|CKErrorDomain|CKInternalErrorDomain|NSURLErrorDomain|NSCocoaErrorDomain|NSPOSIXErrorDomain"
    r"|AKAuthenticationError|MBSErrorDomain)\D{0,12}?(-?\d{1,5})(?!\d)"
)
_CK_ERROR = re.compile(r'\bCKError\b[^"\n]{0,80}"[^"\n]{1,120}" \((\d{1,4})/(\d{1,5})\)')
_POLICY = re.compile(
    r"(disabled|forbidden|not allowed)\b.{0,40}\b(MC policy|MDM|profile|managed)|=managed-policy=.{0,80}disabled"
    r"|policy.{0,40}(forbids|disallow)",
    re.IGNORECASE,
)
_NOT_ENABLED = re.compile(r"auto(matic)?\s*backup is not enabled", re.IGNORECASE)
_FORWARD = re.compile(r"(last )?backup date is (forward in time|in the future)", re.IGNORECASE)
_STARTED = re.compile(r"\bstarting (automatic|manual|a |the )?\s*(backup|engine)", re.IGNORECASE)
_POSTPONED = re.compile(r"(must|should|has to) be deferred|\bdeferr(ed|ing)\b", re.IGNORECASE)
_RETRY = re.compile(
    r"\bretryAfter(?:Date)?\s*[:=]\s*\"?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\s*(\+0000|Z|UTC)?", re.IGNORECASE
)
_MISSING_KEYS = re.compile(r"\b(\d{1,9}) files? with missing encryption keys", re.IGNORECASE)
_FLAG_NAMES = {
    "enabled": "enabled",
    "locked": "locked",
    "onpower": "on_power",
    "onwifi": "on_wifi",
}


def is_concerned(line: LogLine, since: datetime) -> bool:
    """Whether a line is from a program that matters and was logged after watching began.

    Args:
        line: with the phone's clock.
        since: when watching began, by the phone's clock.
    """
    return line.process in CONCERNED and line.date >= since - OLD_LINES


def hear(live: Live, line: LogLine) -> Live:
    """What is known after one more line that concerns us."""
    text = line.text
    changes: dict[str, object] = {"lines": live.lines + 1}
    errors = errors_in(line)
    if errors:
        changes["errors"] = (*live.errors, *errors)[-_MOST_ERRORS:]
        changes["apps"] = _counted(live, errors)
    if line.process in _BACKUP:
        found = conditions_in(text)
        if found is not None:
            changes["conditions"] = found
        changes |= _said(text, live)
    return dataclasses.replace(live, **changes)  # type: ignore[arg-type]  # each is of its field's type


def conditions_in(text: str) -> Conditions | None:
    """The conditions that a line states; None for any other line."""
    flags = {_FLAG_NAMES[name.lower()]: digit != "0" for name, digit in _FLAG.findall(text)}
    if len(flags) < 2 or not (_CONDITION.search(text) or {"on_power", "on_wifi"} <= flags.keys()):
        return None
    return Conditions(**flags)


def errors_in(line: LogLine) -> tuple[LiveError, ...]:
    """The errors that a line names, each once; code 0 is not an error."""
    if line.process not in _ERRORS_FROM:
        return ()
    pairs = [(domain, int(code)) for domain, code in _DOMAIN.findall(line.text)]
    pairs += [("CKErrorDomain", int(code)) for code, _ in _CK_ERROR.findall(line.text)]
    app = app_of(line.text)
    return tuple(
        LiveError(domain=domain, code=code, date=line.date, process=line.process, app=app)
        for domain, code in dict.fromkeys(pairs)
        if code
    )


def _counted(live: Live, errors: tuple[LiveError, ...]) -> dict[str, int]:
    apps = dict(live.apps)
    app = errors[0].app
    if app and (app in apps or len(apps) < _MOST_APPS):
        apps[app] = apps.get(app, 0) + 1
    return apps


def _said(text: str, live: Live) -> dict[str, object]:
    """What a line of backupd says besides errors and conditions."""
    changes: dict[str, object] = {}
    for name, pattern in (
        ("policy", _POLICY),
        ("not_enabled", _NOT_ENABLED),
        ("clock_ahead", _FORWARD),
        ("started", _STARTED),
        ("postponed", _POSTPONED),
    ):
        if not getattr(live, name) and pattern.search(text):
            changes[name] = True
    retry = _RETRY.search(text)
    if retry:
        changes["retry_after"] = plist_values.iso_time(retry[1])
    missing = _MISSING_KEYS.search(text)
    if missing:
        changes["missing_keys"] = int(missing[1])
    return changes
