"""com.apple.springboardservices: app icons and where they are."""

from ibackup.simulator.framed_plists import read_message, write_message
from ibackup.simulator.installed_apps import icon, installed
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone


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
