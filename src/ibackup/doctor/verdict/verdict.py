"""Weighs all checks: status, order, and the first thing to do."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ibackup.doctor.checks.all_checks import run_all
from ibackup.doctor.checks.case import Case
from ibackup.doctor.checks.icloud_size import Shares, shares
from ibackup.doctor.evidence.phone_evidence import Evidence
from ibackup.doctor.evidence.sighting import EvidenceSource, Seen
from ibackup.doctor.tables import steps
from ibackup.doctor.tables.catalog import CHECKS
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, Step
from ibackup.doctor.tables.thresholds import LIMITS, Thresholds

Status = Literal["working", "blocked", "suspect", "unknown"]

# An attempt that a network or condition ended says nothing about the space in iCloud.
_ABOUT_STORAGE = frozenset({"icloud-storage", "size"})
FIRST_BACKUP = "First: `ibackup now`, so that nothing can be lost. Then: "


@dataclass(frozen=True, slots=True)
class Advice:
    """A step with its text and place in Settings for this phone.

    Attributes:
        settings_path: empty if it is not in Settings.
    """

    text: str
    settings_path: str
    disruption: int


@dataclass(frozen=True)
class DoctorVerdict:
    """What the doctor says.

    Attributes:
        findings: one per check, in the order on screen.
        first_fix: the least disruptive step that removes a blocker or, without one, a likely cause.
        protected: there is a local backup younger than a day, and ibackup can open it.
    """

    case: Case
    status: Status
    findings: tuple[CheckFinding, ...]
    first_fix: Step | None
    protected: bool

    @property
    def blockers(self) -> tuple[CheckFinding, ...]:
        """Causes that make iCloud Backup impossible."""
        return self._of(FindingLevel.BLOCKER)

    @property
    def likely(self) -> tuple[CheckFinding, ...]:
        """Likely causes, and signs that something is wrong."""
        return self._of(FindingLevel.LIKELY)

    @property
    def causes(self) -> tuple[CheckFinding, ...]:
        """Blockers, likely and possible causes, without checks that only describe the situation."""
        found = (*self.blockers, *self.likely, *self._of(FindingLevel.POSSIBLE))
        return tuple(finding for finding in found if is_cause(finding))

    @property
    def explained(self) -> bool:
        """Whether a blocker or a likely cause was found."""
        return any(finding.level is not FindingLevel.POSSIBLE for finding in self.causes)

    @property
    def advice(self) -> tuple[CheckFinding, ...]:
        """What is good to know although iCloud Backup works."""
        sure = (FindingLevel.BLOCKER, FindingLevel.LIKELY, FindingLevel.POSSIBLE)
        return tuple(each for each in self.findings if each.advice and each.level in sure and is_cause(each))

    @property
    def fallback(self) -> tuple[Step, ...]:
        """What to try if nothing explains it: storage, charger, Wi-Fi, lock, then a local backup."""
        if self.explained or self.status == "working" or self.case.first_pending:
            return ()
        full = self.finding("icloud-storage").level is not FindingLevel.FINE
        look = (steps.LOOK_AT_STORAGE,) if full else ()
        return (*look, steps.CHARGE, steps.JOIN_WIFI, steps.LEAVE_ALONE, steps.LOCAL_BACKUP)

    @property
    def locked(self) -> bool:
        """Whether there is a fresh local backup that ibackup cannot open."""
        local = self.case.evidence.local.get()
        fresh = local is not None and self.case.now - local.finished < self.case.limits.local_fresh
        return not self.protected and fresh

    @property
    def sources(self) -> tuple[EvidenceSource, ...]:
        """What was read."""
        return self.case.evidence.sources

    @property
    def shares(self) -> Shares | None:
        """How much of the backup each app takes."""
        return shares(self.case.evidence, self.case.limits)

    def finding(self, check: str) -> CheckFinding:
        """What one check found."""
        return next(each for each in self.findings if each.id == check)

    def told(self, step: Step) -> Advice:
        """A step for this phone; a risky one starts with a local backup if there is no fresh one."""
        noun, version = self.case.noun, self.case.ios_version
        text = step.text.format(noun=noun)
        if step.risky and not self.protected:
            text = FIRST_BACKUP + text
        return Advice(text, step.place.path(version, noun) if step.place else "", step.disruption)

    def _of(self, level: FindingLevel) -> tuple[CheckFinding, ...]:
        return tuple(each for each in self.findings if each.level is level and not each.advice)


def judge(evidence: Evidence, limits: Thresholds = LIMITS) -> DoctorVerdict:
    """Run all checks and weigh them against each other."""
    case = Case(evidence, limits)
    findings = tuple(_advice(case, each) for each in _weighed(case, tuple(run_all(case))))
    verdict = DoctorVerdict(case, _status(case, findings), findings, None, _is_protected(case))
    return replace(verdict, first_fix=_first_fix(verdict))


def is_cause(finding: CheckFinding) -> bool:
    """Whether it is a cause by itself, and not only a sign: C07 is a cause only if the phone gives no other reason."""
    return bool(finding.steps) if finding.id == "history" else not CHECKS[finding.id].report


def _weighed(case: Case, findings: tuple[CheckFinding, ...]) -> Iterable[CheckFinding]:
    """Guesses give way to what the phone's newest error says; damage in iCloud is believed last (8.1, 3)."""
    newest = case.newest
    said = newest.meaning if newest and not newest.stale else None
    sure = {
        each.id
        for each in findings
        if each.level in (FindingLevel.BLOCKER, FindingLevel.LIKELY) and is_cause(each)
    } - {"cloud-data"}
    named = any(each.id in sure and _is_named(each) for each in findings)
    for finding in findings:
        about_storage = finding.id in _ABOUT_STORAGE
        beaten = finding.guess and (
            (
                said is not None
                and finding.id != said.check
                and (said.clear or (said.passing and about_storage))
            )
            or (named and about_storage)
        )
        if finding.id == "cloud-data":
            beaten = bool(sure)
        if beaten and finding.level is FindingLevel.LIKELY:
            without = tuple(step for step in finding.steps if step is not steps.DELETE_CLOUD_BACKUP)
            yield replace(finding, level=FindingLevel.POSSIBLE, steps=without)
        else:
            yield finding


