"""The services a phone starts, by the names lockdown knows them under."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ibackup.simulator import (
    afc,
    companion_proxy,
    crashes,
    diagnostics,
    installation_proxy,
    mcinstall,
    notification_proxy,
    os_trace,
    pcapd,
    springboard,
)
from ibackup.simulator.faults import BACKUP_SERVICE
from ibackup.simulator.phone import VirtualPhone
from ibackup.simulator.stream import Stream

Service: TypeAlias = Callable[[Stream, VirtualPhone], None]


def _mobilebackup2(stream: Stream, phone: VirtualPhone) -> None:
    from ibackup.simulator import mobilebackup2  # the engine is large, and many a client never needs it

    mobilebackup2.serve(stream, phone)


SERVICES: Final[Mapping[str, Service]] = {
    "com.apple.afc": afc.serve,
    "com.apple.companion_proxy": companion_proxy.serve,
    "com.apple.crashreportcopymobile": crashes.serve,
    "com.apple.crashreportmover": crashes.move,
    "com.apple.mobile.MCInstall": mcinstall.serve,
    "com.apple.mobile.diagnostics_relay": diagnostics.serve,
    "com.apple.mobile.installation_proxy": installation_proxy.serve,
    "com.apple.mobile.notification_proxy": notification_proxy.serve,
    "com.apple.os_trace_relay": os_trace.serve,
    "com.apple.pcapd": pcapd.serve,
    "com.apple.springboardservices": springboard.serve,
    BACKUP_SERVICE: _mobilebackup2,
}

NEEDS_ESCROW_BAG: Final = frozenset({BACKUP_SERVICE})
"""What a locked phone starts only for a computer that shows its escrow bag."""
