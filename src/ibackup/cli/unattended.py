"""What ``nightly`` and ``watch`` have in common: options, the job, and what becomes of its outcomes."""

import logging
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup import config as config_file
from ibackup.cli import common
from ibackup.cli.common import COUNT, DURATION, HOURS, SIZE, App
from ibackup.cli.output import is_terminal, rfc3339, time_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.config import Config
from ibackup.errors import ExitCode
from ibackup.events import Caution, Event

if TYPE_CHECKING:
    from ibackup.store import Store
    from ibackup.unattended.job import Job, PhoneOutcome, Program, Report

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = [
    click.option(
        "--every", type=DURATION, metavar="TIME", help="A phone is due when its backup is so old [20h]"
    ),
    click.option(
        "--window", type=HOURS, metavar="HOURS", help="When backups may begin, as in 21:00-07:00 [any time]"
    ),
    click.option(
        "--max-age", type=DURATION, metavar="TIME", help="Raise the alarm when a backup is older [7d]"
    ),
    click.option("--max-prompts", type=COUNT, metavar="N", help="Passcode prompts a night [3]"),
    click.option(
        "--answer-within", type=DURATION, metavar="TIME", help="Wait so long for somebody at a phone [5m]"
    ),
    click.option("--power/--no-power", default=None, help="Only while the phone has external power [yes]"),
    click.option(
        "--min-free", type=SIZE, metavar="SIZE", help="Raise the alarm when less is free on the disk [10GB]"
    ),
    click.option(
        "--full-every", type=DURATION, metavar="TIME", help="Read every snapshot once in TIME; 0: never [30d]"
    ),
    click.option(
        "--deep/--no-deep", default=None, help="Also decrypt them then, where a password is stored [yes]"
    ),
]


def unattended_options(function: _Command) -> _Command:
    """Add the options of unattended runs, each of which is also a key of the config file."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return password_options(function)


def configured(config: Config, given: dict[str, Any]) -> Config:
    """The config with what the options say; takes the options out of ``given``."""
    taken = {name: given.pop(name) for name in _NAMES}
    config = config.overridden(every_s=taken["every"], window=taken["window"], max_age_s=taken["max_age"])
    nightly = {
        field: taken[name]
        for field, name in (
            ("max_prompts", "max_prompts"),
            ("answer_within_s", "answer_within"),
            ("power", "power"),
            ("min_free_bytes", "min_free"),
        )
        if taken[name] is not None
    }
    proof = {
        field: taken[name]
        for field, name in (("full_every_s", "full_every"), ("deep", "deep"))
        if taken[name] is not None
    }
    return replace(config, nightly=replace(config.nightly, **nightly), proof=replace(config.proof, **proof))


_NAMES = (
    "every",
    "window",
    "max_age",
    "max_prompts",
    "answer_within",
    "power",
    "min_free",
    "full_every",
    "deep",
)


class Unattended:
    """One unattended run for the command line; a context manager.

    Where nobody looks (no terminal, no ``--json``, no ``-v``) events go to the log alone, and what was worrying is
    printed at the end, if the run ended badly.
    """

    def __init__(self, app: App, given: dict[str, Any], program: "Program", *, once: bool = False) -> None:
        from ibackup.cli.logs import EventLog
        from ibackup.unattended.telling import Teller

        self._app = app
        settings = app.settings
        seen = is_terminal(sys.stderr) or is_terminal(sys.stdout)
        self.silent = not (seen or settings.json or settings.verbose)
        self._worries: list[Caution] = []
        self._log = EventLog()
        self._config = configured(app.config, given)
        self._passwords = PasswordSources(
            app, given.pop("password_file"), given.pop("password_command"), ask=False
        )
        if self._passwords.file:
            self._passwords.find(None)  # a wrong name is told now, and not at midnight
        self._program: Program = program
        self._once = once
        self._look_at_the_rights()
        self._teller = Teller(self._config.notify, lambda text: self.observe(Caution(text)))

    def __enter__(self) -> "Job":
        from ibackup.unattended.clock import SystemClock
        from ibackup.unattended.job import Job

        return Job(
            self._config,
            self._open_store,
            self._passwords.find,
            SystemClock(),
            self._teller.__enter__(),
            self.observe,
            self._report,
            program=self._program,
            once=self._once,
            only=self._app.udid,
            patience=common.patience(),
        )

    def __exit__(self, *_error: object) -> None:
        self._teller.close()

    def observe(self, event: Event) -> None:
        """Take an event of the run."""
        if not self.silent:
            self._app.reporter(event)
            return
        self._log(event)
        if isinstance(event, Caution) and event not in self._worries:
            self._worries.append(event)

    def _look_at_the_rights(self) -> None:
        """A config file with addresses in it is for its owner alone."""
        path = self._config.path
        if (
            os.name == "posix"
            and path is not None
            and self._config.notify.secrets()
            and path.stat().st_mode & 0o077
        ):
            text = f"Others can read the config file {path}, which holds the addresses to which messages go."
            self.observe(Caution(text, f"Run: chmod 600 {shlex.quote(str(path))}"))

    def tell_worries(self) -> None:
        """Print what was worrying, now that it matters."""
        for each in self._worries:
            self._app.reporter.say(wrap(f"Warning: {each.text} {each.hint}".rstrip()))

    def _open_store(self) -> "Store":
        from ibackup.unattended.stores import open_store

        return open_store(config_file.store_path(self._app.settings.store, self._config), self.observe)

    def _report(self, outcome: "PhoneOutcome") -> None:
        said = text(outcome)
        logging.getLogger("ibackup").info("%s", said.replace("\n ", ""))
        self._app.reporter.emit({"event": "phone", **row(outcome)})
        if not self.silent and not self._app.settings.json:
            self._app.stop_progress()
            self._app.reporter.say(said)


def row(outcome: "PhoneOutcome") -> dict[str, object]:
    """A phone's outcome for programs."""
    attempt = outcome.attempt
    return {
        "udid": outcome.phone.udid,
        "name": outcome.phone.name,
        "state": attempt.state,
        "exit_code": int(attempt.code),
        "exit_codes": sorted(int(code) for code in outcome.codes),
        "message": attempt.message,
        "hint": outcome.hint,
        "snapshot": attempt.snapshot or None,
        "newest": rfc3339(outcome.newest) if outcome.newest else None,
        "stale": outcome.stale,
        "prompts": outcome.prompts,
        "proofs": [
            {"snapshot": each.snapshot, "level": each.level, "good": each.good, "message": each.error}
            for each in outcome.proofs
        ],
        "pruned": list(outcome.pruned),
    }


