"""How the last unattended run went, from its journal."""

from typing import TYPE_CHECKING

from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibackup.config.config_schema import Config
    from ibackup.jobs.nights.night_journal import Attempt, NightJournal


def last_members(journal: "NightJournal") -> dict[str, object]:
    """For programs: the last run and each phone's outcome."""
    run = journal.last_run
    return {
        "last_run": {
            "program": run.program,
            "started": rfc3339(run.started),
            "ended": rfc3339(run.ended) if run.ended else None,
            "code": int(run.code),
        }
        if run
        else None,
        "phones": [
            {
                "udid": udid,
                "state": last.state,
                "ended": rfc3339(last.ended),
                "code": int(last.code),
                "message": last.message,
                "snapshot": last.snapshot or None,
                "program": last.program,
            }
            for udid, record in journal.phones.items()
            if (last := record.last) is not None
        ],
    }


def last_lines(journal: "NightJournal", config: "Config") -> "Iterator[str]":
    """For people: when, how it ended, and each phone's outcome."""
    run = journal.last_run
    if run is None:
        yield "It has not run yet."
        return
    how = (
        f"ended {time_text(run.ended)} with exit code {int(run.code)}"
        if run.ended
        else "still running, or interrupted"
    )
    yield wrap(f"Last run: {time_text(run.started)} (`ibackup {run.program}`), {how}.")
    for udid, record in journal.phones.items():
        if record.last is not None:
            phone = config.phone(udid)
            yield wrap(f"  {printable(phone.name if phone else udid)}: {_outcome(record.last)}", "", "    ")


def _outcome(last: "Attempt") -> str:
    from ibackup.jobs.nights.night_journal import STATE_WORDS

    said = f"{STATE_WORDS[last.state]}, {time_text(last.ended)}"
    code = f" (exit code {int(last.code)})" if last.code else ""
    return f"{said}{code}. {printable(last.message)}".strip()
