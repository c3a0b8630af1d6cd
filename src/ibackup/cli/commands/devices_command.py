"""``ibackup devices``: connected phones, and whether they can be backed up."""

import contextlib
from typing import TYPE_CHECKING

from ibackup.base.errors import IbackupError, NoPhone
from ibackup.base.identities import called, plain_name
from ibackup.base.sizes import size_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ibackup.device.phones.found_phones import FoundPhone
    from ibackup.store.records.snapshot import Snapshot

_STATE = {
    "trusted": "ready",
    "untrusted": "does not trust this computer yet: unlock the {noun}, run `ibackup now` and tap Trust",
    "locked": "locked: unlock the {noun} to back it up",
    "unreachable": "does not answer",
    "busy": "in use by another run of ibackup",
}
_CONNECTIONS = {"USB": "by cable", "Network": "over the network", "WiFi": "over Wi-Fi"}


@ibackup_command("devices")
def command(app: App) -> int:
    """List the connected phones and their state.

    This never changes or shows anything on a phone.
    """
    from ibackup.base.udids import plain_udid, same_udid
    from ibackup.device.phones.found_phones import find
    from ibackup.device.phones.over_wifi import OverWifi, nowhere
    from ibackup.store.kept_pairings import KeptPairings

    wifi = OverWifi(KeptPairings())
    phones = find(limits=app.config.limits, observer=app.reporter, wifi=wifi)
    phones.sort(key=lambda phone: plain_name(phone.facts.name or ""))
    if app.udid:
        phones = [phone for phone in phones if same_udid(phone.udid, app.udid)]
    if not phones and wifi.wanted(app.udid):
        raise nowhere(app.udid, {})
    if not phones:
        raise NoPhone(
            f"{called(app.udid)} is not connected." if app.udid else "No phone is connected.",
            hint=(
                "Plug it in with a cable that carries data, unlock it, and look at its screen. A phone "
                "that has been locked for an hour sends no data until you unlock it."
            ),
        )
    made = _snapshots(app)
    rows = [_json(phone, made.get(plain_udid(phone.udid))) for phone in phones]
    for row in rows:
        app.reporter.emit({"event": "device", **row})
    text = "\n\n".join(_text(phone, made.get(plain_udid(phone.udid))) for phone in phones)
    return app.result({"devices": rows}, text)


def _snapshots(app: App) -> "dict[str, Snapshot]":
    """The newest snapshot of each phone in the store, by its plain UDID; empty if there is no store yet."""
    from ibackup.base.udids import plain_udid

    found: dict[str, Snapshot] = {}
    with contextlib.suppress(IbackupError):
        for folder in app.open_store().phones():
            newest = folder.newest()
            if newest is not None:
                found[plain_udid(newest.udid)] = newest
    return found


def _json(phone: "FoundPhone", newest: "Snapshot | None") -> dict[str, object]:
    facts = phone.facts
    return {
        "udid": phone.udid,
        "name": facts.name,
        "device_class": facts.device_class,
        "product_type": facts.product_type,
        "product_name": facts.product_name,
        "ios_version": facts.ios_version,
        "serial": facts.serial,
        "connections": list(phone.connections),
        "state": phone.trust,
        "problem": phone.problem.message if phone.problem else None,
        "capacity_bytes": facts.capacity_bytes,
        "used_bytes": facts.used_bytes,
        "battery_percent": facts.battery_percent,
        "charging": facts.charging,
        "encrypted": facts.will_encrypt,
        "locked": facts.locked,
        "icloud_backup": facts.cloud_backup_enabled,
        "last_local_backup": _moment(facts.last_local_backup),
        "last_icloud_backup": _moment(facts.last_cloud_backup),
        "newest_snapshot": newest.id if newest else None,
    }


def _moment(moment: "datetime | None") -> str | None:
    return rfc3339(moment) if moment else None


def _text(phone: "FoundPhone", newest: "Snapshot | None") -> str:
    facts = phone.facts
    model = facts.product_name or facts.product_type or facts.noun
    system = f", iOS {facts.ios_version}" if facts.ios_version else ""
    state = _STATE[phone.trust].format(noun=facts.noun)
    if phone.trust == "trusted" and facts.locked:
        state = "ready; its screen is locked"
    lines = [
        f"{printable(facts.name or facts.noun)}: {printable(model)}{system}",
        _line("UDID", phone.udid),
        _line("connected", connected_text(phone.connections)),
        _line("state", state),
    ]
    if phone.problem:
        lines.append(_line("", printable(f"{phone.problem.message} {phone.problem.hint}")))
    if facts.used_bytes is not None and facts.capacity_bytes:
        lines.append(
            _line("storage", f"{size_text(facts.used_bytes)} of {size_text(facts.capacity_bytes)} used")
        )
    if facts.battery_percent is not None:
        lines.append(_line("battery", f"{facts.battery_percent} %{', charging' if facts.charging else ''}"))
    if facts.will_encrypt is not None:
        lines.append(_line("backups", "encrypted" if facts.will_encrypt else "not encrypted"))
    if newest is not None:
        lines.append(_line("last backup", f"{time_text(newest.meta.started)} to this store ({newest.id})"))
    if facts.last_local_backup is not None:
        lines.append(
            _line("", f"{time_text(facts.last_local_backup)} to a computer, as the {facts.noun} remembers it")
        )
    if facts.last_cloud_backup is not None:
        lines.append(_line("iCloud", f"last backup {time_text(facts.last_cloud_backup)}"))
    return "\n".join(lines)


def connected_text(connections: "Sequence[str]") -> str:
    """How a phone is connected: "by cable and over the network"."""
    return " and ".join(_CONNECTIONS.get(each, each) for each in connections)


def _line(name: str, text: str) -> str:
    return wrap(text, f"  {name:<12}", " " * 14)
