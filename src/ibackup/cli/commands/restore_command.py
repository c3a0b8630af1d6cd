"""``ibackup restore``: put a snapshot back on a phone."""

from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.identities import is_name_typed
from ibackup.base.sizes import size_text
from ibackup.cli.commands.restore_ctrl_c import SecondThought
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.common_options import COMPLETING
from ibackup.cli.shell.output import duration_text, printable, styled, whole, wrap
from ibackup.cli.shell.password_sources import PasswordSources, password_options
from ibackup.cli.shell.record_option import recordable
from ibackup.cli.shell.shared_options import over_wifi_option, phone_options
from ibackup.cli.shell.snapshot_argument import LATEST, is_id, resolve
from ibackup.cli.shell.vouching import new_key_option, vouching

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibackup.jobs.backup_source import BackupSource
    from ibackup.jobs.restore.restoration import Restoration
    from ibackup.jobs.restore.restore_request import PreflightCheck, RestoreResult

_CHANGING = frozenset(["restore", "finish"])
_TRIES = 3
_MARKS = {
    "ok": ("ok", "green"),
    "warning": ("NOTE", "yellow"),
    "failed": ("NO", "red"),
    "skipped": ("-", None),
}


@ibackup_command("restore")
@click.argument("snapshot", required=False, metavar="[SNAPSHOT|FOLDER]")
@click.option(
    "--from",
    "of",
    metavar="NAME|UDID",
    help="Use another phone's snapshot",
    shell_complete=COMPLETING.phones,
)
@click.option("--dry-run", is_flag=True, help="Only check whether it would work; send nothing")
@click.option("--yes", is_flag=True, help="Do not ask you to type the phone's name")
@click.option("--no-settings", is_flag=True, help="Keep the phone's own settings")
@click.option("--system/--no-system", default=True, help="Also restore system files [yes, as Finder does]")
@click.option("--reboot/--no-reboot", default=True, help="Restart the phone at the end [yes]")
@click.option("--remove", is_flag=True, help="Remove files from the phone that are not in the backup")
@click.option("--skip-apps", is_flag=True, help="Do not install the backup's apps on the phone")
@click.option(
    "--app", "apps", multiple=True, metavar="BUNDLE", help="Restore only the data of this app (unproven)"
)
@click.option("--may-erase", is_flag=True, help="iOS 27: restore even without a fresh backup, or with --app")
@click.option("--skip-verify", is_flag=True, help="Restore a backup that is not proven good")
@click.option("--despite-flaws", is_flag=True, help="Try it even if some files differ from the phone's list")
@new_key_option
@over_wifi_option
@phone_options
@recordable
@password_options
def command(
    app: App,
    snapshot: str | None,
    of: str | None,
    dry_run: bool,
    yes: bool,
    no_settings: bool,
    system: bool,
    reboot: bool,
    remove: bool,
    skip_apps: bool,
    apps: tuple[str, ...],
    may_erase: bool,
    skip_verify: bool,
    despite_flaws: bool,
    new_key: bool,
    over_wifi: bool,
    wait: float,
    patience: float,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Put a SNAPSHOT, or a backup FOLDER of any program, back on a phone.

    Without an argument, ibackup uses the newest snapshot of the connected phone. It checks everything first, then
    asks you to type the phone's name. --phone names the phone to restore, --from the phone that the snapshot comes
    from.
    """
    from ibackup.jobs.restore.restoration import Restoration
    from ibackup.jobs.restore.restore_request import HALF_RESTORED, RestoreOptions, RestoreRequest

    if not (yes or dry_run or app.asks):
        raise UsageError(
            "A restore replaces what is on the phone, and there is no terminal to ask you on.",
            hint="Give --yes to restore without being asked, or --dry-run to check whether it would work.",
        )
    sources = PasswordSources(app, password_file, password_command)
    if password_file:
        sources.find(None)  # report a wrong name now, not after an hour of verifying
    request = RestoreRequest(
        find=_finder(app, snapshot or LATEST, of),
        options=RestoreOptions(
            settings=not no_settings,
            system=system,
            reboot=reboot,
            remove=remove,
            install_apps=not skip_apps,
            apps=apps,
        ),
        unlocker=sources.unlocker,
        udid=app.udid_to_open,
        verify=not skip_verify,
        may_erase=may_erase,
        pin=not dry_run,
        despite_flaws=despite_flaws,
        cable_only=not (over_wifi or dry_run),
        wait=wait,
        patience=patience,
        limits=app.config.limits,
        store=app.store_if_there(),
        vouches=vouching(app, new_key=new_key),
    )
    with (
        SecondThought(app.reporter, _CHANGING, HALF_RESTORED) as observe,
        Restoration(request, observe) as restoration,
    ):
        text = _tell(app, restoration, dry_run=dry_run, asks=not yes)
        if restoration.failed is not None:
            raise restoration.failed
        if dry_run:
            return app.result(_payload(restoration) | {"dry_run": True}, text)
        if not yes:
            _confirm(app, restoration.facts.name or restoration.facts.udid)
        result = restoration.carry_out()
        payload = _payload(restoration) | {
            "dry_run": False,
            "files": result.files,
            "bytes": result.bytes,
            "restarts": result.restarts,
            "duration_s": round(result.duration_s, 3),
        }
    return app.result(payload, _done(result), skippable=True)


def _finder(app: App, ref: str, of: str | None) -> "Callable[[str], BackupSource]":
    """How to find the backup; whatever can be found without the phone is found now."""
    from ibackup.jobs.backup_source import BackupSource
    from ibackup.jobs.restore.snapshot_to_restore import choose

    udid = app.udid_of(of) if of is not None else None
    if not is_id(ref):
        target = resolve(app, ref)
        return lambda _phone: BackupSource(target.path, target.snapshot)
    store = app.open_store()
    return lambda phone: choose(store, ref, phone, udid)


def _tell(app: App, restoration: "Restoration", *, dry_run: bool, asks: bool) -> str:
    """Print the checks; on standard output if only they were requested."""
    app.stop_progress()
    for check in restoration.checks:
        app.reporter.emit({"event": "preflight", **_row(check)})
    text = "\n".join(_line(check) for check in restoration.checks)
    if dry_run:
        if restoration.failed is not None:
            app.reporter.answer(text)
            return text
        return f"{text}\n{wrap('The restore would work. Nothing was sent.')}"
    if not app.settings.json and (asks or restoration.failed is not None or not app.settings.quiet):
        app.reporter.say(text)
    return text


def _line(check: "PreflightCheck") -> str:
    mark, colour = _MARKS[check.outcome]
    head = f"  {mark:<5} "
    lines = wrap(whole(head) + printable(check.text), hanging=" " * len(head))
    return lines.replace(mark, styled(mark, bold=True, fg=colour), 1)


def _confirm(app: App, name: str) -> None:
    """Have the phone's name typed, because nobody does that by accident."""
    app.stop_progress()
    shown = printable(name)
    click.echo(wrap(f"To restore this phone, type its name: {shown}"), err=True)
    for _ in range(_TRIES):
        typed = str(click.prompt("Name", default="", show_default=False, err=True))
        if is_name_typed(typed, shown):
            return
        click.echo(wrap(f"That is not {shown}."), err=True)
    raise UsageError("The phone's name was not typed.", hint="Nothing was sent; the phone is unchanged.")


def _row(check: "PreflightCheck") -> dict[str, object]:
    return {
        "name": check.name,
        "outcome": check.outcome,
        "message": check.text,
        "hint": check.error.hint if check.error is not None else "",
    }


def _payload(restoration: "Restoration") -> dict[str, object]:
    source, contents = restoration.source, restoration.contents
    return {
        "snapshot": source.snapshot.id if source.snapshot else None,
        "path": source.path,
        "source_udid": contents.udid,
        "udid": restoration.facts.udid,
        "device_name": restoration.facts.name or "",
        "checks": [_row(check) for check in restoration.checks],
    }


def _done(result: "RestoreResult") -> str:
    size = f"{size_text(result.bytes)}, {count_text(result.files, 'file')}"
    name = printable(result.device_name)
    lines = [wrap(f"Restored {name}: {size}, in {duration_text(result.duration_s)}.")]
    if result.restarts:
        apps = (
            "Then it downloads its apps again, which takes a while: connect it to Wi-Fi and power, and "
            "sign in when it asks."
            if result.installs
            else "Then install its apps yourself from the App Store: their data is already there."
        )
        lines.append(
            wrap(
                f"It now restarts and puts everything in place: leave it connected until it has finished. {apps}"
            )
        )
    else:
        lines.append(
            wrap("It does not restart automatically: restart it now. Until then, nothing is in place.")
        )
    return "\n".join(lines)
