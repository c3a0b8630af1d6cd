"""The phone itself: C01, C16 to C19, C24, C26."""

import re

from ibackup.base.counts import listed
from ibackup.base.durations import rough_duration
from ibackup.base.sizes import rough_size
from ibackup.doctor.checks import wording
from ibackup.doctor.checks.case import Case
from ibackup.doctor.checks.how_checks_speak import (
    fine,
    found,
    said,
    set_clock,
    surer,
    unless_known,
    unseen,
    why,
)
from ibackup.doctor.checks.network_checks import has_tls_errors
from ibackup.doctor.evidence.sighting import Seen, Unseen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, FindingText, Step

_RUNNING = (
    1,
    2,
)  # BackupStateInfo's preparing and running; assume that a restore's states use the same numbers
_BETA = re.compile(r"[0-9]+[A-Z]([0-9]+)[a-z]")
_BETA_FROM = 5000


def readable(case: Case) -> CheckFinding:
    """C01: can the phone be read, and is it set up?"""
    reachable, phone = case.evidence.reachable, case.evidence.phone
    level, errors = case.by_codes("readable")
    texts = list(errors)
    if isinstance(phone.activation, Seen) and phone.activation.value != "Activated":
        level = surer(level, FindingLevel.LIKELY)
        texts.append(said(phone.activation, f"The {case.noun} is not activated ({phone.activation.value})."))
    if isinstance(phone.setup_done, Seen) and not phone.setup_done.value:
        level = surer(level, FindingLevel.LIKELY)
        texts.append(said(phone.setup_done, f"Setting up the {case.noun} was not finished."))
    if level:
        return found("readable", level, f"the {case.noun} is not fully set up", texts, stands=bool(errors))
    if isinstance(reachable, Seen) and reachable.value:
        identity = phone.identity
        model = (identity.product_name or identity.product_type or case.noun) if identity else case.noun
        version = f", iOS {identity.ios_version}" if identity and identity.ios_version else ""
        return fine("readable", said(reachable, f"Connected: {model}{version}."))
    return unseen(
        "readable", why(reachable) if isinstance(reachable, Unseen) else "the phone does not answer"
    )


def restore_running(case: Case) -> CheckFinding:
    """C16: is a restore still running?"""
    level, errors = case.by_codes("restore-running")
    texts, limits, source = list(errors), case.limits, case.notes_source
    restore = case.notes.restore if case.notes else None
    recent = bool(restore and restore.date and case.now - restore.date < limits.restore_recent)
    waiting = case.evidence.phone.placeholders
    if restore and restore.state in _RUNNING and source and not case.notes_stale:
        level = surer(level, FindingLevel.LIKELY)
        texts.append(
            FindingText("A restore was under way when these notes were made.", source.label, source.date)
        )
    if isinstance(waiting, Seen) and waiting.value >= limits.placeholders_many:
        unknown = restore is None or restore.date is None
        if recent or unknown:
            level = surer(level, FindingLevel.LIKELY if recent else FindingLevel.POSSIBLE)
            texts.append(said(waiting, f"{waiting.value} apps have not been downloaded yet."))
        if recent and restore and restore.date and source:
            moment = wording.when(restore.date, case.now)
            texts.append(FindingText(f"The {case.noun} was restored {moment}.", source.label, restore.date))
    if level:
        used = [
            each for each in case.counted if each.meaning.check == "restore-running" and each.error.code == 13
        ]
        title = "another device or a restore uses the backup" if used else "a restore is still running"
        chosen = [steps.OTHER_DEVICE] if used else [steps.FINISH_RESTORE]
        return found("restore-running", level, title, texts, steps=chosen, stands=bool(errors))
    # A phone that was never restored has no such key, so a missing key proves nothing by itself.
    return fine("restore-running") if restore else unless_known("restore-running", waiting)


def phone_storage(case: Case) -> CheckFinding:
    """C17: is the phone itself full?"""
    level, errors = case.by_codes("phone-storage")
    texts, disk, limits = list(errors), case.evidence.phone.disk, case.limits
    free = disk.value.free if isinstance(disk, Seen) else None
    if isinstance(disk, Seen) and free is not None:
        texts.append(
            said(
                disk,
                f"{rough_size(free)} are free, as the {case.noun} reports it (Settings may show more).",
            )
        )
        if free < limits.free_likely:
            level = surer(level, FindingLevel.LIKELY)
        elif free < limits.free_possible:
            level = surer(level, FindingLevel.POSSIBLE)
    if level:
        title = (
            f"the {case.noun} itself is full"
            if level is not FindingLevel.POSSIBLE
            else f"the {case.noun} itself is nearly full"
        )
        return found("phone-storage", level, title, texts, stands=bool(errors))
    return (
        fine("phone-storage", *texts)
        if free is not None
        else unseen("phone-storage", why(disk) or "the phone does not report it")
    )


