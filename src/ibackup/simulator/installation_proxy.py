"""com.apple.mobile.installation_proxy: which apps are installed."""

from collections.abc import Iterator
from typing import Final

from ibackup.simulator.framed_plists import Message, read_message, write_message
from ibackup.simulator.installed_apps import installed
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone

BATCH: Final = 20
COUNTED: Final = frozenset(["DynamicDiskUsage", "StaticDiskUsage"])
"""Sizes take a phone long to count, so it reports them only when asked for them by name."""


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends."""
    while True:
        request = read_message(stream)
        command = request.get("Command")
        phone.journal.add("apps", str(command))
        options = request.get("ClientOptions")
        stream.pause(phone.spec.app_list_s)
        found = list(_select(phone, options if isinstance(options, dict) else {}))
        if command == "Browse":
            for start in range(0, len(found), BATCH):
                batch = found[start : start + BATCH]
                answer = {"CurrentIndex": start, "CurrentAmount": len(batch), "CurrentList": batch}
                write_message(stream, {"Status": "BrowsingApplications", "Total": len(found), **answer})
            write_message(stream, {"Status": "Complete"})
        elif command == "Lookup":
            result = {str(app["CFBundleIdentifier"]): app for app in found}
            write_message(stream, {"Status": "Complete", "LookupResult": result})
        else:
            write_message(stream, {"Error": "UnknownCommand"})


def _select(phone: VirtualPhone, options: Message) -> Iterator[dict[str, object]]:
    """The apps and attributes that the options ask for."""
    kind = options.get("ApplicationType", "Any")
    attributes, bundles = options.get("ReturnAttributes"), options.get("BundleIDs")
    for app in installed(phone.spec, placeholders=options.get("ShowPlaceholders") is True):
        if kind not in ("Any", app["ApplicationType"]):
            continue
        if isinstance(bundles, list) and app["CFBundleIdentifier"] not in bundles:
            continue
        if isinstance(attributes, list):
            # A look-up is answered by bundle, so that key must be present.
            yield {key: app[key] for key in app if key in attributes or key == "CFBundleIdentifier"}
        else:
            yield {key: app[key] for key in app if key not in COUNTED}
