"""com.apple.mobile.diagnostics_relay: a few facts that lockdown does not tell."""

from ibackup.simulator.phone import VirtualPhone
from ibackup.simulator.plists import Message, read_message, write_message
from ibackup.simulator.stream import Stream


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends or says Goodbye."""
    while True:
        request = read_message(stream)
        name = request.get("Request")
        phone.journal.add("diagnostics", str(name))
        if name == "Goodbye":
            write_message(stream, {"Status": "Success"})
            return
        if name == "MobileGestalt":
            write_message(
                stream, _success("MobileGestalt", {"Status": "Success", **_gestalt(phone, request)})
            )
        elif name in ("GasGauge", "All"):
            write_message(stream, _success("GasGauge", _gas_gauge(phone)))
        elif name in ("Restart", "Shutdown", "Sleep"):
            write_message(stream, {"Status": "Success"})
        else:
            write_message(stream, {"Status": "UnknownRequest"})


def _success(name: str, values: Message) -> Message:
    return {"Status": "Success", "Diagnostics": {name: values}}


def _gestalt(phone: VirtualPhone, request: Message) -> Message:
    keys = request.get("MobileGestaltKeys")
    known = {**phone.domain(), "PasswordConfigured": phone.has_passcode}
    return {key: known[key] for key in (keys if isinstance(keys, list) else ()) if key in known}


def _gas_gauge(phone: VirtualPhone) -> Message:
    full = phone.spec.battery >= 100
    return {"CycleCount": 120, "DesignCapacity": 2815, "FullChargeCapacity": 2650, "FullyCharged": full}
