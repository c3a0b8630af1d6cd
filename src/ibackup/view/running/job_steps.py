"""The steps that a page shows of a job, made from the phases that the job tells."""

from typing import Literal, get_args

from ibackup.base.events import Phase
from ibackup.view.running.job_order import JobKind

StepName = Literal[
    "look",  # look for the phone, and get ready
    "passcode",
    "scan",  # the phone looks through its files
    "receive",
    "check",
    "seal",
    "read",  # a backup is read here, without the phone
    "send",
    "place",  # the phone puts everything in its place
    "remove",
    "repair",
    "write",
    "done",
]

_ALL: frozenset[Phase] = frozenset(get_args(Phase))
_LOOK: frozenset[Phase] = frozenset(["find", "prepare"])
_PASSCODE: frozenset[Phase] = frozenset(["passcode"])
_STEPS: dict[JobKind, tuple[tuple[StepName, frozenset[Phase]], ...]] = {
    "backup": (
        ("look", _LOOK),
        ("passcode", _PASSCODE),
        ("scan", frozenset(["scan"])),
        ("receive", frozenset(["receive"])),
        ("check", frozenset(["finish", "check", "verify"])),
        ("seal", frozenset(["seal"])),
    ),
    "verify": (("read", _ALL),),
    "rehearse": (("read", _ALL),),
    "heal": (("repair", _ALL),),
    "restore": (
        ("look", _LOOK),
        ("read", frozenset(["verify", "check"])),
        ("passcode", _PASSCODE),
        ("send", frozenset(["restore"])),
        ("place", frozenset(["finish"])),
    ),
    "prune": (("remove", _ALL),),
    "encryption": (
        ("look", _LOOK),
        ("passcode", _PASSCODE),
        ("check", frozenset(["check", "finish", "scan", "receive"])),
        ("seal", frozenset(["seal"])),
    ),
    "export": (("write", _ALL),),
}


def steps(kind: JobKind) -> tuple[StepName, ...]:
    """The steps of a kind of job in their order; ``done`` is the last."""
    return (*(name for name, _ in _STEPS[kind]), "done")


def step_of(kind: JobKind, phase: Phase) -> StepName | None:
    """The step that a phase belongs to; None if it changes nothing that is shown."""
    return next((name for name, phases in _STEPS[kind] if phase in phases), None)
