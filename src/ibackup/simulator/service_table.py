"""The services that a phone starts, by their lockdown names."""

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
    phone_assertions,
    phone_heartbeat,
    springboard,
)
from ibackup.simulator.faults import BACKUP_SERVICE
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_life import ASSERTION_SERVICE, HEARTBEAT_SERVICE

Service: TypeAlias = Callable[[Stream, VirtualPhone], None]


def _mobilebackup2(stream: Stream, phone: VirtualPhone) -> None:
    if phone.backup_service is not None:
        phone.backup_service(stream)
        return
    from ibackup.simulator import mobilebackup2  # the engine is large, and many clients never need it

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
    ASSERTION_SERVICE: phone_assertions.serve,
    HEARTBEAT_SERVICE: phone_heartbeat.serve,
    BACKUP_SERVICE: _mobilebackup2,
}

NEEDS_ESCROW_BAG: Final = frozenset({BACKUP_SERVICE})
"""Services that a locked phone starts only for a computer that presents its escrow bag."""