def _is_named(finding: CheckFinding) -> bool:
    """Whether it rests on an app or a code that the phone itself names; "no reason" does not count."""
    return finding.stands and not finding.guess and finding.id not in {"history", *_ABOUT_STORAGE}


def _advice(case: Case, finding: CheckFinding) -> CheckFinding:
    """After a recent success everything is only advice, except what applies despite it (8.1, 1)."""
    if case.works and not finding.stands and finding.level is not FindingLevel.UNSEEN:
        return replace(finding, advice=True)
    return finding


def _status(case: Case, findings: tuple[CheckFinding, ...]) -> Status:
    levels = {finding.level for finding in findings if not finding.advice}
    if FindingLevel.BLOCKER in levels:
        return "blocked"
    if FindingLevel.LIKELY in levels:
        return "suspect"
    return "working" if case.works else "unknown"


def _first_fix(verdict: DoctorVerdict) -> Step | None:
    """The least disruptive step that removes a blocker, or else a likely cause; guesses come last."""
    surely = [each for each in verdict.likely if not each.guess]
    for group in (verdict.blockers, surely, verdict.likely):
        fixes = [step for finding in group if is_cause(finding) for step in finding.steps if step.removes]
        if fixes:
            return min(fixes, key=lambda step: step.disruption)
    return None


def _is_protected(case: Case) -> bool:
    """Whether a readable local backup, in the store or the one just read, is younger than a day."""
    fresh = case.limits.local_fresh
    local = case.evidence.local.get()
    if local and local.readable and case.now - local.finished < fresh:
        return True
    notes = case.evidence.noted.notes
    return isinstance(notes, Seen) and notes.source.kind == "backup" and case.now - notes.source.date < fresh
