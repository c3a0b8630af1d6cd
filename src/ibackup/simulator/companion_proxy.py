"""com.apple.companion_proxy: which Apple Watches are paired with the phone."""

import uuid

from ibackup.simulator.framed_plists import read_message, write_message
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends."""
    while True:
        command = read_message(stream).get("Command")
        phone.journal.add("companion", str(command))
        watches = [
            uuid.uuid5(uuid.NAMESPACE_DNS, f"{phone.udid} {n}").hex for n in range(phone.spec.signals.watches)
        ]
        if command == "GetDeviceRegistry":
            write_message(
                stream, {"PairedDevicesArray": watches} if watches else {"Error": "NoPairedWatches"}
            )
        else:
            write_message(stream, {"Error": "UnsupportedCommand"})
