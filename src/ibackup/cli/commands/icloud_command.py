"""``ibackup icloud``: the phone's own iCloud Backup switch."""

from typing import TYPE_CHECKING

import click

from ibackup.base.errors import Interrupted, UsageError
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap
from ibackup.cli.shell.questions import confirm
from ibackup.cli.shell.shared_options import phone_options, switch_yes_option
from ibackup.cli.shell.vouching import vouching

if TYPE_CHECKING:
    from ibackup.device.lockdown.phone_facts import PhoneFacts

_OFF_COSTS = (
    "The phone then stops backing up to iCloud, and iCloud deletes the last backup after 180 days. Make a "
    "local backup first: `ibackup now`."
)
_ON_COSTS = "The phone then backs itself up to iCloud while it is locked, charging and on Wi-Fi."


@ibackup_group("icloud")
def command() -> None:
    """The phone's iCloud Backup switch."""


@ibackup_command("status")
@phone_options
def status(app: App, wait: float, patience: float) -> int:
    """Show whether the phone's iCloud Backup is switched on."""
    return _tell(app, _ask(app, wait, patience, on=None), "")


@ibackup_command("on")
@switch_yes_option("on")
@phone_options
def switch_on(app: App, yes: bool, wait: float, patience: float) -> int:
    """Switch iCloud Backup on."""
    return _switch(app, yes, wait, patience, on=True)


@ibackup_command("off")
@switch_yes_option("off")
@phone_options
def switch_off(app: App, yes: bool, wait: float, patience: float) -> int:
    """Switch iCloud Backup off."""
    return _switch(app, yes, wait, patience, on=False)


for _each in (status, switch_on, switch_off):
    command.add_command(_each)


def _switch(app: App, yes: bool, wait: float, patience: float, *, on: bool) -> int:
    word, costs = ("on", _ON_COSTS) if on else ("off", _OFF_COSTS)
    if not yes:
        if not app.asks:
            raise UsageError(costs, hint="If you want that, give --yes: there is no terminal to ask on.")
        app.stop_progress()
        click.echo(wrap(costs), err=True)
        if not confirm(f"Switch iCloud Backup {word}?"):
            raise Interrupted("iCloud Backup is unchanged.", hint="Nothing was changed.")
    return _tell(app, _ask(app, wait, patience, on=on), word)


def _ask(app: App, wait: float, patience: float, *, on: bool | None) -> "PhoneFacts":
    from ibackup.jobs.icloud_switch import switch
    from ibackup.jobs.phone_to_open import PhoneToOpen

    wanted = PhoneToOpen(
        udid=app.udid_to_open,
        wait=wait,
        patience=patience,
        limits=app.config.limits,
        store=app.store_if_there(),
        vouches=vouching(app),
    )
    return switch(wanted, app.reporter, on=on)


def _tell(app: App, facts: "PhoneFacts", action: str) -> int:
    last = facts.last_cloud_backup
    payload = {
        "action": action or "status",
        "udid": facts.udid,
        "device_name": facts.name,
        "icloud_backup": facts.cloud_backup_enabled,
        "last_icloud_backup": rfc3339(last) if last else None,
    }
    state = {True: "on", False: "off", None: "not reported by the phone"}[facts.cloud_backup_enabled]
    lines = [f"iCloud Backup of {printable(facts.name or facts.noun)}: {state}."]
    if last:
        lines.append(f"Last backup to iCloud: {time_text(last)}.")
    return app.result(payload, "\n".join(wrap(line) for line in lines))
