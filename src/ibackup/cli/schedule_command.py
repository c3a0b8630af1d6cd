"""``ibackup schedule``: have the system start the nightly backups."""

import os
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import TIME_OF_DAY, App, ibackup_command, ibackup_group
from ibackup.cli.completing import files
from ibackup.cli.last_run import last_lines, last_members
from ibackup.cli.output import printable, rfc3339, whole, wrap
from ibackup.events import Caution

if TYPE_CHECKING:
    from ibackup.scheduling import Installed, Job, Kind

_AT = time(21, 30)
_ENDS = "07:00"
_AT_HELP = "When, by this computer's clock [21:30]"
KINDS = ("cron", "systemd", "launchd", "windows")  # ibackup.scheduling is loaded only by those who use it


@ibackup_group("schedule")
def command() -> None:
    """Have the system start the nightly backups, and show or remove that."""


@ibackup_command("install")
@click.option("--at", type=TIME_OF_DAY, default=_AT, metavar="HH:MM", help=_AT_HELP)
@click.option("--kind", type=click.Choice(KINDS), help="Which scheduler [the system's own]")
@click.option("--print", "only_print", is_flag=True, help="Only show what would be written, for any system")
@click.option(
    "--password-file",
    metavar="FILE",
    help="Hand over FILE with the password of the backups (systemd: as a credential; FILE.cred: encrypted)",
    shell_complete=files,
)
def install(app: App, at: time, kind: "Kind | None", only_print: bool, password_file: str | None) -> int:
    """Start `ibackup nightly` every day at a time when the phone is usually plugged in.

    From then on until the morning it waits for phones that are due, and somebody enters the passcode at the phone.
    Doing it again with other options replaces the schedule.
    """
    job = nightly_job(app, at, password_file)
    if only_print:
        return _print(app, kind, job)
    from ibackup.scheduling import install as install_job

    tell_what_is_left_out(app)
    found, caveat = install_job(job, kind)
    payload = members(found) | {"caveat": caveat or None}
    return app.result(payload, installed_text(found, caveat), skippable=True)


@ibackup_command("show")
def show(app: App) -> int:
    """Show the schedule: when it starts next, and how it went last time."""
    from ibackup.scheduling import find
    from ibackup.unattended.journal import JournalFile

    found, journal = find(), JournalFile().read()
    if found is None:
        lines = [wrap("No schedule is installed. `ibackup schedule install` makes one.")]
    else:
        lines = [wrap(_what(found)), *([wrap(found.problem)] if found.problem else []), _next_text(found)]
    payload = {**(members(found) if found else {"installed": False}), **last_members(journal)}
    return app.result(payload, "\n".join([*filter(None, lines), *last_lines(journal, app.config)]))


@ibackup_command("remove")
def remove(app: App) -> int:
    """Take the schedule away without a trace; the backups stay."""
    from ibackup.scheduling import remove as remove_all
    from ibackup.scheduling.types import NAMES

    kinds = remove_all()
    said = f"Removed {' and '.join(NAMES[kind] for kind in kinds)}." if kinds else "There was no schedule."
    return app.result({"removed": list(kinds)}, said, skippable=True)


for _each in (install, show, remove):
    command.add_command(_each)


# -- what setup needs, too ----------------------------------------------------------------------------------


def nightly_job(app: App, at: time, password_file: str | None = None) -> "Job":
    """The job for this store and this config; the window is the config's, or from that time to the morning."""
    from ibackup.config import store_path
    from ibackup.scheduling import make_job

    options = ["--store", str(store_path(app.settings.store, app.config))]
    if app.settings.config:
        options += ["--config", os.path.abspath(os.path.expanduser(app.settings.config))]
    if app.udid:
        options += ["--phone", app.udid]
    if app.config.nightly.window is None and not any(phone.window for phone in app.config.phones):
        options += ["--window", f"{at:%H:%M}-{_ENDS}"]
    given = os.path.abspath(os.path.expanduser(password_file)) if password_file else None
    return make_job(at, options=tuple(options), password_file=given)


def tell_what_is_left_out(app: App) -> None:
    """Say which secrets of this shell the scheduled job will not have."""
    from ibackup.scheduling import not_passed_on

    names = not_passed_on()
    if names:
        app.reporter(
            Caution(
                f"Not written into the schedule, since others may read it: {', '.join(names)}.",
                "Put it into the config file, or give --password-file.",
            )
        )


def installed_text(found: "Installed", caveat: str) -> str:
    """What there is now, for people."""
    lines = [wrap(_what(found)), _next_text(found), *([wrap(caveat)] if caveat else [])]
    return "\n".join(line for line in lines if line)


def _what(found: "Installed") -> str:
    from ibackup.scheduling.types import NAMES

    when = f"Every day at {found.at:%H:%M}" if found.at else "By a rule that somebody has changed"
    where = f" ({whole(printable(found.place))})" if os.path.isabs(found.place) else ""
    return f"{when} {NAMES[found.kind]} starts `ibackup nightly`{where}."


def _next_text(found: "Installed") -> str:
    moment = _next(found)
    return f"Next run: {moment.astimezone():%Y-%m-%d %H:%M}." if moment else ""


def _next(found: "Installed") -> datetime | None:
    from ibackup.scheduling import next_run

    return next_run(found.at, datetime.now(UTC)) if found.at and not found.problem else None


def members(found: "Installed") -> dict[str, object]:
    """What there is now, for programs."""
    moment = _next(found)
    return {
        "installed": True,
        "kind": found.kind,
        "at": f"{found.at:%H:%M}" if found.at else None,
        "place": found.place,
        "problem": found.problem or None,
        "next_run": rfc3339(moment) if moment else None,
    }


def _print(app: App, kind: "Kind | None", job: "Job") -> int:
    from ibackup.scheduling import pieces, usual

    chosen = kind or usual()
    found = pieces(chosen, job)
    text = "\n".join(
        f"# {piece.place}\n{piece.content}" if len(found) > 1 else piece.content for piece in found
    )
    rows = [{"place": piece.place, "content": piece.content} for piece in found]
    return app.result({"kind": chosen, "pieces": rows}, text.rstrip("\n"))
