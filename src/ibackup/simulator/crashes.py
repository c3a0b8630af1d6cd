"""com.apple.crashreportcopymobile: AFC over the folder of crash reports; com.apple.crashreportmover fills it first."""

import json
from datetime import UTC, datetime
from typing import Final

from ibackup.simulator.afc import serve_tree
from ibackup.simulator.afcfiles import AfcTree
from ibackup.simulator.cloudspec import CrashSpec
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone

_KEY: Final = "crash reports"


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends."""
    serve_tree(stream, phone, _tree(phone))


def move(stream: Stream, _: VirtualPhone) -> None:
    """Report that the reports are in place, as they always are here; then wait for the connection to end."""
    stream.write(b"ping\0")
    while True:
        stream.read_exact(1)


def report_name(crash: CrashSpec, made: float) -> str:
    """The file name of a report; the time in it is the phone's local time."""
    when = datetime.fromtimestamp(made - crash.days * 86_400, UTC)
    return f"{crash.process}-{when:%Y-%m-%d-%H%M%S}.ips"


def _tree(phone: VirtualPhone) -> AfcTree:
    with phone.lock:
        tree = phone.memory.get(_KEY)
        if not isinstance(tree, AfcTree):
            made = phone.spec.icloud.now if phone.spec.icloud is not None else float(phone.spec.made_at)
            tree = AfcTree(int(made), folders=("/", "/Retired"), lock_file=False)
            for crash in phone.spec.signals.crashes:
                folder = "/Retired" if crash.retired else ""
                body = json.dumps({"app_name": crash.process, "bug_type": "309"}).encode()
                tree.write(f"{folder}/{report_name(crash, made)}", body)
            phone.memory[_KEY] = tree
        return tree
