"""``ibackup schedule``: have the system start the nightly backups."""

import os
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import TIME_OF_DAY, App, ibackup_command, ibackup_group
from ibackup.cli.completing import files
from ibackup.cli.last_run import last_lines, last_members
from ibackup.cli.output import printable, rfc3339, whole, wrap
from ibackup.errors import UsageError
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
@click.option("--at", type=TIME_OF_DAY, metavar="HH:MM", help=_AT_HELP)
@click.option("--kind", type=click.Choice(KINDS), help="Which scheduler [the system's own]")
@click.option(
    "--watch", is_flag=True, help="Keep `ibackup watch` running instead: it asks when a phone comes"
)
@click.option("--print", "only_print", is_flag=True, help="Only show what would be written, for any system")
@click.option(
    "--password-file",
    metavar="FILE",
    help="Hand over FILE with the password of the backups (systemd: as a credential; FILE.cred: encrypted)",
    shell_complete=files,
)
def install(
    app: App, at: time | None, kind: "Kind | None", watch: bool, only_print: bool, password_file: str | None
) -> int:
    """Start `ibackup nightly` every day at a time when the phone is usually plugged in.

    From then on until the morning it waits for phones that are due, and somebody enters the passcode at the phone.
    Doing it again with other options replaces the schedule. One for `--watch` stands beside it: the two take turns.
    """
    if watch and at is not None:
        raise UsageError("--watch and --at exclude each other.", hint="Give one of them, or none.")
    job = make(app, None if watch else at or _AT, password_file)
    if only_print:
        return _print(app, kind, job)
    from ibackup.scheduling import install as install_job

    tell_what_is_left_out(app)
    found, caveat = install_job(job, kind)
    payload = {"program": job.program} | members(found) | {"caveat": caveat or None}
    return app.result(payload, installed_text(found, caveat), skippable=True)


@ibackup_command("show")
def show(app: App) -> int:
    """Show the schedule: when it starts next, and how it went last time."""
    from ibackup.scheduling import find
    from ibackup.unattended.journal import JournalFile

    found, watching, journal = find(), find("watch"), JournalFile().read()
    lines = [text for each in (found, watching) if each is not None for text in _lines(each)]
    if found is None and watching is None:
        lines = [wrap("No schedule is installed. `ibackup schedule install` makes one.")]
    payload = {
        **(members(found) if found else {"installed": False}),
        "watch": members(watching) if watching else None,
        **last_members(journal),
    }
    return app.result(payload, "\n".join([*lines, *last_lines(journal, app.config)]))


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


def make(app: App, at: time | None, password_file: str | None = None) -> "Job":
    """The job for this store and this config: nightly at a time, or watch for None.

    Args:
        app: the common options.
        at: when; the config's window holds, else it is from that time to the morning.
        password_file: to be handed over.
    """
    from ibackup.config import store_path
    from ibackup.scheduling import make_job

    config = app.config
    options = ["--store", str(store_path(app.settings.store, config))]
    if app.settings.config:
        options += ["--config", os.path.abspath(os.path.expanduser(app.settings.config))]
    if app.udid:
        options += ["--phone", app.udid]
    if at is not None and config.nightly.window is None and not any(phone.window for phone in config.phones):
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
    return "\n".join([*_lines(found), *([wrap(caveat)] if caveat else [])])


def _lines(found: "Installed") -> list[str]:
    from ibackup.scheduling.types import NAMES

    name = NAMES[found.kind]
    where = f" ({whole(printable(found.place))})" if os.path.isabs(found.place) else ""
    if found.program == "watch":
        what = f"`ibackup watch` is kept running by {name}{where}."
    elif found.at is not None:
        what = f"Every day at {found.at:%H:%M} {name} starts `ibackup nightly`{where}."
    else:
        what = f"By a rule that somebody has changed {name} starts `ibackup nightly`{where}."
    moment = _next(found)
    following = f"Next run: {moment.astimezone():%Y-%m-%d %H:%M}." if moment else ""
    return [wrap(text) for text in (what, found.problem, following) if text]


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