_STATES = {
    "done": "backed up",
    "not_due": "not due",
    "absent": "not connected",
    "unanswered": "nobody was at the phone",
    "no_power": "no power",
    "waiting": "not now",
    "failed": "failed",
}


def text(outcome: "PhoneOutcome") -> str:
    """A phone's outcome for people."""
    attempt = outcome.attempt
    said = [f"{outcome.phone.name}: {_STATES[attempt.state]}."]
    if attempt.code:
        said = [f"{outcome.phone.name}: failed (exit code {int(attempt.code)})."]
    if attempt.snapshot:
        said.append(f"Snapshot {attempt.snapshot}.")
    said += [attempt.message if attempt.state != "absent" else "", outcome.hint]
    for proof in outcome.proofs:
        verdict = "good" if proof.good else proof.error or "damaged: `ibackup verify` names the files"
        said.append(f"{proof.snapshot} proven ({proof.level}): {verdict}.".replace("..", "."))
    if outcome.pruned:
        said.append(f"Removed by the config's rule: {', '.join(outcome.pruned)}.")
    newest = (
        f"the newest good backup is of {time_text(outcome.newest)}"
        if outcome.newest
        else "there is no good backup"
    )
    if outcome.stale:
        said.append(f"STALE: {newest}.")
    elif attempt.state != "done" and outcome.newest:
        said.append(f"{newest[0].upper()}{newest[1:]}.")
    return wrap(" ".join(part for part in said if part), "", "  ")


def message(report: "Report", code: ExitCode) -> str:
    """Why a run ended with this code, in a sentence."""
    if report.error is not None and report.error.exit_code == code:
        return report.error.message
    outcomes = report.phones
    names = ", ".join(each.phone.name for each in outcomes if code in each.codes)
    whys = {
        ExitCode.DAMAGE: "A snapshot is damaged",
        ExitCode.UNREADABLE_FILES: "The phone could not read some files",
        ExitCode.STALE: "There is no good backup within the limit",
    }
    first = next((each.attempt.message for each in outcomes if each.attempt.code == code), "")
    return first or f"{whys.get(code, 'Something went wrong')} ({names})."
