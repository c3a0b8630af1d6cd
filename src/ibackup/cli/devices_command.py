"""``ibackup devices``: what is connected, and whether it can be backed up."""

from typing import TYPE_CHECKING

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import printable, rfc3339, size_text, time_text, wrap

if TYPE_CHECKING:
    from datetime import datetime

    from ibackup.device import FoundPhone

_TRUST = {
    "trusted": "ready",
    "untrusted": "does not trust this computer yet: unlock it, run `ibackup now`, tap Trust",
    "locked": "locked: unlock it",
    "unreachable": "does not answer",
}


@ibackup_command("devices")
def command(app: App) -> int:
    """List the phones that are connected, and their state.

    None of them is asked to do or to show anything.
    """
    from ibackup.config import same_udid
    from ibackup.device import find
    from ibackup.errors import NoPhone

    phones = find(observer=app.reporter)
    if app.udid:
        phones = [phone for phone in phones if same_udid(phone.udid, app.udid)]
    if not phones:
        raise NoPhone(
            "No phone is connected." if not app.udid else f"The phone {app.udid} is not connected.",
            hint="Plug it in with a cable that carries data, unlock it, and look at its screen. A phone that was "
            "locked for an hour gives no data until it is unlocked once.",
        )
    for phone in phones:
        app.reporter.emit({"event": "device", **_json(phone)})
    text = "\n\n".join(_text(phone) for phone in phones)
    return app.result({"devices": [_json(phone) for phone in phones]}, text)


def _json(phone: "FoundPhone") -> dict[str, object]:
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
        "passcode_set": facts.passcode_set,
        "icloud_backup": facts.cloud_backup_enabled,
        "last_local_backup": _moment(facts.last_local_backup),
        "last_icloud_backup": _moment(facts.last_cloud_backup),
    }


def _moment(moment: "datetime | None") -> str | None:
    return rfc3339(moment) if moment else None


def _text(phone: "FoundPhone") -> str:
    facts = phone.facts
    model = facts.product_name or facts.product_type or facts.noun
    head = f"{printable(facts.name or facts.noun)}: {model}, iOS {facts.ios_version or '?'}"
    lines = [head, f"  UDID        {phone.udid}", f"  connected   {' and '.join(phone.connections)}"]
    lines.append(wrap(f"  state       {_TRUST[phone.trust]}").replace("\n", "\n              "))
    if phone.problem:
        lines.append(wrap(phone.problem.message, "              "))
    if facts.used_bytes is not None and facts.capacity_bytes:
        lines.append(f"  storage     {size_text(facts.used_bytes)} of {size_text(facts.capacity_bytes)} used")
    if facts.battery_percent is not None:
        lines.append(f"  battery     {facts.battery_percent} %{', charging' if facts.charging else ''}")
    if facts.will_encrypt is not None:
        lines.append(f"  backups     {'encrypted' if facts.will_encrypt else 'not encrypted'}")
    for name, moment in (("computer", facts.last_local_backup), ("iCloud", facts.last_cloud_backup)):
        if moment is not None:
            lines.append(
                f"  last backup {time_text(moment)} to {'this or another computer' if name == 'computer' else name}"
            )
    return "\n".join(lines)
