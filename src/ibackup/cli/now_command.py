"""``ibackup now``: the main job."""

import sys

import click

from ibackup.cli import common
from ibackup.cli.common import DURATION, App, ibackup_command
from ibackup.cli.output import duration_text, rfc3339, size_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.errors import ExitCode, NoRoom

_SHOWN = 20  # unreadable files named on screen; all of them are in snapshot.json and the JSON result


@ibackup_command("now")
@click.option("--full", is_flag=True, help="Have the phone send everything again")
@click.option(
    "--copies/--no-copies",
    default=None,
    help="On a disk without links (exFAT): copy the previous snapshot, at its full size",
)
@click.option(
    "--wait", type=DURATION, default=0, metavar="TIME", help="Wait for a phone that is not there [0]"
)
@click.option(
    "--patience",
    type=DURATION,
    metavar="TIME",
    help="Wait for somebody to unlock the phone or tap Trust [60s; 5m on a terminal]",
)
@click.option("--new-store", is_flag=True, help="Make the store anew where one was before")
@password_options
def command(
    app: App,
    full: bool,
    copies: bool | None,
    wait: float,
    patience: float | None,
    new_store: bool,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Back up the connected phone, check the backup and seal it.

    The phone must be unlocked; it asks for its passcode at every backup. Earlier backups are never changed,
    whatever happens to this one. Only what is new is transferred.
    """
    from ibackup.backup import Request, back_up

    sources = PasswordSources(app, password_file, password_command, ask=False)
    request = Request(
        store=app.open_store(create=True, new_store=new_store),
        udid=app.udid,
        full=full,
        copies=copies,
        wait=wait,
        patience=patience if patience is not None else common.patience(),
        password=sources.find,
    )
    try:
        result = back_up(request, app.reporter)
    except NoRoom as error:
        if copies is None and getattr(error, "copies_would_help", False) and _asks(app):
            app.stop_progress()
            click.echo(wrap(error.message), err=True)
            if click.confirm("Copy it (and remember that for this store)?", err=True):
                result = back_up(request.with_copies(), app.reporter)
            else:
                raise
        else:
            raise
    payload = {
        "snapshot": result.snapshot,
        "path": str(result.path),
        "udid": result.udid,
        "device_name": result.device_name,
        "files": result.files,
        "bytes": result.bytes,
        "received_bytes": result.received_bytes,
        "full": result.full,
        "encrypted": result.encrypted,
        "resumed_bytes": result.resumed_bytes,
        "carried_files": result.carried_files,
        "checked": result.checked,
        "unreadable": [
            {
                "path": file.path,
                "device_path": file.device_path,
                "reason": file.reason,
                "expected": file.expected,
            }
            for file in result.unreadable
        ],
        "started": rfc3339(result.started),
        "duration_s": round(result.duration_s, 3),
    }
    unexpected = [file for file in result.unreadable if not file.expected]
    code = ExitCode.UNREADABLE_FILES if unexpected else ExitCode.OK
    lines = [
        f"Backed up and checked: {size_text(result.bytes)}, {result.files:,} files, in {duration_text(result.duration_s)}."
        if result.checked == "manifest"
        else f"Backed up: {size_text(result.bytes)}, {result.files:,} files, in {duration_text(result.duration_s)}. The phone "
        "checked it and it is sealed; with the backup's password ibackup would also check it against its list of files "
        "(--password-file).",
        f"It is in {result.path}",
    ]
    if unexpected:
        lines += _unreadable(unexpected)
    lines.append(f"Not in it: {result.not_in_it}.")
    lines.append("Next: `ibackup verify` proves it again at any time. One disk is one copy: keep a second.")
    return app.result(
        payload, "\n".join(wrap(line) if not line.startswith("It is in") else line for line in lines), code
    )


def _unreadable(files: list) -> list[str]:  # type: ignore[type-arg]  # replaced below by its own type
    return []


def _asks(app: App) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and not app.settings.json
