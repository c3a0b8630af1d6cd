"""com.apple.mobile.diagnostics_relay: a few facts that lockdown does not report."""

from ibackup.simulator.framed_plists import Message, read_message, write_message
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone


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
            write_message(stream, _success("MobileGestalt", _gestalt(phone, request)))
        elif name in ("GasGauge", "All"):
            write_message(stream, _success("GasGauge", _gas_gauge(phone)))
        elif name == "IORegistry":
            write_message(stream, _registry(phone, request))
        elif name in ("Restart", "Shutdown", "Sleep"):
            write_message(stream, {"Status": "Success"})
        else:
            write_message(stream, {"Status": "UnknownRequest"})


def _success(name: str, values: Message) -> Message:
    return {"Status": "Success", "Diagnostics": {name: values}}


def _gestalt(phone: VirtualPhone, request: Message) -> Message:
    if phone.spec.version >= (17, 4):
        return {"Status": "MobileGestaltDeprecated"}
    keys = request.get("MobileGestaltKeys")
    known = {**phone.domain(), "PasswordConfigured": phone.has_passcode}
    asked = {key: known[key] for key in (keys if isinstance(keys, list) else ()) if key in known}
    return {"Status": "Success", **asked}


def _registry(phone: VirtualPhone, request: Message) -> Message:
    """One entry of the I/O registry; an unknown entry leaves the diagnostics empty."""
    signals = phone.spec.signals
    entry, kind = request.get("EntryName"), request.get("EntryClass")
    found: Message | None = None
    if kind == "IOPMPowerSource":
        found = _power_source(phone)
    elif entry == "AppleBCMWLANSkywalkInterface":
        if signals.wifi == "refused":
            return {"Status": "Failure"}
        found = _wifi(phone) if signals.wifi in ("connected", "off") else None
    return {"Status": "Success", "Diagnostics": {"IORegistry": found} if found is not None else {}}


def _power_source(phone: VirtualPhone) -> Message:
    spec = phone.spec
    # The registry's numbers are unsigned: a negative number shows as a very large one.
    return {
        "AppleRawMaxCapacity": 2650,
        "CurrentCapacity": spec.battery,
        "CycleCount": 120,
        "DesignCapacity": 2815,
        "ExternalConnected": spec.charging,
        "InstantAmperage": spec.signals.milliamperes % 2**64,
        "IsCharging": spec.charging and spec.battery < 100,
        "Temperature": round(spec.signals.celsius * 100),
        "Voltage": 4210,
    }


def _wifi(phone: VirtualPhone) -> Message:
    values: dict[str, object] = {
        "IOInterfaceName": "en0",
        "IOMACAddress": bytes.fromhex(phone.spec.wifi_address.replace(":", "")),
        "IO80211CountryCode": "US",
    }
    if phone.spec.signals.wifi == "connected":
        values |= {
            "IO80211SSID": "",
            "IO80211BSSID": bytes.fromhex("0242ac110002"),
            "IO80211Channel": 36,
            "IO80211Band": "5GHz",
            "IO80211RSNDone": True,
        }
    return values


def _gas_gauge(phone: VirtualPhone) -> Message:
    full = phone.spec.battery >= 100
    return {"CycleCount": 120, "DesignCapacity": 2815, "FullChargeCapacity": 2650, "FullyCharged": full}
