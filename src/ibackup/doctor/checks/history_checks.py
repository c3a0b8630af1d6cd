"""What the phone records about the past: C03, C07, C25, and other backups: C30."""

from collections.abc import Iterator
from datetime import datetime

from ibackup.doctor.checks import wording
from ibackup.doctor.checks.case import Case
from ibackup.doctor.checks.how_checks_speak import fine, found, said, set_clock, surer, unseen, why
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, FindingText, Step

_RUNNING = (1, 2)  # BackupStateInfo's preparing and running


def last_success(case: Case) -> CheckFinding:
    """C03: when did it last succeed?"""
    cloud = case.evidence.phone.last_cloud_backup
    if isinstance(cloud, Seen) and cloud.value.in_future and cloud.value.date:
        if case.clock_doubt:
            return unseen("last-success", case.clock_doubt, set_clock(case))
        text = f"The date of the last iCloud backup is in the future: {wording.day(cloud.value.date)}."
        return found(
            "last-success", FindingLevel.POSSIBLE, "the date of the last backup is wrong", [said(cloud, text)]
        )
    if case.first_pending:
        text = "It was switched on less than two days ago; the first backup has not run yet."
        source = case.notes_source
        return fine(
            "last-success", FindingText(text, source.label if source else "", source.date if source else None)
        )
    last = case.last_success
    if last is None:
        if case.never and isinstance(cloud, Seen):
            text = f"The {case.noun} reports no finished iCloud backup."
            texts = [said(cloud, text), *_under_way(case)]
            return found("last-success", FindingLevel.LIKELY, "no iCloud backup ever finished", texts)
        return unseen("last-success", why(cloud))
    text = f"The last iCloud backup finished {wording.when(last.value, case.now)}."
    if case.before_restore:
        text += f" That was before this {case.noun} was restored; none has finished since."
        return found(
            "last-success", FindingLevel.POSSIBLE, "none has finished since the restore", [said(last, text)]
        )
    return _by_age(case, last, text)


def _by_age(case: Case, last: Seen[datetime], text: str) -> CheckFinding:
    age, limits = case.age or case.now - last.value, case.limits
    under_way = list(_under_way(case))
    if age <= limits.success_recent:
        if case.now - last.source.date > limits.success_recent:
            return unseen("last-success", f"{text.rstrip('.')}, according to an older backup")
        return fine("last-success", said(last, text), *under_way)
    title = f"the last iCloud backup is {(case.now - last.value).days} days old"
    if age <= limits.success_overdue:
        texts = [said(last, text + " One night missed is normal."), *under_way]
        return found("last-success", FindingLevel.POSSIBLE, title, texts)
    if age > limits.success_expiring:
        text += " Apple keeps it for 180 days after the last update and then deletes it."
    elif age > limits.success_alert:
        text += f" After two weeks the {case.noun} itself shows a warning."
    return found("last-success", FindingLevel.LIKELY, title, [said(last, text), *under_way])


def _under_way(case: Case) -> Iterator[FindingText]:
    """An attempt that was running when the phone's notes were made."""
    notes, source = case.notes, case.notes_source
    if notes and source and notes.is_cloud and notes.state in _RUNNING and not case.notes_stale:
        share = f", {notes.progress:.0%} done" if notes.progress else ""
        yield FindingText(f"An iCloud backup was running at that time{share}.", source.label, source.date)


def history(case: Case) -> CheckFinding:
    """C07: what did the phone record about its last attempts?"""
    newest, notes = case.newest, case.evidence.noted.notes
    if newest is None:
        if not isinstance(notes, Seen):
            return unseen("history", notes.why, notes.fix)
        if case.notes_stale:
            return unseen(
                "history",
                f"the newest notes are from {wording.day(notes.source.date)}, too old to say anything about today",
            )
        if case.of_either_kind:
            failed = wording.several(case.of_either_kind, "failed attempt")
            why = f"the {notes.source.label} records {failed} that may be local backups"
            return unseen("history", why, "watch an attempt: `ibackup doctor --watch`")
        if not case.attempts_known:
            return unseen("history", f"the {notes.source.label} does not mention any attempt")
        return fine("history", said(notes, "No failed attempt is recorded since the last success."))
    level, errors = case.by_codes("history")
    if newest.meaning.check == "history" and level:
        title = "its attempts fail, but the phone gives no reason"
        return found("history", level, title, errors, steps=_to_learn_more(case), stands=True)
    texts = [_attempts(case), *(case.error_said(counted) for counted in case.counted)]
    return found("history", FindingLevel.POSSIBLE, "its attempts fail", texts, steps=(), stands=True)


