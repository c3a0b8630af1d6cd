"""``ibackup now``: the main job."""

import sys
from typing import TYPE_CHECKING

import click

from ibackup.cli import common
from ibackup.cli.common import DURATION, App, ibackup_command
from ibackup.cli.output import duration_text, printable, rfc3339, size_text, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.errors import ExitCode

if TYPE_CHECKING:
    from ibackup.backup import Result
    from ibackup.store import Unreadable

NOT_IN_IT = "photos and files that are only in iCloud, the apps themselves (they are downloaded again), Apple Pay cards"
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
    from ibackup.store.clone import NoLinks

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
    except NoLinks as error:
        if copies is None and _asks(app):
            app.stop_progress()
            click.echo(wrap(error.message), err=True)
            if click.confirm("Copy it (and remember that for this store)?", err=True):
                result = back_up(request.with_copies(), app.reporter)
            else:
                raise
        else:
            raise
    unexpected = [file for file in result.unreadable if not file.expected]
    code = ExitCode.UNREADABLE_FILES if unexpected else ExitCode.OK
    return app.result(_payload(result), _text(result, unexpected), code)


def _payload(result: "Result") -> dict[str, object]:
    return {
        "snapshot": result.snapshot,
        "path": result.path,
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
        "unreadable": [file.to_members() for file in result.unreadable],
        "started": rfc3339(result.started),
        "duration_s": round(result.duration_s, 3),
    }


def _text(result: "Result", unexpected: "list[Unreadable]") -> str:
    size = f"{size_text(result.bytes)}, {result.files:,} files, in {duration_text(result.duration_s)}"
    if result.checked == "manifest":
        lines = [wrap(f"Backed up and checked: {size}.")]
    else:
        lines = [
            wrap(
                f"Backed up: {size}. The phone has checked it and it is sealed. With the password of its backups "
                "ibackup would check it against the phone's own list of files, too (--password-file)."
            )
        ]
    lines.append(f"It is in {result.path}")
    if unexpected:
        lines.append(wrap(f"The phone could not read {len(unexpected):,} files; they are not in it:"))
        lines += [
            wrap(f"{printable(each.device_path or each.path)}: {printable(each.text)}", "  ")
            for each in unexpected[:_SHOWN]
        ]
        if len(unexpected) > _SHOWN:
            lines.append(
                f"  … and {len(unexpected) - _SHOWN:,} more: `ibackup show {result.snapshot} --json`"
            )
    lines.append(wrap(f"Not in it: {NOT_IN_IT}."))
    if not result.encrypted:
        lines.append(
            wrap(
                "This backup is not encrypted: Health data, saved passwords and call history are not in it either, and "
                "anyone who has the disk can read it. Encryption can wait until tomorrow; it is switched on "
                "once, in Finder, iTunes or Apple Devices: Encrypt local backup."
            )
        )
    lines.append(
        wrap("Next: `ibackup verify` proves it again at any time. One disk is one copy: keep a second.")
    )
    return "\n".join(lines)


def _asks(app: App) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and not app.settings.json
