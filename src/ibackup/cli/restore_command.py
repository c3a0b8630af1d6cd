"""``ibackup restore``: put a snapshot back on a phone."""

import unicodedata
from typing import TYPE_CHECKING

import click

from ibackup.cli import common
from ibackup.cli.common import DURATION, App, ibackup_command
from ibackup.cli.completing import phones
from ibackup.cli.output import count_text, duration_text, printable, size_text, styled, whole, wrap
from ibackup.cli.passwords import PasswordSources, password_options
from ibackup.cli.second_thought import SecondThought
from ibackup.cli.snapshots import LATEST, is_id, resolve
from ibackup.errors import UsageError
from ibackup.events import Caution

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibackup.restore import Check, Restoration, Result, Source

_CHANGING = frozenset(["restore", "finish"])
_HALF = Caution(
    "The phone is in the middle of its restore. Left like this it has some of the backup's files and not others, and "
    "has to be restored again from the beginning.",
    "Press Ctrl-C once more to stop all the same, or leave it alone to go on.",
)
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
    "--from", "of", metavar="NAME|UDID", help="Take another phone's snapshot", shell_complete=phones
)
@click.option("--dry-run", is_flag=True, help="Only look whether it would work; nothing is sent")
@click.option("--yes", is_flag=True, help="Do not ask for the phone's name to be typed")
@click.option("--no-settings", is_flag=True, help="Keep the phone's own settings")
@click.option("--system/--no-system", default=True, help="Restore system files, too [yes, as Finder does]")
@click.option("--reboot/--no-reboot", default=True, help="Restart the phone at the end [yes]")
@click.option("--remove", is_flag=True, help="Remove what is on the phone and not in the backup")
@click.option("--skip-apps", is_flag=True, help="Do not have the phone install the backup's apps")
@click.option("--app", "apps", multiple=True, metavar="BUNDLE", help="Restore the data of this app alone")
@click.option("--skip-verify", is_flag=True, help="Restore a backup that is not proven good")
@click.option(
    "--wait", type=DURATION, default=0, metavar="TIME", help="Wait for a phone that is not there [0]"
)
@click.option(
    "--patience",
    type=DURATION,
    metavar="TIME",
    help="Wait for somebody to unlock the phone or tap Trust [60s; 5m on a terminal]",
)
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
    skip_verify: bool,
    wait: float,
    patience: float | None,
    password_file: str | None,
    password_command: str | None,
) -> int:
    """Put a SNAPSHOT, or a backup FOLDER of any program, back on a phone.

    Without an argument the newest snapshot of the phone that is connected is taken. Everything is looked at first; then
    you are asked to type the phone's name. --phone names the phone that is restored, --from the one that the
    snapshot is of.
    """
    from ibackup.restore import Options, Request, Restoration

    if not (yes or dry_run or app.asks):
        raise UsageError(
            "A restore replaces what is on the phone, and there is no terminal to ask you on.",
            hint="Give --yes to restore without being asked, or --dry-run to only look whether it would work.",
        )
    sources = PasswordSources(app, password_file, password_command)
    if password_file:
        sources.find(None)  # a wrong name is told now, not after an hour of verifying
    request = Request(
        find=_finder(app, snapshot or LATEST, of),
        options=Options(
            settings=not no_settings,
            system=system,
            reboot=reboot,
            remove=remove,
            install_apps=not skip_apps,
            apps=apps,
        ),
        password=sources.find,
        keychain=sources.keychain,
        udid=app.udid,
        verify=not skip_verify,
        wait=wait,
        patience=patience if patience is not None else common.patience(),
    )
    with (
        SecondThought(app.reporter, _CHANGING, _HALF) as observe,
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


def _finder(app: App, ref: str, of: str | None) -> "Callable[[str], Source]":
    """How to find the backup; what can be found without the phone is found now."""
    from ibackup.restore import Source
    from ibackup.restore.choosing import choose

    udid = app.udid_of(of) if of is not None else None
    if not is_id(ref):
        target = resolve(app, ref)
        return lambda _phone: Source(target.path, target.snapshot)
    store = app.open_store()
    return lambda phone: choose(store, ref, phone, udid)


def _tell(app: App, restoration: "Restoration", *, dry_run: bool, asks: bool) -> str:
    """Say what was looked at: on standard output where that is all that was asked for."""
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


def _line(check: "Check") -> str:
    mark, colour = _MARKS[check.outcome]
    head = f"  {mark:<5} "
    lines = wrap(whole(head) + printable(check.text), hanging=" " * len(head))
    return lines.replace(mark, styled(mark, bold=True, fg=colour), 1)


def _confirm(app: App, name: str) -> None:
    """Have the phone's name typed: nobody does that by accident."""
    app.stop_progress()
    shown = printable(name)
    click.echo(wrap(f"To restore this phone, type its name: {shown}"), err=True)
    for _ in range(_TRIES):
        typed = str(click.prompt("Name", default="", show_default=False, err=True))
        if typed and _plain(typed) == _plain(shown):
            return
        click.echo(wrap(f"That is not {shown}."), err=True)
    raise UsageError("The phone's name was not typed.", hint="Nothing was sent; the phone is as it was.")


def _plain(name: str) -> str:
    """A name as anybody can type it: quotation marks, spaces and letter case do not count."""
    simple = unicodedata.normalize("NFKC", name).casefold().strip()
    return "".join(char for char in simple if char.isalnum()) or simple


def _row(check: "Check") -> dict[str, object]:
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


def _done(result: "Result") -> str:
    size = f"{size_text(result.bytes)}, {count_text(result.files, 'file')}"
    name = printable(result.device_name)
    lines = [wrap(f"Restored {name}: {size}, in {duration_text(result.duration_s)}.")]
    if result.restarts:
        lines.append(
            wrap(
                "It restarts now and puts everything in its place: leave it connected until it has. Then it downloads "
                "its apps again, which takes a while: connect it to Wi-Fi and power, and sign in where it asks."
            )
        )
    else:
        lines.append(
            wrap("It does not restart by itself: restart it now. Until then nothing is in its place.")
        )
    return "\n".join(lines)