def clock(case: Case) -> CheckFinding:
    """C18: is the clock right?"""
    offset, cloud, log, limits = (
        case.evidence.phone.clock_offset,
        case.evidence.phone.last_cloud_backup,
        case.evidence.live.log,
        case.limits,
    )
    level: FindingLevel | None = None
    texts: list[FindingText] = []
    status = case.evidence.apple.status.get()
    compared = status is not None and status.computer_ahead is not None
    heard = isinstance(log, Seen) and log.value.clock_ahead
    if case.clock_doubt and not heard:
        return unseen("clock", case.clock_doubt, set_clock(case))
    if isinstance(offset, Seen):
        off = abs(offset.value)
        if off > limits.clock_note.total_seconds():
            way = "ahead of" if offset.value > 0 else "behind"
            known = "Apple's server agrees with the computer" if compared else "see which is right"
            text = f"The {case.noun}'s clock is {rough_duration(off)} {way} this computer's; {known}."
            texts.append(said(offset, text))
            day_off = off > limits.clock_wrong.total_seconds()
            level = FindingLevel.LIKELY if day_off or has_tls_errors(case) else FindingLevel.POSSIBLE
    if isinstance(cloud, Seen) and cloud.value.in_future:
        level = FindingLevel.LIKELY
        texts.append(said(cloud, "The date of the last iCloud backup is in the future."))
    if isinstance(log, Seen) and log.value.clock_ahead:
        level = FindingLevel.LIKELY
        texts.append(said(log, f"The {case.noun}'s log says that its last backup is in the future."))
    if level:
        title = "the clock is wrong" if level is FindingLevel.LIKELY else "the clock may be wrong"
        return found("clock", level, title, texts)
    if isinstance(offset, Seen):
        differ = rough_duration(abs(offset.value))
        return fine("clock", said(offset, f"The {case.noun}'s clock and this computer's differ by {differ}."))
    return unseen("clock", why(offset))


def ios_version(case: Case) -> CheckFinding:
    """C19: is iOS out of date, a test version or too old?"""
    level, errors = case.by_codes("ios-version")
    texts, newest, identity = list(errors), case.evidence.apple.newest, case.evidence.phone.identity
    chosen: list[Step] = [steps.UPDATE_IOS] if errors else []
    version, build = (identity.ios_version, identity.build) if identity else (None, None)
    number = _number(version)
    if number and number[0] < case.limits.ios_too_old:
        level = FindingLevel.BLOCKER
        texts.append(
            FindingText(f"iOS {version} is too old: Apple's servers require iOS 9 or later.", "USB", case.now)
        )
        chosen = [steps.UPDATE_IOS]
    later = newer_version(case)
    if later and isinstance(newest, Seen) and newest.value:
        level = surer(level, FindingLevel.POSSIBLE)
        posted = f", published {wording.day(newest.value.posted)}" if newest.value.posted else ""
        texts.append(
            said(newest, f"It has iOS {version}; iOS {later} may be available for this model{posted}.")
        )
        chosen = [steps.UPDATE_IOS]
    if is_beta(build):
        level = surer(level, FindingLevel.POSSIBLE)
        texts.append(FindingText(f"iOS {version} ({build}) is a test version.", "USB", case.now))
        chosen = [*chosen, steps.LEAVE_BETA]
    if level:
        title = "iOS is too old" if level is FindingLevel.BLOCKER else "iOS is not up to date"
        if texts and not later and level is FindingLevel.POSSIBLE and is_beta(build):
            title = "iOS is a test version"
        return found("ios-version", level, title, texts, steps=chosen, stands=bool(errors), guess=not errors)
    if isinstance(newest, Seen) and newest.value and number:
        return fine("ios-version", said(newest, f"iOS {version} is the newest for this model."))
    return unseen("ios-version", why(newest) or "Apple's feed does not list this model")


def is_beta(build: str | None) -> bool:
    """Whether a build is a test version: ``24A5390f``, but not ``23G6083``."""
    match = _BETA.fullmatch(build or "")
    return match is not None and int(match[1]) >= _BETA_FROM


def newer_version(case: Case) -> str | None:
    """The newest iOS for the model, when it is newer than what the phone has."""
    newest, identity = case.evidence.apple.newest.get(), case.evidence.phone.identity
    here, there = (
        _number(identity.ios_version if identity else None),
        _number(newest.version if newest else None),
    )
    return newest.version if newest and here and there and there > here else None


def _number(version: str | None) -> tuple[int, ...]:
    found = re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}", version or "")
    parts = [int(part) for part in (version or "").split(".")] if found else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def helpers(case: Case) -> CheckFinding:
    """C24: are the phone's backup programs crashing?"""
    level, errors = case.by_codes("helpers")
    texts, crashes, limits = list(errors), case.evidence.phone.crashes, case.limits
    if isinstance(crashes, Seen):
        recent = [each for each in crashes.value if each.date and case.now - each.date < limits.crashes_days]
        if recent:
            days = {each.error.date.date() for each in case.counted if each.error.date}
            with_error = any(each.date and each.date.date() in days for each in recent)
            many = len(recent) >= limits.crashes_many
            level = surer(level, FindingLevel.LIKELY if many and with_error else FindingLevel.POSSIBLE)
            names = listed(sorted({each.process for each in recent}))
            texts.append(
                said(crashes, f"{wording.several(len(recent), 'crash report')} of {names} in two weeks.")
            )
    if level:
        chosen = [steps.RESTART_PHONE, *([steps.UPDATE_IOS] if newer_version(case) else [])]
        title = "the phone's own backup programs crash"
        return found("helpers", level, title, texts, steps=chosen, stands=bool(errors))
    return unless_known("helpers", crashes)


def restart(case: Case) -> CheckFinding:
    """C26: was it restarted since the trouble began? Advice only: the phone does not report it."""
    tried = case.evidence.answers.tried
    if isinstance(tried, Seen) and "restart" in tried.value:
        return fine("restart", said(tried, "You said you restarted it."))
    return unseen("restart", f"the {case.noun} does not report when it last started")
