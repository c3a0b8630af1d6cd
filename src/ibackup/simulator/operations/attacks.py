"""What a hostile or broken phone sends in the middle of an operation."""

import hashlib
from collections.abc import Callable, Mapping

from ibackup.simulator.devicelink import LinkError, Outgoing
from ibackup.simulator.faults import GiantFrame, GiantPlist, HostilePath, PathPlace, UnknownMessage
from ibackup.simulator.operations.session import Session

_BAIT = b"the virtual iPhone was here\n"


def strike_attacks(session: Session, folder: str) -> None:
    """Send every message that faults ask for; a computer that refuses one politely is asked the next."""
    for fault in session.phone.faults(HostilePath):
        struck = session.strike(HostilePath, lambda each, fault=fault: each is fault)  # type: ignore[misc]
        if struck is not None:
            _politely(lambda struck=struck: _hostile(session, folder, struck))  # type: ignore[misc]
    unknown = session.strike(UnknownMessage)
    if unknown is not None:
        _politely(lambda: session.link.unknown(unknown.name))
    frame = session.strike(GiantFrame)
    if frame is not None:
        session.link.giant_frame(f"{folder}/Snapshot/00/{_bait_id()}", frame.length)
    plist = session.strike(GiantPlist)
    if plist is not None:
        session.link.giant_message(plist.length)


def _politely(send: Callable[[], object]) -> None:
    try:
        send()
    except LinkError:
        pass  # refused: the phone goes on as if nothing had been


def _bait_id() -> str:
    return "00" + hashlib.sha256(_BAIT).hexdigest()[:38]


def _hostile(session: Session, folder: str, fault: HostilePath) -> None:
    """One message whose path is not one of a backup."""
    link = session.link
    bait = f"{folder}/Snapshot/00/{_bait_id()}"

    def put(path: str) -> None:
        link.upload([Outgoing("/var/mobile/bait", path, [_BAIT])], len(_BAIT))

    def move_out() -> None:
        put(bait)
        link.move({bait: fault.path})

    def copy_out() -> None:
        put(bait)
        link.copy(bait, fault.path, len(_BAIT))

    messages: Mapping[PathPlace, Callable[[], object]] = {
        "upload": lambda: put(fault.path),
        "download": lambda: session.fetch(fault.path),
        "move_source": lambda: link.move({fault.path: bait}),
        "move_destination": move_out,
        "remove": lambda: link.remove([fault.path]),
        "create_directory": lambda: link.create_directory(fault.path),
        "list": lambda: link.contents(fault.path),
        "copy_source": lambda: link.copy(fault.path, bait, len(_BAIT)),
        "copy_destination": copy_out,
        "remove_directory": lambda: link.remove_directory(fault.path),
    }
    messages[fault.place]()
