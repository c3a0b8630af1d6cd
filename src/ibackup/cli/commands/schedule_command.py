"""``ibackup schedule``: have the system start the nightly backups."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ibackup.base.errors import UsageError
from ibackup.base.events import Caution
from ibackup.cli.commands.nights_last_run import last_lines, last_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.completion import files
from ibackup.cli.shell.output import printable, rfc3339, whole, wrap
from ibackup.cli.shell.typed_values import TIME_OF_DAY
from ibackup.config.value_kinds import EVENING

if TYPE_CHECKING:
    from ibackup.jobs.schedule.schedule_types import Installed, ScheduledCommand, SchedulerKind

_Command = TypeVar("_Command", bound=Callable[..., Any])

_KINDS = ("cron", "systemd", "launchd", "windows")  # ibackup.jobs.schedule is loaded only by those who use it


def schedule_options(function: _Command) -> _Command:
    """``--at`` and ``--kind``."""
    function = click.option("--kind", type=click.Choice(_KINDS), help="Scheduler to use [the system's own]")(
        function
    )
    return click.option(
        "--at",
        type=TIME_OF_DAY,
        metavar="HH:MM",
        help=f"Time of day, by this computer's clock [{EVENING:%H:%M}]",
    )(function)


@ibackup_group("schedule")
def command() -> None:
    """Have the system start the nightly backups; show or remove the schedule."""


@ibackup_command("install")
@schedule_options
@click.option(
    "--watch", is_flag=True, help="Keep `ibackup watch` running instead, which asks when you plug in a phone"
)
@click.option("--print", "only_print", is_flag=True, help="Only show what would be written, for any system")
@click.option(
    "--password-file",
    metavar="FILE",
    help="File with the backup password for the scheduled job (systemd: as a credential; FILE.cred: encrypted)",
    shell_complete=files,
)
def install(
    app: App,
    at: time | None,
    kind: "SchedulerKind | None",
    watch: bool,
    only_print: bool,
    password_file: str | None,
) -> int:
    """Start `ibackup nightly` every day at a time when the phone is usually plugged in.

    From then until the morning it waits for phones that are due, and someone enters the passcode at the phone.
    Installing again with other options replaces the schedule. You can also install one with `--watch`: the two take
    turns.
    """
    if watch and at is not None:
        raise UsageError("--watch and --at exclude each other.", hint="Give one of them, or none.")
    job = make(app, None if watch else at or EVENING, password_file)
    if only_print:
        return _print(app, kind, job)
    from ibackup.jobs.schedule.scheduler_choice import install as install_job

    tell_what_is_left_out(app, kind)
    found, caveat = install_job(job, kind)
    payload = {"program": job.program} | members(found) | {"caveat": caveat or None}
    return app.result(payload, installed_text(found, caveat), skippable=True)


@ibackup_command("show")
def show(app: App) -> int:
    """Show the schedule: when it starts next, and how the last run went."""
    from ibackup.jobs.nights.night_journal import JournalFile
    from ibackup.jobs.schedule.scheduler_choice import find

    found, watching, journal = find(), find("watch"), JournalFile().read()
    lines = [text for each in (found, watching) if each is not None for text in _lines(each)]
    if found is None and watching is None:
        lines = [wrap("No schedule is installed. To install one: `ibackup schedule install`.")]
    payload = {
        **(members(found) if found else {"installed": False}),
        "watch": members(watching) if watching else None,
        **last_members(journal),
    }
    return app.result(payload, "\n".join([*lines, *last_lines(journal, app.config)]))


@ibackup_command("remove")
def remove(app: App) -> int:
    """Remove the schedule completely; the backups stay."""
    from ibackup.jobs.schedule.schedule_types import NAMES
    from ibackup.jobs.schedule.scheduler_choice import remove as remove_all

    kinds = remove_all()
    said = (
        f"Removed the schedule from {' and '.join(NAMES[kind] for kind in kinds)}."
        if kinds
        else "There was no schedule."
    )
    return app.result({"removed": list(kinds)}, said, skippable=True)


for _each in (install, show, remove):
    command.add_command(_each)


# -- what setup needs, too ----------------------------------------------------------------------------------


def make(app: App, at: time | None, password_file: str | None = None) -> "ScheduledCommand":
    """The job for this store and this config: nightly at a time, or watch for None.

    Args:
        app: the common options.
        at: when; the config's window applies, else it is from then to the morning.
        password_file: to pass on.
    """
    from ibackup.config.config_file import store_path
    from ibackup.jobs.schedule.scheduled_command import job_of

    return job_of(
        app.config,
        at,
        store=str(store_path(app.settings.store, app.config)),
        config_path=app.settings.config,
        udid=app.udid,
        password_file=password_file,
    )


def tell_what_is_left_out(app: App, kind: "SchedulerKind | None") -> None:
    """Name the secrets and settings of this shell that the scheduled job will not have."""
    from ibackup.jobs.schedule.scheduled_command import not_passed_on, only_in_the_shell
    from ibackup.jobs.schedule.scheduler_choice import usual

    zone = os.environ.get("TZ")
    if zone and os.name == "posix":
        app.reporter(
            Caution(
                f"The schedule uses this computer's time zone, not this shell's TZ ({zone}).",
                "Give --at in this computer's time.",
            )
        )
    names = not_passed_on()
    if names:
        app.reporter(
            Caution(
                f"Not written into the schedule, because others may read it: {', '.join(names)}.",
                "Put it into the config file, or use --password-file.",
            )
        )
    settings = only_in_the_shell(kind or usual())
    if settings:
        app.reporter(
            Caution(
                f"Set only in this shell, so the task starts without: {', '.join(settings)}.",
                f"Set it for your account, `setx {settings[0]} VALUE`, or use the config file; then install "
                f"the schedule again.",
            )
        )


def installed_text(found: "Installed", caveat: str) -> str:
    """The current schedule, for people."""
    return "\n".join([*_lines(found), *([wrap(caveat)] if caveat else [])])


def _lines(found: "Installed") -> list[str]:
    from ibackup.jobs.schedule.schedule_types import NAMES

    name = NAMES[found.kind]
    where = f" ({whole(printable(found.place))})" if os.path.isabs(found.place) else ""
    if found.program == "watch":
        what = f"{name} keeps `ibackup watch` running{where}."
    elif found.at is not None:
        what = f"Every day at {found.at:%H:%M}, by this computer's clock, {name} starts the backup{where}."
    else:
        what = f"{name} starts the backup by a rule that someone has changed{where}."
    moment = _next(found)
    following = f"Next run: {moment:%Y-%m-%d %H:%M}." if moment else ""
    return [wrap(text) for text in (what, found.problem, found.condition, following) if text]


def _next(found: "Installed") -> datetime | None:
    from ibackup.jobs.schedule.schedule_types import next_run, system_zone

    if not found.at or not found.is_sure:
        return None
    return next_run(found.at, datetime.now(UTC), system_zone())


def members(found: "Installed") -> dict[str, object]:
    """The current schedule, for programs."""
    moment = _next(found)
    return {
        "installed": True,
        "kind": found.kind,
        "at": f"{found.at:%H:%M}" if found.at else None,
        "place": found.place,
        "problem": found.problem or None,
        "condition": found.condition or None,
        "next_run": rfc3339(moment) if moment else None,
    }


def _print(app: App, kind: "SchedulerKind | None", job: "ScheduledCommand") -> int:
    from ibackup.jobs.schedule.scheduler_choice import pieces, usual

    chosen = kind or usual()
    found = pieces(chosen, job)
    text = "\n".join(
        f"# {piece.place}\n{piece.content}" if len(found) > 1 else piece.content for piece in found
    )
    rows = [{"place": piece.place, "content": piece.content} for piece in found]
    return app.result({"kind": chosen, "pieces": rows}, text.rstrip("\n"))
