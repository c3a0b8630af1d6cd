"""One phone's case: what follows from the evidence before any check judges it.

Above all which errors count: those newer than the last success, and of iCloud's backup, not of a local one.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from ibackup.base.durations import rough_duration
from ibackup.doctor.checks import wording
from ibackup.doctor.checks.icloud_size import SizeEstimate, estimate
from ibackup.doctor.evidence.noted_evidence import ConditionsWindow, NotedError, PhoneNotes
from ibackup.doctor.evidence.phone_evidence import Evidence
from ibackup.doctor.evidence.sighting import EvidenceSource, Seen
from ibackup.doctor.tables import icloud_error_codes
from ibackup.doctor.tables.finding import RANK, FindingLevel, FindingText, lower
from ibackup.doctor.tables.icloud_error_codes import Meaning
from ibackup.doctor.tables.thresholds import LIMITS, Thresholds

# What the phone shows on screen, and the error number behind it (docs/icloud.md, What the phone shows).
SENTENCES = {
    "icloud-full": ("not enough iCloud storage", icloud_error_codes.MB, 303),
    "phone-full": ("not enough space on this iPhone", icloud_error_codes.MB, 105),
    "files-unavailable": ("some files were unavailable during the last backup", icloud_error_codes.MB, 209),
    "network": ("connect to a Wi-Fi network, or a network problem", icloud_error_codes.MB, 300),
    "newer-ios": ("a newer iOS is needed", icloud_error_codes.MB, 203),
    "in-use": ("the backup is in use or locked", icloud_error_codes.MB, 13),
    "weeks": ("it has not been backed up in … weeks", "", 0),
    "not-completed": ("the last backup could not be completed", "", 0),
}
_FILES = ("backup", "sysdiagnose")
_LONGEST = 300  # characters of the phone's own words
_LOCAL_PROGRAM = "BackupAgent2"


@dataclass(frozen=True, slots=True)
class Counted:
    """An error that counts: it is newer than the last success.

    Attributes:
        in_a_row: how many times it occurred in a row.
        since: when the first of these was noted.
        newest: no other came after it.
        stale: from notes too old to say anything about today.
    """

    error: NotedError
    meaning: Meaning
    source: EvidenceSource
    in_a_row: int = 1
    since: datetime | None = None
    newest: bool = False
    stale: bool = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return icloud_error_codes.name(self.error.domain, self.error.code)


@dataclass(frozen=True)
class Case:
    """The evidence, and what follows from it. Everything is computed once."""

    evidence: Evidence
    limits: Thresholds = LIMITS

    @property
    def now(self) -> datetime:
        """This computer's clock."""
        return self.evidence.now

    @property
    def noun(self) -> str:
        """What the phone is called: iPhone or iPad."""
        identity = self.evidence.phone.identity
        return identity.noun if identity else "iPhone"

    @property
    def ios_version(self) -> str | None:
        """As far as it is known."""
        identity = self.evidence.phone.identity
        return identity.ios_version if identity else None

    @property
    def notes(self) -> PhoneNotes | None:
        """The phone's own notes."""
        return self.evidence.noted.notes.get()

    @property
    def notes_source(self) -> EvidenceSource | None:
        """Where the notes come from."""
        fact = self.evidence.noted.notes
        return fact.source if isinstance(fact, Seen) else None

    @property
    def notes_stale(self) -> bool:
        """Whether the notes are too old to say anything about today."""
        return self.is_stale(self.notes_source)

    @property
    def attempts_known(self) -> bool:
        """Whether fresh notes mention attempts at all; a file without those keys says nothing."""
        notes = self.notes
        told = notes is not None and (
            bool(notes.errors) or notes.state is not None or notes.failure_count is not None
        )
        return told and not self.notes_stale and not self.of_either_kind

    @cached_property
    def of_either_kind(self) -> int:
        """How many of the noted errors since the last success may come from local backups, and so do not count."""
        notes = self.notes
        if notes is None:
            return 0
        return sum(
            bool(error.code) and self._is_newer(error.date) and self._is_local(notes, error)
            for error in notes.errors
        )

    def is_stale(self, source: EvidenceSource | None) -> bool:
        """Whether a file is too old to say anything about today."""
        return (
            source is not None and source.kind in _FILES and self.now - source.date > self.limits.notes_stale
        )

    # -- successes ---------------------------------------------------------------------------------------

    @cached_property
    def last_success(self) -> Seen[datetime] | None:
        """The newest success that is known; a date in the future counts as none."""
        found: list[Seen[datetime]] = []
        cloud = self.evidence.phone.last_cloud_backup
        if isinstance(cloud, Seen) and cloud.value.date and not cloud.value.in_future:
            found.append(Seen(cloud.value.date, cloud.source))
        if self.notes and self.notes_source and self.notes.last_success:
            noted = self.notes.last_success
            if noted <= self.now + timedelta(minutes=10):
                found.append(Seen(noted, self.notes_source))
        return max(found, key=lambda seen: seen.value, default=None)

    @property
    def never(self) -> bool:
        """The phone says that no iCloud backup ever finished."""
        cloud = self.evidence.phone.last_cloud_backup
        return isinstance(cloud, Seen) and cloud.value.date is None and self.last_success is None

    @property
    def before_restore(self) -> bool:
        """The last success was before the phone was restored, so it covers other data."""
        restored = self.notes.restore.date if self.notes and self.notes.restore else None
        return bool(self.last_success and restored and self.last_success.value < restored)

    @cached_property
    def age(self) -> timedelta | None:
        """How long ago the last success was; by an older file, how long it was then."""
        last = self.last_success
        if last is None:
            return None
        as_of = last.source.date if last.source.kind in _FILES else self.now
        return max(as_of - last.value, timedelta(0))

    @property
    def works(self) -> bool:
        """The last success is recent enough to say that iCloud Backup works."""
        last, recent = self.last_success, self.limits.success_recent
        return (
            last is not None
            and self.now - last.value < recent
            and self.clock_right
            and not self.before_restore
        )

    @property
    def clock_right(self) -> bool:
        """Whether dates can be trusted."""
        offset = self.evidence.phone.clock_offset.get()
        cloud = self.evidence.phone.last_cloud_backup.get()
        wrong = offset is not None and abs(offset) > self.limits.clock_wrong.total_seconds()
        return not wrong and not (cloud and cloud.in_future)

    @property
    def clock_doubt(self) -> str:
        """Why this computer's clock cannot be trusted, as part of a sentence; empty if nothing is wrong."""
        status = self.evidence.apple.status.get()
        ahead = status.computer_ahead if status else None
        if ahead is None or abs(ahead) <= self.limits.clock_note.total_seconds():
            return ""
        way = "ahead" if ahead > 0 else "behind"
        return f"this computer's own clock is {rough_duration(abs(ahead))} {way}, by Apple's server"

    @property
    def first_pending(self) -> bool:
        """It was switched on so recently that the first backup may not have run yet."""
        enabled = self.notes.account_enabled if self.notes else None
        pending = enabled is not None and self.now - enabled < self.limits.first_pending
        return pending and self.last_success is None

    # -- errors -----------------------------------------------------------------------------------------------

    @cached_property
    def counted(self) -> tuple[Counted, ...]:
        """The errors that count, newest first, each kind of error once for each run of it."""
        found = (
            sorted(
                [*self._live_errors(), *self._noted_errors()],
                key=lambda each: each[0].date.timestamp() if each[0].date else 0.0,
                reverse=True,
            )
            or self._said_error()
        )
        runs: list[Counted] = []
        for error, source in found:
            if runs and (runs[-1].error.domain, runs[-1].error.code) == (error.domain, error.code):
                first = error.date or runs[-1].since
                runs[-1] = replace(runs[-1], in_a_row=runs[-1].in_a_row + 1, since=first)
                continue
            stale = self.is_stale(source)
            means = icloud_error_codes.meaning(error.domain, error.code)
            runs.append(Counted(error, means, source, since=error.date, newest=not runs, stale=stale))
        return tuple(runs)

    def _live_errors(self) -> list[tuple[NotedError, EvidenceSource]]:
        """Each kind once: one attempt logs its error in many lines."""
        fact = self.evidence.live.log
        if not isinstance(fact, Seen):
            return []
        found = {
            (each.domain, each.code): (
                NotedError(each.domain, each.code, each.date, app=each.app),
                fact.source,
            )
            for each in sorted(fact.value.errors, key=lambda each: each.date)
            if each.process != _LOCAL_PROGRAM and each.code and self._is_newer(each.date)
        }
        return list(found.values())

    def _noted_errors(self) -> list[tuple[NotedError, EvidenceSource]]:
        notes, source = self.notes, self.notes_source
        if notes is None or source is None:
            return []
        errors = list(notes.errors) or _of_windows(notes.windows)
        return [
            (error, source)
            for error in errors
            if error.code and self._is_newer(error.date) and not self._is_local(notes, error)
        ]

    def _said_error(self) -> list[tuple[NotedError, EvidenceSource]]:
        """What the phone shows, when its notes are not available."""
        fact = self.evidence.answers.sentence
        if not isinstance(fact, Seen) or self.now - fact.source.date > self.limits.answers_stale:
            return []
        text, domain, code = SENTENCES.get(fact.value, ("", "", 0))
        if not domain or not self._is_newer(fact.source.date):
            return []
        return [(NotedError(domain, code, fact.source.date, text), fact.source)]

    def _is_newer(self, date: datetime | None) -> bool:
        """Whether an error came after the last success; one without a date only counts when none is known."""
        if self.last_success is None or self.before_restore:
            return True
        return date is not None and date > self.last_success.value

    def _is_local(self, notes: PhoneNotes, error: NotedError) -> bool:
        """The last attempt was a local backup, and its error is one that a local backup can end with."""
        return notes.is_cloud is False and not icloud_error_codes.meaning(error.domain, error.code).cloud_only

    @property
    def newest(self) -> Counted | None:
        """The newest error that counts."""
        return self.counted[0] if self.counted else None

    def by_codes(self, check: str) -> tuple[FindingLevel | None, tuple[FindingText, ...]]:
        """How sure a check is because of the phone's own errors, and what they say."""
        level: FindingLevel | None = None
        said: list[FindingText] = []
        for counted in self.counted:
            if counted.meaning.check != check:
                continue
            own = counted.meaning.level(counted.in_a_row)
            if own and not counted.newest:
                own = lower(own)
            if own and counted.stale:
                own = max(lower(own), FindingLevel.POSSIBLE, key=RANK.__getitem__)
            if own in (None, FindingLevel.FINE):
                continue
            said.append(self.error_said(counted))
            level = own if level is None else min(level, own, key=RANK.__getitem__)
        return level, tuple(said)

    def error_said(self, counted: Counted) -> FindingText:
        """An error as evidence."""
        error, words = counted.error, counted.meaning.words
        if counted.source.kind == "person":
            return FindingText(
                f"You say the {self.noun} shows: {error.text}.", counted.source.label, error.date
            )
        often = f", {counted.in_a_row} times in a row, last" if counted.in_a_row > 1 else ""
        moment = f" {wording.when(error.date, self.now)}" if error.date else ""
        own = f" In its own words: “{error.text[:_LONGEST]}”" if error.text else ""
        return FindingText(
            f"The {self.noun} noted error {counted.name}{often}{moment}: {words}.{own}",
            counted.source.label,
            error.date or counted.source.date,
        )

    # -- conditions -------------------------------------------------------------------------------------------

    @cached_property
    def windows(self) -> tuple[ConditionsWindow, ...]:
        """The newest periods in which power, lock and Wi-Fi held together."""
        return self.notes.windows if self.notes and not self.notes_stale else ()

    @cached_property
    def estimate(self) -> SizeEstimate | None:
        """What an iCloud backup of this phone wants."""
        return estimate(self.evidence, self.limits)


def _of_windows(windows: tuple[ConditionsWindow, ...]) -> list[NotedError]:
    """The last error in the newest period's line, for when the list of errors is empty."""
    for window in windows[:1]:
        if window.error_code and window.seconds_since_error is not None:
            date = window.start + timedelta(seconds=window.seconds - window.seconds_since_error)
            return [NotedError(window.error_domain, window.error_code, date)]
    return []
