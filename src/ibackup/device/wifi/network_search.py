"""Looks for phones that announce themselves on the local network, by multicast DNS.

A phone withdraws its announcement while it sleeps, so finding none is normal. A phone that left without a word stays
listed for up to an hour, so finding one does not say that it is there: dialling does.
"""

import logging
import queue
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from ibackup.base.errors import NoPhone
from ibackup.device.wifi.adverts import SERVICE_TYPE, Advert, parse_advert

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf

SEARCH_S: Final = 4.0
"""A phone that is awake answers within a second; a lost question is repeated after one and after three."""

MDNS_ADDRESS: Final = "224.0.0.251"
MDNS_PORT: Final = 5353
_MOST_NAMES: Final = 256
_MOST_DIALLING_S: Final = 60.0
_ASK_MS: Final = 700
_LOOK_S: Final = 0.1

_log = logging.getLogger(__name__)


class NoSearch(NoPhone):
    """This computer cannot search the network."""


def search(seconds: float = SEARCH_S) -> Generator[Advert, None, None]:
    """Each announcement as it comes in, until the time is up; again if its addresses changed.

    What the caller does between two of them does not count, up to a minute: something that is announced and does not
    answer must not hide what is announced after it.

    Raises:
        NoSearch: this computer does not let us send or receive multicast DNS.
    """
    from zeroconf import IPVersion, Zeroconf

    # It warns of others' odd packets, and its messages would show the names of neighbours' devices.
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
    try:
        zeroconf = Zeroconf(ip_version=IPVersion.V4Only)
    except (OSError, RuntimeError) as error:
        raise NoSearch(
            "ibackup could not look for phones on the network.",
            why=f"({getattr(error, 'strerror', None) or error})",
            hint="`ibackup setup --check` says what may stand in the way. If you know the phone's address: "
            "`ibackup now --address`.",
        ) from error
    try:
        yield from _heard(zeroconf, time.monotonic() + seconds)
    finally:
        zeroconf.close()


def own_addresses() -> dict[str, str]:
    """The IPv4 addresses of this computer in its networks, and the name of the interface of each."""
    import ifaddr

    return {
        str(each.ip): adapter.name
        for adapter in ifaddr.get_adapters()
        for each in adapter.ips
        if each.is_IPv4 and not str(each.ip).startswith("127.")
    }


def _heard(zeroconf: "Zeroconf", deadline: float) -> Iterator[Advert]:
    from zeroconf import ServiceBrowser

    names: queue.SimpleQueue[str] = queue.SimpleQueue()

    # It calls this with these names.
    def changed(
        zeroconf: "Zeroconf",  # noqa: ARG001
        service_type: str,  # noqa: ARG001
        name: str,
        state_change: "ServiceStateChange",
    ) -> None:
        if state_change.name != "Removed" and names.qsize() < _MOST_NAMES:
            names.put(name)

    browser = ServiceBrowser(zeroconf, SERVICE_TYPE, handlers=[changed])
    dialling_s = 0.0
    try:
        told: dict[str, Advert | None] = {}
        silent: list[str] = []
        while (left := deadline - time.monotonic()) > 0:
            try:
                name, patient = names.get(timeout=min(left, _LOOK_S)), False
            except queue.Empty:
                # Those whose details did not come along are asked for them last: a neighbour's must not delay ours.
                if not silent:
                    continue
                name, patient = silent.pop(0), True
            advert = _read(zeroconf, name, patient=patient)
            if advert is None and not patient and name not in silent:
                silent.append(name)
            if advert is not None and told.get(name) != advert and len(told) < _MOST_NAMES:
                told[name] = advert
                began = time.monotonic()
                yield advert
                took_s = min(time.monotonic() - began, _MOST_DIALLING_S - dialling_s)
                dialling_s += took_s
                deadline += took_s
    finally:
        browser.cancel()


def _read(zeroconf: "Zeroconf", name: str, *, patient: bool) -> Advert | None:
    """An announcement's details, as far as they are known, or after asking for them; None if it is not ours."""
    from zeroconf import BadTypeInNameException, IPVersion, ServiceInfo

    try:
        info = ServiceInfo(SERVICE_TYPE, name)
        known = info.request(zeroconf, _ASK_MS) if patient else info.load_from_cache(zeroconf)
    except (BadTypeInNameException, OSError) as error:
        _log.debug("an announcement could not be read: %s", type(error).__name__)
        return None
    if not known:
        return None
    return parse_advert(name, info.properties, info.parsed_addresses(IPVersion.V4Only))
