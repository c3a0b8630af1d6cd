"""``ibackup wifi``: backups without a cable."""

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from ibackup.base import counts
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command, ibackup_group
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap
from ibackup.cli.shell.shared_options import phone_options
from ibackup.cli.shell.vouching import vouching

if TYPE_CHECKING:
    from ibackup.jobs.phone_to_open import PhoneToOpen
    from ibackup.jobs.wifi.wifi_switch import WifiState
    from ibackup.store.kept_pairings import KeptPairing

EXPERIMENTAL = "This is experimental: it has not been tried with a real phone yet. The cable always works."


@ibackup_group("wifi")
def command() -> None:
    """Back up over Wi-Fi, without a cable (experimental)."""


@ibackup_command("on")
@phone_options
def switch_on(app: App, wait: float, patience: float) -> int:
    """Let the phone be backed up over Wi-Fi. You need the cable for this, once.

    This switches on what Finder calls "Show this iPhone when on Wi-Fi", and keeps the pairing in a file that
    only you can read.
    """
    from ibackup.jobs.wifi.wifi_switch import switch_on

    kept = switch_on(_wanted(app, wait, patience), app.reporter)
    text = (
        f"{_name(kept)} can be backed up over Wi-Fi now, when it is in the same network and awake. "
        f"{EXPERIMENTAL} Try it: disconnect the cable and run `ibackup devices`."
    )
    return app.result({"action": "on", **_members(kept)}, wrap(text))


@ibackup_command("off")
@click.option("--forget", is_flag=True, help="Only forget the pairing kept here, without the phone")
@phone_options
def switch_off(app: App, forget: bool, wait: float, patience: float) -> int:
    """Undo `wifi on`. This needs the cable, except with --forget.

    This sets the phone's switch to what it was before `wifi on`, and forgets the kept pairing.
    """
    from ibackup.jobs.wifi import wifi_switch

    if forget:
        kept = wifi_switch.forget(app.udid)
        text = f"ibackup has forgotten how to reach {_name(kept)} over Wi-Fi. The phone's own switch is unchanged."
    else:
        kept = wifi_switch.switch_off(_wanted(app, wait, patience), app.reporter)
        text = f"{_name(kept)} is backed up by cable only."
        if kept.was_on:
            text += " Its own switch stays on: it was on before `ibackup wifi on`."
    return app.result({"action": "off", **_members(kept)}, wrap(text))


@ibackup_command("status")
def status(app: App) -> int:
    """Show which phones are set up, and which are there now."""
    from ibackup.jobs.wifi.wifi_switch import states

    found = states(app.udid, app.config.limits, app.reporter)
    rows = [
        _members(each.kept)
        | {
            "connections": list(each.reached),
            "state": each.trust,
            "problem": each.problem.message if each.problem else None,
        }
        for each in found
    ]
    return app.result({"action": "status", "phones": rows}, "\n\n".join(map(_text, found)))


for _each in (status, switch_on, switch_off):
    command.add_command(_each)


def _wanted(app: App, wait: float, patience: float) -> "PhoneToOpen":
    from ibackup.jobs.phone_to_open import PhoneToOpen

    return PhoneToOpen(
        udid=app.udid_to_open,
        wait=wait,
        patience=patience,
        limits=app.config.limits,
        store=app.store_if_there(),
        vouches=vouching(app),
    )


def _name(kept: "KeptPairing") -> str:
    return printable(kept.name or kept.udid)


def _members(kept: "KeptPairing") -> dict[str, object]:
    return {
        "udid": kept.udid,
        "device_name": kept.name or None,
        "last_used": rfc3339(kept.last_used),
        "last_over_wifi": rfc3339(kept.last_over_wifi) if kept.last_over_wifi else None,
        "expires": rfc3339(kept.expires),
    }


def _text(state: "WifiState") -> str:
    from ibackup.cli.commands.devices_command import connected_text

    kept = state.kept
    days = math.ceil((kept.expires - datetime.now(UTC)) / timedelta(days=1))
    here = (
        f"{connected_text(state.reached)}."
        if state.reached
        else "not found. A sleeping phone cannot be found; that is normal."
    )
    lines = [
        f"{_name(kept)}: set up for Wi-Fi (experimental)",
        _line("now", here),
        _line(
            "last used",
            f"{time_text(kept.last_used)}; over Wi-Fi: "
            + (time_text(kept.last_over_wifi) if kept.last_over_wifi else "never"),
        ),
        _line(
            "pairing",
            (
                f"the phone forgets it in {counts.count_text(days, 'day')}, unless you use it before then"
                if days > 0
                else "not used for 30 days, so the phone may have forgotten it: connect the phone by cable once"
            ),
        ),
    ]
    if state.problem is not None:
        lines.insert(2, _line("", printable(f"{state.problem.message} {state.problem.hint}")))
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return wrap(text, f"  {name:<12}", " " * 14)
