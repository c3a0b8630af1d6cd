"""``ibackup now``: the main job."""

from typing import TYPE_CHECKING

import click

from ibackup.base.errors import IbackupError, UsageError
from ibackup.cli.commands import now_text
from ibackup.cli.commands.now_every_phone import run_all
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.questions import confirm
from ibackup.cli.shell.record_option import recordable
from ibackup.cli.shell.shared_options import address_option, new_store_option, phone_options
from ibackup.cli.shell.vouching import new_key_option, vouching

if TYPE_CHECKING:
    from ibackup.jobs.runs.whole_backup import MayCopy

_COPY = "Copy it (and remember this for the store)?"


@ibackup_command("now")
@click.option("--full", is_flag=True, help="Have the phone send everything again")
@click.option(
    "--copies/--no-copies",
    default=None,
    help="On a disk without links (exFAT): copy the previous snapshot in full",
)
@phone_options
@address_option
@new_store_option
@new_key_option
@click.option(
    "--all", "everyone", is_flag=True, help="Back up every connected phone that trusts this computer"
)
@recordable
@password_options
def command(
    app: App,
    everyone: bool,
    full: bool,
    copies: bool | None,
    wait: float,
    patience: float,
    address: str,
    new_store: bool,
    new_key: bool,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Back up the connected phone, check the backup and seal it.

    The phone must be unlocked; it asks for its passcode at every backup. Earlier backups never change, whatever
    happens to this one. Only new data is transferred.
    """
    from ibackup.jobs.backup.backup_request import BackupRequest
    from ibackup.jobs.runs.whole_backup import run

    sources = PasswordSources(app, password_file, password_command, ask=False)
    if new_key and everyone:
        raise UsageError(
            "--new-key works for one phone only.", hint="Choose it with --phone instead of --all."
        )
    if address and everyone:
        raise UsageError("--address is of one phone only.", hint="Leave out --all.")
    if password_file:
        sources.find(None)  # report a wrong name now, not after hours
    request = BackupRequest(
        store=app.open_store(create=True, new_store=new_store),
        udid=app.udid if everyone else app.udid_to_open,
        full=full,
        copies=copies,
        wait=wait,
        patience=patience,
        wifi_address=address,
        limits=app.config.limits,
        unlocker=sources.unlocker,
        vouches=vouching(app, new_key=new_key),
    )
    if everyone:
        return run_all(app, request, may_copy(app))
    ended = run(request, app.config, app.reporter, may_copy=may_copy(app))
    return now_text.result(app, ended)


def may_copy(app: App) -> "MayCopy":
    """Ask whether to copy if there is a terminal; elsewhere the answer is no."""

    def agrees(error: IbackupError) -> bool:
        if not app.asks:
            return False
        app.stop_progress()
        click.echo(wrap(error.message), err=True)
        return confirm(_COPY)

    return agrees
