"""How a job ended, as its worker process says it in its last line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ibackup.base.errors import IbackupError
from ibackup.base.exit_codes import ExitCode

Question = Literal["", "copies", "new-key"]
"""What the person can be asked, so that the same job then works: may backups be full copies; is it their phone."""

_EVENT = "outcome"


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """The end of a job.

    Attributes:
        code: the exit code that the command line would give.
        what, why, hint: what happened, the reason, and what the command line advises; empty if all is well.
        error_code: the phone's own number, if there is one.
        question: asked, with ``what`` and ``why``, in place of an error.
        result: what the job made or found; its members depend on the kind (``job_running``).
    """

    code: ExitCode
    what: str = ""
    why: str = ""
    hint: str = ""
    error_code: int | None = None
    question: Question = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether the job did what was asked, if with flaws that the phone sent."""
        return self.code in (ExitCode.OK, ExitCode.FLAWED)

    @property
    def was_stopped(self) -> bool:
        """Whether someone stopped it."""
        return self.code is ExitCode.INTERRUPTED

    @classmethod
    def of_error(
        cls, error: IbackupError, question: Question = "", result: Mapping[str, Any] | None = None
    ) -> Self:
        """The end that an error brings."""
        return cls(
            error.exit_code, error.what, error.why, error.hint, error.error_code, question, result or {}
        )

    def to_line(self) -> str:
        """One line of JSON."""
        members = {
            "event": _EVENT,
            "exit_code": int(self.code),
            "what": self.what,
            "why": self.why,
            "hint": self.hint,
            "error_code": self.error_code,
            "question": self.question,
            "result": self.result,
        }
        return json.dumps(members)

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Self | None:
        """Read it; None for another line. Raises ValueError or KeyError: it is no outcome."""
        if line.get("event") != _EVENT:
            return None
        return cls(
            ExitCode(line["exit_code"]),
            line["what"],
            line["why"],
            line["hint"],
            line["error_code"],
            line["question"],
            line["result"],
        )
