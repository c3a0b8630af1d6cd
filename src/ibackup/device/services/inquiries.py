"""What a phone's small services report, each with one request that changes nothing.

``REQUESTS`` has every request that is ever sent; a test compares it with the requests that the phone saw. Every
function raises what ``PlistStream`` raises, PhoneRefused if the service refuses, and what starting the service
raises.
"""

import socket
import time
from dataclasses import dataclass
from typing import Protocol

from ibackup.apple import plist_values
from ibackup.apple.plist_values import NOTHING, Values
from ibackup.base.errors import PhoneRefused
from ibackup.device.mux.channel import PlistStream
from ibackup.device.services.afc import Afc, AfcRefused, AfcStatus

DIAGNOSTICS = "com.apple.mobile.diagnostics_relay"
PROFILES = "com.apple.mobile.MCInstall"
APPS = "com.apple.mobile.installation_proxy"
CRASHES = "com.apple.crashreportcopymobile"

REQUESTS = {
    DIAGNOSTICS: ("IORegistry",),
    PROFILES: ("GetProfileList", "GetCloudConfiguration"),
    APPS: ("Lookup",),
}

_MOST_NAMES = 20_000


class StartsServices(Protocol):
    """Something that starts a service without waiting for someone at the phone: a Phone."""

    def start_at_once(self, name: str) -> socket.socket:
        """A blocking stream to a service."""


@dataclass(frozen=True, slots=True)
class AppUsage:
    """An app: its name and the bytes of its data, if they were asked for and the phone reports them."""

    bundle_id: str
    name: str
    data: int | None


def registry_entry(
    phone: StartsServices, seconds: float, *, name: str | None = None, ioclass: str | None = None
) -> Values:
    """One entry of the I/O registry, by name or class; empty if there is none."""
    request: dict[str, object] = {"Request": "IORegistry"}
    if name is not None:
        request["EntryName"] = name
    if ioclass is not None:
        request["EntryClass"] = ioclass
    answer = _ask(phone, DIAGNOSTICS, request, seconds)
    if plist_values.text(answer, "Status") != "Success":
        raise _refused(DIAGNOSTICS)
    diagnostics = plist_values.mapping(answer.get("Diagnostics")) or NOTHING
    return plist_values.mapping(diagnostics.get("IORegistry")) or NOTHING


def profiles(phone: StartsServices, seconds: float) -> list[Values]:
    """The metadata of each installed configuration profile, without what it restricts."""
    answer = _ask(phone, PROFILES, {"RequestType": "GetProfileList"}, seconds)
    if plist_values.text(answer, "Status") != "Acknowledged":
        raise _refused(PROFILES)
    metadata = plist_values.mapping(answer.get("ProfileMetadata")) or NOTHING
    return [plist_values.mapping(each) or NOTHING for each in metadata.values()]


def cloud_configuration(phone: StartsServices, seconds: float) -> Values:
    """Whether an organization manages the phone; empty if the phone does not say."""
    answer = _ask(phone, PROFILES, {"RequestType": "GetCloudConfiguration"}, seconds)
    if plist_values.text(answer, "Status") != "Acknowledged":
        raise _refused(PROFILES)
    return plist_values.mapping(answer.get("CloudConfiguration")) or NOTHING


def user_apps(
    phone: StartsServices, seconds: float, *, sizes: bool = False, placeholders: bool = False
) -> list[AppUsage]:
    """The user's apps. With sizes, a phone can need tens of seconds.

    Args:
        phone: it.
        seconds: how long to wait for the answer.
        sizes: also report how much space their data takes.
        placeholders: include apps that are still to be downloaded.
    """
    attributes = ["CFBundleIdentifier", "CFBundleDisplayName"]
    if sizes:
        attributes.append("DynamicDiskUsage")
    options: dict[str, object] = {"ApplicationType": "User", "ReturnAttributes": attributes}
    if placeholders:
        options["ShowPlaceholders"] = True
    answer = _ask(phone, APPS, {"Command": "Lookup", "ClientOptions": options}, seconds)
    found = plist_values.mapping(answer.get("LookupResult"))
    if found is None:
        raise _refused(APPS)
    apps = []
    for bundle_id, item in found.items():
        app = plist_values.mapping(item) or NOTHING
        apps.append(
            AppUsage(
                plist_values.printable(bundle_id),
                plist_values.shown(app, "CFBundleDisplayName") or plist_values.printable(bundle_id),
                plist_values.count(app, "DynamicDiskUsage"),
            )
        )
    return apps


def crash_report_names(phone: StartsServices, seconds: float) -> list[str]:
    """The names of the crash reports that are ready, and of those that were already read ("Retired")."""
    deadline = time.monotonic() + seconds
    with Afc(phone.start_at_once(CRASHES), CRASHES, seconds) as afc:
        names = afc.names("/")
        if "Retired" in names:
            afc.answer_s = max(deadline - time.monotonic(), 0.1)
            try:
                names += afc.names("/Retired")
            except AfcRefused as error:
                if error.status != AfcStatus.NOT_FOUND:
                    raise
    return [plist_values.printable(name) for name in names[:_MOST_NAMES]]


def _ask(phone: StartsServices, service: str, request: Values, seconds: float) -> Values:
    with PlistStream(phone.start_at_once(service), service, seconds) as stream:
        return stream.ask(request, seconds)


def _refused(service: str) -> PhoneRefused:
    return PhoneRefused(f"The phone's service {service} does not report it.")
