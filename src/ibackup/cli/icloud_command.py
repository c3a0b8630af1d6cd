"""``ibackup icloud``: the phone's own iCloud Backup switch."""

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import App, ibackup_command, ibackup_group
from ibackup.cli.encryption_answers import patience as usual_patience
from ibackup.cli.encryption_answers import phone_options
from ibackup.cli.output import printable, rfc3339, time_text, wrap
from ibackup.errors import IbackupError, Interrupted, UsageError

if TYPE_CHECKING:
    from ibackup.device import PhoneFacts
    from ibackup.store import Store

_OFF_COSTS = (
    "The phone then makes no backups to iCloud any more, and iCloud deletes the last one after 180 days. Have a local "
    "backup first: `ibackup now`."
)
_ON_COSTS = "The phone then backs itself up to iCloud, while it is locked, on power and on Wi-Fi."


@ibackup_group("icloud")
def command() -> None:
    """The phone's iCloud Backup switch."""


@ibackup_command("status")
@phone_options
def status(app: App, wait: float, patience: float | None) -> int:
    """Show whether iCloud Backup is switched on on the phone."""
    from ibackup.icloud import look

    return _tell(app, look(app.udid, wait, usual_patience(patience), app.reporter, store=_store(app)), "")


@ibackup_command("on")
@click.option("--yes", is_flag=True, help="Switch it on without asking here")
@phone_options
def switch_on(app: App, yes: bool, wait: float, patience: float | None) -> int:
    """Switch iCloud Backup on."""
    return _switch(app, yes, wait, patience, on=True)


@ibackup_command("off")
@click.option("--yes", is_flag=True, help="Switch it off without asking here")
@phone_options
def switch_off(app: App, yes: bool, wait: float, patience: float | None) -> int:
    """Switch iCloud Backup off."""
    return _switch(app, yes, wait, patience, on=False)


for _each in (status, switch_on, switch_off):
    command.add_command(_each)


def _switch(app: App, yes: bool, wait: float, waits: float | None, *, on: bool) -> int:
    from ibackup.icloud import switch

    word, costs = ("on", _ON_COSTS) if on else ("off", _OFF_COSTS)
    if not yes:
        if not app.asks:
            raise UsageError(costs, hint="Give --yes if that is what you want; nobody can be asked here.")
        app.stop_progress()
        click.echo(wrap(costs), err=True)
        if not click.confirm(f"Switch iCloud Backup {word}?", err=True):
            raise Interrupted("iCloud Backup stays as it is.", hint="Nothing was changed.")
    facts = switch(app.udid, wait, usual_patience(waits), app.reporter, store=_store(app), on=on)
    return _tell(app, facts, word)


def _store(app: App) -> "Store | None":
    """The store, where there is one: these commands need none."""
    with suppress(IbackupError):
        return app.open_store()
    return None


def _tell(app: App, facts: "PhoneFacts", action: str) -> int:
    last = facts.last_cloud_backup
    payload = {
        "action": action or "status",
        "udid": facts.udid,
        "device_name": facts.name,
        "icloud_backup": facts.cloud_backup_enabled,
        "last_icloud_backup": rfc3339(last) if last else None,
    }
    state = {True: "on", False: "off", None: "not told by the phone"}[facts.cloud_backup_enabled]
    lines = [f"iCloud Backup of {printable(facts.name or facts.noun)}: {state}."]
    if last:
        lines.append(f"Last backup to iCloud: {time_text(last)}.")
    return app.result(payload, "\n".join(wrap(line) for line in lines))
