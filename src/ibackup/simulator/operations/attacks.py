"""What a hostile or faulty phone sends during an operation."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping

from ibackup.simulator.devicelink import LinkError, Outgoing
from ibackup.simulator.faults import GiantFrame, GiantPlist, HostilePath, PathPlace, UnknownMessage
from ibackup.simulator.operations.operation_session import Session

_BAIT = b"the virtual iPhone was here\n"


def strike_attacks(session: Session, folder: str) -> None:
    """Send every message that the faults ask for. A computer that politely refuses one gets the next."""
    for fault in session.phone.faults(HostilePath):
        struck = session.strike(HostilePath, lambda each, fault=fault: each is fault)  # type: ignore[misc]
        if struck is not None:
            _politely(lambda struck=struck: _hostile(session, folder, struck))  # type: ignore[misc]
    send_unknown(session)
    frame = session.strike(GiantFrame)
    if frame is not None:
        session.link.giant_frame(f"{folder}/Snapshot/00/{_bait_id()}", frame.length)
    plist = session.strike(GiantPlist)
    if plist is not None:
        session.link.giant_message(plist.length)


def send_unknown(session: Session) -> None:
    """Send an unknown message if a fault asks for it."""
    unknown = session.strike(UnknownMessage)
    if unknown is None:
        return
    name = unknown.name
    for _ in range(unknown.count):
        _politely(lambda: session.link.unknown(name))


def _politely(send: Callable[[], object]) -> None:
    with contextlib.suppress(LinkError):  # refused: the phone continues as if nothing had happened
        send()


def _bait_id() -> str:
    return "00" + hashlib.sha256(_BAIT).hexdigest()[:38]


def _hostile(session: Session, folder: str, fault: HostilePath) -> None:
    """Send one message whose path does not belong to a backup."""
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
