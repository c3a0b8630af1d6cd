"""A connection to a service's port, by cable or over Wi-Fi: TLS, the faults of connections, then the service."""

import ssl
from collections.abc import Callable

from ibackup.simulator.faults import DropAfterBytes, SilentAfterBytes
from ibackup.simulator.service_table import Service
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone


def serve_port(
    stream: Stream, phone: VirtualPhone, name: str, service: Service, tls: ssl.SSLContext | None
) -> None:
    """Serve one connection to its end.

    Args:
        stream: the connection.
        phone: whose it is.
        name: the service, for the journal and the faults.
        service: what serves it.
        tls: TLS that begins at once; None: the service begins it, or there is none.

    Raises:
        StreamEnded: the connection ended.
    """
    try:
        phone.journal.add("connect", name)
        if tls is not None:
            stream.start_tls(tls)
        _set_traps(stream, phone, name)
        while name in phone.spec.signals.silent_services:
            stream.read_exact(1)
        service(stream, phone)
    except StreamEnded as ended:
        phone.journal.add("ended", f"{name}: {ended}")
        raise


def _set_traps(stream: Stream, phone: VirtualPhone, service: str) -> None:
    """Set traps for the faults that strike after a number of bytes."""

    def lay(count: int, strike: Callable[[], None]) -> None:
        stream.trap(stream.bytes_read + stream.bytes_written + count, strike)

    for drop in phone.faults(DropAfterBytes):
        if drop.service == service:
            lay(drop.count, lambda drop=drop: _drop(stream, phone, drop))  # type: ignore[misc]
    for silence in phone.faults(SilentAfterBytes):
        if silence.service == service:
            lay(silence.count, lambda silence=silence: _fall_silent(stream, phone, silence))  # type: ignore[misc]


def _drop(stream: Stream, phone: VirtualPhone, fault: DropAfterBytes) -> None:
    if phone.fault(DropAfterBytes, lambda other: other is fault):
        stream.drop()
        raise StreamEnded("dropped by a fault")


def _fall_silent(stream: Stream, phone: VirtualPhone, fault: SilentAfterBytes) -> None:
    if phone.fault(SilentAfterBytes, lambda other: other is fault):
        stream.pause(fault.seconds)
