"""com.apple.springboardservices: app icons and where they are."""

from ibackup.simulator.apps import icon, installed
from ibackup.simulator.phone import VirtualPhone
from ibackup.simulator.plists import read_message, write_message
from ibackup.simulator.stream import Stream


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends."""
    while True:
        request = read_message(stream)
        bundle_id = request.get("bundleId")
        known = [str(app["CFBundleIdentifier"]) for app in installed(phone.spec)]
        if request.get("command") == "getIconPNGData" and bundle_id in known:
            write_message(stream, {"pngData": icon(str(bundle_id))})
        elif request.get("command") == "getInterfaceOrientation":
            write_message(stream, {"interfaceOrientation": 1})
        else:
            write_message(stream, {"error": "not found"})