def _to_learn_more(case: Case) -> list[Step]:
    fresh = case.evidence.live.log
    return [steps.RESTART_PHONE] if isinstance(fresh, Seen) else [steps.WATCH, steps.RESTART_PHONE]


def _attempts(case: Case) -> FindingText:
    count = sum(counted.in_a_row for counted in case.counted)
    source = case.counted[0].source
    return FindingText(
        f"Failed attempts recorded since the last success: {count}.", source.label, source.date
    )


def backoff(case: Case) -> CheckFinding:
    """C25: is the phone waiting on purpose?"""
    level, errors = case.by_codes("backoff")
    texts = list(errors)
    for until, text, source in _waits(case):
        long = until - case.now > case.limits.wait_long
        level = surer(level, FindingLevel.LIKELY if long else FindingLevel.POSSIBLE)
        texts.append(FindingText(text, source, case.notes_source.date if case.notes_source else None))
    if level:
        return found(
            "backoff", level, "the phone is waiting on purpose after failures", texts, stands=bool(errors)
        )
    notes = case.evidence.noted.notes
    return fine("backoff") if case.attempts_known else unseen("backoff", why(notes) or "the notes do not say")


def _waits(case: Case) -> Iterator[tuple[datetime, str, str]]:
    notes, log = case.notes, case.evidence.live.log
    source = case.notes_source.label if case.notes_source else ""
    if notes and notes.retry_after and notes.retry_after > case.now:
        after = (
            f", because {wording.several(notes.failure_count, 'attempt')} failed"
            if notes.failure_count
            else ""
        )
        moment = wording.until(notes.retry_after, case.now)
        yield notes.retry_after, f"The {case.noun} will not try automatically before {moment}{after}.", source
    if notes and notes.missing_key_retry_after and notes.missing_key_retry_after > case.now:
        moment = wording.until(notes.missing_key_retry_after, case.now)
        text = f"Because it could not read some files, it will not try again before {moment}."
        yield notes.missing_key_retry_after, text, source
    if isinstance(log, Seen) and log.value.retry_after and log.value.retry_after > case.now:
        moment = wording.until(log.value.retry_after, case.now)
        text = f"The {case.noun}'s log says that it will not try before {moment}."
        yield log.value.retry_after, text, log.source.label


def local_backup(case: Case) -> CheckFinding:
    """C30: is there another backup?"""
    local, own = case.evidence.local, case.evidence.phone.last_local_backup
    if isinstance(local, Seen) and local.value:
        kind = "encrypted" if local.value.encrypted else "not encrypted"
        moment = wording.when(local.value.finished, case.now)
        text = FindingText(
            f"The newest local backup was made {moment}, {kind}.", local.source.label, local.value.finished
        )
        if case.now - local.value.finished <= case.limits.local_old:
            return fine("local-backup", text)
        return found("local-backup", FindingLevel.POSSIBLE, "the local backup is old", [text])
    if isinstance(own, Seen) and own.value:
        moment = wording.when(own.value, case.now)
        text = said(own, f"A computer made a local backup {moment}, but not with this store.")
        if case.now - own.value <= case.limits.local_old:
            return fine("local-backup", text)
        return found("local-backup", FindingLevel.POSSIBLE, "the local backup is old", [text])
    if isinstance(local, Seen):
        text = said(local, f"There is no local backup of this {case.noun} in the store.")
        return found("local-backup", FindingLevel.POSSIBLE, "there is no local backup", [text])
    return unseen("local-backup", why(local))
