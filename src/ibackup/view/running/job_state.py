"""What is known of a job now: an immutable picture, replaced at each event."""

from dataclasses import dataclass, replace

from ibackup.base.events import (
    Caution,
    Event,
    Note,
    Phase,
    PhaseStarted,
    Progress,
    Prompt,
    PromptDone,
    PromptKind,
    Silent,
)
from ibackup.base.pace import Pace
from ibackup.view.running.job_order import JobKind
from ibackup.view.running.job_outcome import JobOutcome
from ibackup.view.running.job_steps import StepName, step_of, steps

PASSCODE_S = 60.0
"""How long a phone waits for its passcode at least (docs/errors.md, 208); it does not report it."""
_WITHOUT_PHONE = frozenset(["verify", "rehearse", "heal", "prune", "export"])
_MOST_KEPT = 50  # of cautions and of notes


@dataclass(frozen=True, slots=True)
class OpenPrompt:
    """Someone must do something at the phone.

    Attributes:
        since, until: seconds since 1970; ``until`` is None if it waits without a limit.
    """

    kind: PromptKind
    text: str
    since: float
    until: float | None


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as it is now; moments in seconds since 1970, sizes in bytes.

    Attributes:
        kind: of the job.
        started: when it began.
        step: where it is.
        step_since: since when.
        phase: the job's own name for what it does.
        text: the job's own sentence about what it does.
        percent: 0 to 100, None if unknown; like ``bytes``, ``files``, ``rate`` (a second) and ``left`` (seconds) of
            this phase.
        silent: for how many seconds the phone has said nothing; 0 if it speaks.
        prompt: what someone must do at the phone.
        cautions, notes: what the job told so far.
        stopping: someone asked it to stop.
        outcome: how it ended; None while it runs.
        change: grows by one whenever more than figures changed; ``figures`` whenever anything did.
    """

    kind: JobKind
    started: float
    step: StepName
    step_since: float
    phase: Phase | None = None
    text: str = ""
    percent: float | None = None
    bytes: int = 0
    total_bytes: int | None = None
    files: int = 0
    total_files: int | None = None
    rate: float | None = None
    left: float | None = None
    silent: float = 0.0
    prompt: OpenPrompt | None = None
    cautions: tuple[Caution, ...] = ()
    notes: tuple[str, ...] = ()
    stopping: bool = False
    outcome: JobOutcome | None = None
    change: int = 0
    figures: int = 0

    @classmethod
    def at_start(cls, kind: JobKind, now: float) -> "JobState":
        """A job that has just begun."""
        return cls(kind, now, steps(kind)[0], now)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.outcome is not None

    @property
    def steps(self) -> tuple[StepName, ...]:
        """All its steps, in their order."""
        return steps(self.kind)

    @property
    def phone_may_go(self) -> bool:
        """Whether the phone is not needed any more."""
        if self.is_over or self.kind in _WITHOUT_PHONE:
            return True
        return self.kind == "backup" and self.phase in ("check", "verify", "seal")

    @property
    def must_not_stop(self) -> bool:
        """Whether a phone would be left half restored if it stopped now."""
        return self.kind == "restore" and self.step in ("send", "place") and not self.is_over

    def after(self, event: Event, pace: Pace, now: float) -> "JobState":
        """The state after an event; ``pace`` has had it already."""
        seen = replace(self, figures=self.figures + 1)
        match event:
            case Progress():
                return replace(
                    seen,
                    percent=pace.percent,
                    bytes=event.bytes,
                    total_bytes=event.total_bytes,
                    files=event.files,
                    total_files=event.total_files,
                    rate=pace.rate(),
                    left=pace.left(),
                    silent=0.0,
                )
            case Silent():
                return replace(seen, silent=event.seconds)
            case _:
                return replace(_changed(seen, event, now), change=self.change + 1)

    def asked_to_stop(self) -> "JobState":
        """The state after someone asked it to stop."""
        return replace(self, stopping=True, change=self.change + 1, figures=self.figures + 1)

    def ended(self, outcome: JobOutcome, now: float) -> "JobState":
        """The state after its end; a job that failed stays at the step where it did."""
        step: StepName = "done" if outcome.is_good else self.step
        return replace(
            self,
            step=step,
            step_since=now,
            prompt=None,
            outcome=outcome,
            change=self.change + 1,
            figures=self.figures + 1,
        )


def _changed(state: JobState, event: Event, now: float) -> JobState:
    match event:
        case PhaseStarted(phase, text):
            step = step_of(state.kind, phase) or state.step
            blank = replace(
                state,
                phase=phase,
                text=text or state.text,
                percent=None,
                bytes=0,
                total_bytes=None,
                files=0,
                total_files=None,
                rate=None,
                left=None,
                silent=0.0,
            )
            return blank if step == state.step else replace(blank, step=step, step_since=now)
        case Prompt(kind, text, seconds):
            wait = PASSCODE_S if seconds is None and kind == "passcode" else seconds
            return replace(state, prompt=OpenPrompt(kind, text, now, None if wait is None else now + wait))
        case PromptDone():
            return replace(state, prompt=None)
        case Caution():
            return replace(state, cautions=(*state.cautions, event)[-_MOST_KEPT:])
        case Note(text):
            return replace(state, notes=(*state.notes, text)[-_MOST_KEPT:])
        case _:
            return state
