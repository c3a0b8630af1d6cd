"""The page for Apple Support: what Support asks for first, then what was seen, at most one page.

By default nothing on it identifies the phone or its owner: no name, no number, no file paths, no network names, only
the last four characters of the UDID. The phone's own words appear only without any of these.
"""

import re
from collections.abc import Iterator, Sequence

from ibackup import __version__
from ibackup.base.durations import rough_duration
from ibackup.base.sizes import rough_size
from ibackup.doctor.checks import wording
from ibackup.doctor.checks.case import SENTENCES
from ibackup.doctor.checks.phone_checks import is_beta
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables.catalog import CHECKS
from ibackup.doctor.tables.finding import CAUSES, FindingLevel
from ibackup.doctor.verdict.doctor_memory import DoctorRun
from ibackup.doctor.verdict.verdict import DoctorVerdict, is_cause

_UNKNOWN = "unknown"
_MOST_ERRORS = 5
_MOST_RUNS = 5
_LONGEST = 200  # characters of the phone's own words
_PRIVATE = (
    re.compile(r"\S*[/\\]\S*"),  # paths
    re.compile(r"\S+@\S+"),
    re.compile(r"\+?\d[\d ()-]{6,}\d"),
    re.compile(r"\b[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4,}){1,4}\b"),
    re.compile(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b"),
    re.compile(r"[“\"][^”\"]*[”\"]"),  # names appear in quotes
)


def packet(verdict: DoctorVerdict, runs: Sequence[DoctorRun] = (), *, full: bool = False) -> str:
    """The page as plain text."""
    lines = [
        f"iCloud Backup fails: for Apple Support, {wording.day(verdict.case.now)}",
        "Contact: the Apple Support app, or https://support.apple.com",
        "",
        "1. VERSION",
        *_version(verdict, full=full),
        "",
        "2. EXACT ERROR",
        *_error(verdict, full=full),
        "",
        "3. SINCE WHEN",
        *_since(verdict),
        "",
        "4. TRIED SO FAR",
        *_tried(verdict, runs),
        "",
        "SEEN",
        *_seen(verdict),
        "",
        "NOT SEEN",
        *_not_seen(verdict),
        "",
        f"Made by ibackup {__version__}. Sources: {'; '.join(source.label for source in verdict.sources) or 'none'}.",
    ]
    return "\n".join(_one_line(line) for line in lines) + "\n"


def _version(verdict: DoctorVerdict, *, full: bool) -> Iterator[str]:
    identity = verdict.case.evidence.phone.identity
    if identity is None:
        yield f"  {_UNKNOWN}"
        return
    beta = "yes" if is_beta(identity.build) else "no"
    yield f"  Model: {identity.product_name or _UNKNOWN} ({identity.product_type or _UNKNOWN})"
    yield f"  iOS: {identity.ios_version or _UNKNOWN} ({identity.build or _UNKNOWN}), test version: {beta}"
    yield f"  UDID: {identity.udid}" if full else f"  UDID: …{identity.udid[-4:]}"
    if full and identity.name:
        yield f"  Name: {identity.name}"


def _error(verdict: DoctorVerdict, *, full: bool) -> Iterator[str]:
    case = verdict.case
    sentence = case.evidence.answers.sentence.get()
    yield f"  Shown on the phone: {SENTENCES[sentence][0] if sentence in SENTENCES else sentence or _UNKNOWN}"
    counted = [each for each in case.counted if each.source.kind != "person"]
    for each in counted[:_MOST_ERRORS]:
        error = each.error
        date = wording.rfc3339(error.date) if error.date else "without a date"
        text = error.text if full else _scrubbed(error.text)
        yield f"  {date}  {error.domain} {error.code}, {wording.times(each.in_a_row)}: {each.meaning.words}"
        if text:
            yield f"    in the phone's words: {text[:_LONGEST]}"
        if error.app:
            yield f"    app: {error.app}"
        if full and error.path:
            yield f"    file: {error.path}"
    if not counted:
        yield "  Noted by the phone: none after the last success, or its notes were not read"
    status = case.evidence.apple.status
    trouble = (
        [each for each in status.value.events if each.status == "ongoing"] if isinstance(status, Seen) else []
    )
    told = "; ".join(f"{each.service}: {each.kind}" for each in trouble) or "no ongoing trouble"
    yield f"  Apple's System Status now: {told if isinstance(status, Seen) else _UNKNOWN}"


def _since(verdict: DoctorVerdict) -> Iterator[str]:
    case = verdict.case
    said = case.evidence.answers.since.get()
    if said:
        yield f"  You said: {said}"
    last = case.last_success
    never = "never" if case.never else _UNKNOWN
    yield f"  Last success: {wording.rfc3339(last.value) if last else never}"
    dates = [each.since for each in case.counted if each.since]
    yield f"  First error after it: {wording.rfc3339(min(dates)) if dates else _UNKNOWN}"
    enabled = case.notes.account_enabled if case.notes else None
    yield f"  iCloud Backup switched on: {wording.rfc3339(enabled) if enabled else _UNKNOWN}"
    count = sum(each.in_a_row for each in case.counted)
    yield f"  Failed attempts noted: {count or _UNKNOWN}"


def _tried(verdict: DoctorVerdict, runs: Sequence[DoctorRun]) -> Iterator[str]:
    tried = verdict.case.evidence.answers.tried.get()
    yield f"  You said: {', '.join(tried) if tried else _UNKNOWN}"
    for run in runs[-_MOST_RUNS:]:
        found = ", ".join(f"{CHECKS[each].number} {each}" for each in run.found if each in CHECKS)
        yield f"  {wording.rfc3339(run.date)}  ibackup doctor: {run.status}{f' ({found})' if found else ''}"


def _seen(verdict: DoctorVerdict) -> Iterator[str]:
    """One line for each finding that is a cause, then the facts that Support asks for."""
    case, phone = verdict.case, verdict.case.evidence.phone
    yield f"  Verdict: {verdict.status}"
    for finding in verdict.findings:
        if finding.level in CAUSES and (is_cause(finding) or finding.level is not FindingLevel.POSSIBLE):
            yield f"  {CHECKS[finding.id].number} {finding.id}: {finding.level}, {_scrubbed(finding.title)}"
    conditions = verdict.finding("conditions").evidence
    for said in conditions[-1:]:
        yield f"  {said.text}"
    disk = phone.disk.get()
    yield f"  Free on the phone: {rough_size(disk.free) if disk and disk.free is not None else _UNKNOWN}"
    wanted = case.estimate
    yield f"  iCloud backup needs: {wanted.text if wanted else _UNKNOWN}"
    plan = case.evidence.answers.plan.get()
    yield f"  iCloud plan, as stated: {rough_size(plan) if plan else _UNKNOWN}"
    profiles, config = phone.profiles.get(), phone.cloud_configuration.get()
    count = _UNKNOWN if profiles is None else len(profiles)
    yield f"  Profiles: {count}; supervised: {_flag(config.supervised if config else None)}"
    wifi, traffic = phone.wifi.get(), case.evidence.live.traffic.get()
    speed = traffic.upload_bits_per_second if traffic else None
    yield (
        f"  Wi-Fi connected: {_flag(wifi.connected if wifi else None)}; "
        f"upload measured: {f'{speed / 1e6:.2g} Mbit/s' if speed else _UNKNOWN}"
    )
    offset = phone.clock_offset.get()
    yield f"  Clock off by: {_UNKNOWN if offset is None else rough_duration(abs(offset))}"
    yield f"  Find My: {_flag(phone.find_my.get())}; passcode or lock: {_flag(phone.passcode_set.get())}"
    crashes = phone.crashes.get()
    yield f"  Crash reports of the backup's programs: {_UNKNOWN if crashes is None else len(crashes)}"
    local = case.evidence.local.get()
    yield f"  Local backup: {wording.rfc3339(local.finished) if local else 'none known'}"


def _not_seen(verdict: DoctorVerdict) -> Iterator[str]:
    unseen = [each for each in verdict.findings if each.level is FindingLevel.UNSEEN]
    yield "  " + (", ".join(f"{CHECKS[each.id].number} {each.id}" for each in unseen) or "nothing")


def _flag(value: bool | None) -> str:
    return _UNKNOWN if value is None else "yes" if value else "no"


def _scrubbed(text: str) -> str:
    """The phone's own words without what may name a file, a person, a device or a network."""
    for pattern in _PRIVATE:
        text = pattern.sub("[…]", text)
    return text


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
