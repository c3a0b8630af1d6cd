"""What all checks come to: status, order, the first thing to do (section 8.1, as the product amends it)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ibackup.doctor import steps
from ibackup.doctor.case import Case
from ibackup.doctor.catalog import CHECKS
from ibackup.doctor.checks import run_all
from ibackup.doctor.evidence import Evidence, Seen, Source
from ibackup.doctor.finding import Finding, Level, Step
from ibackup.doctor.sizes import Shares, shares
from ibackup.doctor.thresholds import LIMITS, Thresholds

Status = Literal["working", "blocked", "suspect", "unknown"]

# A network or condition that failed says that nothing was known of the room yet.
_ABOUT_STORAGE = frozenset({"icloud-storage", "size"})
FIRST_BACKUP = "First: `ibackup now`, so that nothing can be lost. Then: "


@dataclass(frozen=True, slots=True)
class Advice:
    """A step as it is told: its words and its place for this phone.

    Attributes:
        settings_path: empty where it is not in Settings.
    """

    text: str
    settings_path: str
    disruption: int


@dataclass(frozen=True)
class Verdict:
    """What the doctor says.

    Attributes:
        findings: one of each check, in the order on screen.
        first_fix: the least disruptive step that removes a blocker, else a likely cause.
        protected: a local backup is younger than a day.
    """

    case: Case
    status: Status
    findings: tuple[Finding, ...]
    first_fix: Step | None
    protected: bool

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """Causes for which iCloud Backup cannot succeed."""
        return self._of(Level.BLOCKER)

    @property
    def likely(self) -> tuple[Finding, ...]:
        """Likely causes, and signs that something is wrong."""
        return self._of(Level.LIKELY)

    @property
    def causes(self) -> tuple[Finding, ...]:
        """Blockers, likely and possible causes, without what only says how things are."""
        found = (*self.blockers, *self.likely, *self._of(Level.POSSIBLE))
        return tuple(finding for finding in found if is_cause(finding))

    @property
    def explained(self) -> bool:
        """Whether a blocker or a likely cause was found."""
        return any(finding.level is not Level.POSSIBLE for finding in self.causes)

    @property
    def advice(self) -> tuple[Finding, ...]:
        """What is worth knowing although iCloud Backup works."""
        sure = (Level.BLOCKER, Level.LIKELY, Level.POSSIBLE)
        return tuple(each for each in self.findings if each.advice and each.level in sure and is_cause(each))

    @property
    def fallback(self) -> tuple[Step, ...]:
        """What to try when nothing explains it: storage, charger, Wi-Fi, lock, then a local backup."""
        if self.explained or self.status == "working" or self.case.first_pending:
            return ()
        full = self.finding("icloud-storage").level is not Level.FINE
        look = (steps.LOOK_AT_STORAGE,) if full else ()
        return (*look, steps.CHARGE, steps.JOIN_WIFI, steps.LEAVE_ALONE, steps.LOCAL_BACKUP)

    @property
    def sources(self) -> tuple[Source, ...]:
        """What was read."""
        return self.case.evidence.sources

    @property
    def shares(self) -> Shares | None:
        """Who takes how much of the backup."""
        return shares(self.case.evidence, self.case.limits)

    def finding(self, check: str) -> Finding:
        """What one check found."""
        return next(each for each in self.findings if each.id == check)

    def told(self, step: Step) -> Advice:
        """A step for this phone; a risky one is headed by a local backup when there is no fresh one."""
        noun, version = self.case.noun, self.case.ios_version
        text = step.text.format(noun=noun)
        if step.risky and not self.protected:
            text = FIRST_BACKUP + text
        return Advice(text, step.place.path(version, noun) if step.place else "", step.disruption)

    def _of(self, level: Level) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.level is level and not each.advice)


def judge(evidence: Evidence, limits: Thresholds = LIMITS) -> Verdict:
    """Run all checks and weigh them against each other."""
    case = Case(evidence, limits)
    findings = tuple(_advice(case, each) for each in _weighed(case, tuple(run_all(case))))
    verdict = Verdict(case, _status(case, findings), findings, None, _is_protected(case))
    return replace(verdict, first_fix=_first_fix(verdict))


def is_cause(finding: Finding) -> bool:
    """Whether it is a cause by itself, and not only a sign: C07 is one when the phone gives no other reason."""
    return bool(finding.steps) if finding.id == "history" else not CHECKS[finding.id].report


def _weighed(case: Case, findings: tuple[Finding, ...]) -> Iterable[Finding]:
    """Guesses give way to what the phone's newest error says; damage in iCloud is believed last (8.1, 3)."""
    newest = case.newest
    said = newest.meaning if newest and not newest.stale else None
    sure = {
        each.id for each in findings if each.level in (Level.BLOCKER, Level.LIKELY) and is_cause(each)
    } - {"cloud-data"}
    for finding in findings:
        beaten = (
            said is not None
            and finding.guess
            and finding.id != said.check
            and (said.clear or (said.passing and finding.id in _ABOUT_STORAGE))
        )
        if finding.id == "cloud-data":
            beaten = bool(sure)
        if beaten and finding.level is Level.LIKELY:
            without = tuple(step for step in finding.steps if step is not steps.DELETE_CLOUD_BACKUP)
            yield replace(finding, level=Level.POSSIBLE, steps=without)
        else:
            yield finding


def _advice(case: Case, finding: Finding) -> Finding:
    """After a recent success everything else is advice, but for what holds in spite of it (8.1, 1)."""
    if case.works and not finding.stands and finding.level is not Level.UNSEEN:
        return replace(finding, advice=True)
    return finding


def _status(case: Case, findings: tuple[Finding, ...]) -> Status:
    levels = {finding.level for finding in findings if not finding.advice}
    if Level.BLOCKER in levels:
        return "blocked"
    if Level.LIKELY in levels:
        return "suspect"
    return "working" if case.works else "unknown"


def _first_fix(verdict: Verdict) -> Step | None:
    """Of a blocker's steps that can remove it the least disruptive, else of a likely cause's."""
    for group in (verdict.blockers, verdict.likely):
        fixes = [step for finding in group if is_cause(finding) for step in finding.steps if step.removes]
        if fixes:
            return min(fixes, key=lambda step: step.disruption)
    return None


def _is_protected(case: Case) -> bool:
    """Whether a local backup is younger than a day: one in the store, or the one that was read."""
    fresh = case.limits.local_fresh
    local = case.evidence.local.get()
    if local and case.now - local.finished < fresh:
        return True
    notes = case.evidence.noted.notes
    return isinstance(notes, Seen) and notes.source.kind == "backup" and case.now - notes.source.date < fresh
