"""What a phone's small services tell when they are asked, each with one request that changes nothing.

The requests that are ever sent are those of ``REQUESTS``; a test holds them against what the phone was asked.
Every function raises what ``PlistStream`` raises, PhoneRefused when the service says no, and whatever the start
of the service raised.
"""

import socket
import time
from dataclasses import dataclass
from typing import Protocol

from ibackup.device import values
from ibackup.device.afc import Afc, AfcRefused, Status
from ibackup.device.channel import PlistStream
from ibackup.device.values import NOTHING, Values
from ibackup.errors import PhoneRefused

DIAGNOSTICS = "com.apple.mobile.diagnostics_relay"
PROFILES = "com.apple.mobile.MCInstall"
APPS = "com.apple.mobile.installation_proxy"
WATCHES = "com.apple.companion_proxy"
CRASHES = "com.apple.crashreportcopymobile"

REQUESTS = {
    DIAGNOSTICS: ("IORegistry",),
    PROFILES: ("GetProfileList", "GetCloudConfiguration"),
    APPS: ("Lookup",),
    WATCHES: ("GetDeviceRegistry",),
}

_MOST_NAMES = 20_000


class StartsServices(Protocol):
    """Something that starts a service without waiting for anybody: a Phone."""

    def start_at_once(self, name: str) -> socket.socket:
        """A blocking stream to a service."""


@dataclass(frozen=True, slots=True)
class AppUsage:
    """An app: its name and the bytes of program and data, where they were asked for and told."""

    bundle_id: str
    name: str
    program: int | None
    data: int | None


def registry_entry(
    phone: StartsServices, seconds: float, *, name: str | None = None, ioclass: str | None = None
) -> Values:
    """One entry of the I/O registry, by name or class; empty when there is none."""
    request: dict[str, object] = {"Request": "IORegistry"}
    if name is not None:
        request["EntryName"] = name
    if ioclass is not None:
        request["EntryClass"] = ioclass
    answer = _ask(phone, DIAGNOSTICS, request, seconds)
    if values.text(answer, "Status") != "Success":
        raise _refused(DIAGNOSTICS)
    diagnostics = values.mapping(answer.get("Diagnostics")) or NOTHING
    return values.mapping(diagnostics.get("IORegistry")) or NOTHING


def profiles(phone: StartsServices, seconds: float) -> list[Values]:
    """The metadata of each installed configuration profile; what one restricts is not in it."""
    answer = _ask(phone, PROFILES, {"RequestType": "GetProfileList"}, seconds)
    if values.text(answer, "Status") != "Acknowledged":
        raise _refused(PROFILES)
    metadata = values.mapping(answer.get("ProfileMetadata")) or NOTHING
    return [values.mapping(each) or NOTHING for each in metadata.values()]


def cloud_configuration(phone: StartsServices, seconds: float) -> Values:
    """Whether an organisation manages the phone; empty when there is nothing to tell."""
    answer = _ask(phone, PROFILES, {"RequestType": "GetCloudConfiguration"}, seconds)
    if values.text(answer, "Status") != "Acknowledged":
        raise _refused(PROFILES)
    return values.mapping(answer.get("CloudConfiguration")) or NOTHING


def user_apps(
    phone: StartsServices, seconds: float, *, sizes: bool = False, placeholders: bool = False
) -> list[AppUsage]:
    """The user's apps. With sizes it can take a phone tens of seconds.

    Args:
        phone: it.
        seconds: to wait for the answer.
        sizes: count what they take up.
        placeholders: those still to be downloaded, too.
    """
    attributes = ["CFBundleIdentifier", "CFBundleDisplayName"]
    if sizes:
        attributes += ["StaticDiskUsage", "DynamicDiskUsage"]
    options: dict[str, object] = {"ApplicationType": "User", "ReturnAttributes": attributes}
    if placeholders:
        options["ShowPlaceholders"] = True
    answer = _ask(phone, APPS, {"Command": "Lookup", "ClientOptions": options}, seconds)
    found = values.mapping(answer.get("LookupResult"))
    if found is None:
        raise _refused(APPS)
    apps = []
    for bundle_id, item in found.items():
        app = values.mapping(item) or NOTHING
        apps.append(
            AppUsage(
                values.printable(bundle_id),
                values.shown(app, "CFBundleDisplayName") or values.printable(bundle_id),
                values.count(app, "StaticDiskUsage"),
                values.count(app, "DynamicDiskUsage"),
            )
        )
    return apps


def paired_watches(phone: StartsServices, seconds: float) -> int:
    """How many Apple Watches are paired with it."""
    answer = _ask(phone, WATCHES, {"Command": "GetDeviceRegistry"}, seconds)
    if values.text(answer, "Error") not in (None, "NoPairedWatches"):
        raise _refused(WATCHES)
    return len(values.sequence(answer.get("PairedDevicesArray")))


def crash_report_names(phone: StartsServices, seconds: float) -> list[str]:
    """The names of the crash reports that are ready, and of those that were read before ("Retired")."""
    deadline = time.monotonic() + seconds
    with Afc(phone.start_at_once(CRASHES), CRASHES) as afc:
        afc.seconds = seconds
        names = afc.names("/")
        if "Retired" in names:
            afc.seconds = max(deadline - time.monotonic(), 0.1)
            try:
                names += afc.names("/Retired")
            except AfcRefused as error:
                if error.status != Status.NOT_FOUND:
                    raise
    return [values.printable(name) for name in names[:_MOST_NAMES]]


def _ask(phone: StartsServices, service: str, request: Values, seconds: float) -> Values:
    with PlistStream(phone.start_at_once(service), service) as stream:
        return stream.ask(request, seconds)


def _refused(service: str) -> PhoneRefused:
    return PhoneRefused(f"The phone's service {service} does not tell.")
