"""lockdownd: values, pairing, TLS sessions, and access to every other service."""

import ssl
import uuid
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeAlias

from ibackup.simulator.faults import StartServiceError, StartSessionError, WirelessBreak
from ibackup.simulator.framed_plists import Message, read_message, write_message
from ibackup.simulator.lockdown_values import BACKUP
from ibackup.simulator.notifications import DEVICE_NAME_CHANGED
from ibackup.simulator.phone_trust import Pairing, TrustRefusal
from ibackup.simulator.service_table import NEEDS_ESCROW_BAG, SERVICES
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone

PORT: Final = 62_078

OTHER_UDID: Final = "00008101-00112233445566EE"
"""What the impostor with a wrong UDID says."""

_LONG_S: Final = 3600.0

SETTABLE: Final = frozenset({"DeviceName", "TimeIntervalSince1970", "TimeZone", "Uses24HourClock"})
"""Keys of the default domain that a trusted computer may set."""


OpenService: TypeAlias = Callable[[str, Pairing], int]
"""Opens a port for one connection to a service of this name; returns its number."""


def serve(
    stream: Stream, phone: VirtualPhone, *, wireless: bool = False, open_port: OpenService | None = None
) -> None:
    """Serve one connection until it ends.

    Args:
        stream: the connection.
        phone: whose it is.
        wireless: it came over a network.
        open_port: where its services wait; None: behind usbmuxd.
    """
    connection = _Connection(stream, phone, wireless=wireless, open_port=open_port or phone.open_port)
    while True:
        connection.answer(read_message(stream))


def wireless_tls(phone: VirtualPhone, pairing: Pairing) -> ssl.SSLContext | None:
    """TLS over a network, which an impostor has of its own; None: there is none."""
    impostor = phone.spec.wireless.impostor
    if impostor == "plain":
        return None
    return phone.trust.impostor_tls() if impostor == "key" else pairing.tls


def strike(stream: Stream, fault: WirelessBreak) -> NoReturn:
    """Break a connection over a network.

    Raises:
        StreamEnded: always.
    """
    if fault.how == "silence":
        while True:
            stream.pause(_LONG_S)
    if fault.how == "reset":
        stream.drop()
    raise StreamEnded(f"{fault.how} at {fault.at}")


class _Connection:
    """One connection to lockdownd, with or without a session."""

    def __init__(
        self, stream: Stream, phone: VirtualPhone, *, wireless: bool, open_port: OpenService
    ) -> None:
        self._stream = stream
        self._phone = phone
        self._wireless = wireless
        self._open_port = open_port
        self._pairing: Pairing | None = None
        self._session_id: str | None = None
        self._verbs = {
            "GetValue": self._get_value,
            "Pair": self._pair,
            "QueryType": lambda _: {"Type": "com.apple.mobile.lockdown"},
            "RemoveValue": self._remove_value,
            "SetValue": self._set_value,
            "StartService": self._start_service,
            "StartSession": self._start_session,
            "StopSession": self._stop_session,
            "Unpair": self._unpair,
            "ValidatePair": self._validate_pair,
        }

    def answer(self, request: Message) -> None:
        """Answer one request, and begin or end TLS if the answer says so."""
        name = request.get("Request")
        before = self._pairing
        if self._wireless:
            self._phone.journal.add("asked", str(name))
            self._may_break(str(name))
        verb = self._verbs.get(name, _unknown) if isinstance(name, str) else _unknown
        try:
            answer = verb(request)
        except TrustRefusal as refusal:
            self._phone.journal.add("refused", f"{name}: {refusal.error}")
            write_message(self._stream, {"Request": name or "", "Error": refusal.error})
            return
        write_message(self._stream, {"Request": name, **answer})
        if before is None and self._pairing is not None:
            self._start_tls(self._pairing)
        elif before is not None and self._pairing is None:
            self._stream.stop_tls()

    def _start_tls(self, pairing: Pairing) -> None:
        if not self._wireless:
            self._stream.start_tls(pairing.tls)
            return
        self._may_break("TLS")
        tls = wireless_tls(self._phone, pairing)
        if tls is not None:
            self._stream.start_tls(tls)
        self._may_break("first read")

    def _may_break(self, at: str) -> None:
        fault = self._phone.fault(WirelessBreak, lambda fault: fault.at == at)
        if fault is not None:
            strike(self._stream, fault)

    @property
    def _offers_tls(self) -> bool:
        return not (self._wireless and self._phone.spec.wireless.impostor == "plain")

    # --- values

    def _get_value(self, request: Message) -> Message:
        domain, key = _text(request, "Domain"), _text(request, "Key")
        trusted = self._pairing is not None
        if domain and domain in self._phone.spec.signals.slow_domains:
            self._stream.pause(self._phone.spec.signals.slow_s)
        values = self._phone.domain(domain, trusted=trusted)
        if self._wireless and self._phone.spec.wireless.impostor == "udid" and "UniqueDeviceID" in values:
            values["UniqueDeviceID"] = OTHER_UDID
        place = {name: value for name, value in (("Domain", domain), ("Key", key)) if value}
        if not key:
            if domain and not trusted:
                raise TrustRefusal("GetProhibited")
            return {**place, "Value": values}
        if key not in values:
            everything = values if trusted else self._phone.domain(domain)
            raise TrustRefusal("GetProhibited" if key in everything else "MissingValue")
        return {**place, "Value": values[key]}

    def _set_value(self, request: Message) -> Message:
        domain, key = self._changeable(request, "SetProhibited")
        if "Value" not in request:
            raise TrustRefusal("MissingValue")
        self._phone.set_value(domain, key, request["Value"])
        if (domain, key) == ("", "DeviceName"):
            self._phone.notify(DEVICE_NAME_CHANGED)
        return {"Domain": domain, "Key": key, "Value": request["Value"]}

    def _remove_value(self, request: Message) -> Message:
        domain, key = self._changeable(request, "RemoveProhibited")
        self._phone.set_value(domain, key, None)
        return {"Domain": domain, "Key": key}

    def _changeable(self, request: Message, error: str) -> tuple[str, str]:
        """The domain and key of a value that the computer may change."""
        domain, key = _text(request, "Domain"), _text(request, "Key")
        if not key:
            raise TrustRefusal("MissingKey")
        if self._pairing is None or (not domain and key not in SETTABLE) or domain == BACKUP:
            raise TrustRefusal(error)
        return domain, key

    # --- pairing

    def _pair(self, request: Message) -> Message:
        if self._wireless:
            raise TrustRefusal("PairingProhibitedOverThisConnection")
        if self._phone.locked:
            self._phone.refused_for_lock()
            raise TrustRefusal("PasswordProtected")
        pairing = self._phone.trust.pair(request.get("PairRecord"))
        self._phone.journal.add("pair", pairing.host_id)
        self._phone.changed()
        return {"EscrowBag": pairing.escrow_bag}

    def _validate_pair(self, request: Message) -> Message:
        if self._phone.trust.find(_host_id(request)) is None:
            raise TrustRefusal("InvalidHostID")
        return {}

    def _unpair(self, request: Message) -> Message:
        if not self._phone.trust.forget(_host_id(request)):
            raise TrustRefusal("InvalidHostID")
        self._phone.journal.add("unpair", str(_host_id(request)))
        self._phone.changed()
        return {}

    # --- sessions and services

    def _start_session(self, request: Message) -> Message:
        if self._pairing is not None:
            raise TrustRefusal("SessionActive")
        if "HostID" not in request:
            raise TrustRefusal("MissingHostID")
        fault = self._phone.fault(StartSessionError)
        if fault is not None:
            raise TrustRefusal(fault.error)
        pairing = self._phone.trust.find(request["HostID"])
        if pairing is None:
            raise TrustRefusal("InvalidHostID")
        self._pairing = pairing
        self._session_id = str(uuid.uuid4()).upper()
        self._phone.journal.add("session", pairing.host_id)
        return {"SessionID": self._session_id, "EnableSessionSSL": self._offers_tls}

    def _stop_session(self, request: Message) -> Message:
        if self._pairing is None:
            raise TrustRefusal("SessionInactive")
        if "SessionID" not in request:
            raise TrustRefusal("MissingSessionID")
        if request["SessionID"] != self._session_id:
            raise TrustRefusal("InvalidSessionID")
        self._pairing = self._session_id = None
        return {"Result": "Success"}

    def _start_service(self, request: Message) -> Message:
        service = _text(request, "Service")
        if self._pairing is None:
            raise TrustRefusal("SessionInactive")
        if not service:
            raise TrustRefusal("MissingService")
        fault = self._phone.fault(StartServiceError, lambda fault: fault.service == service)
        if fault is not None:
            raise TrustRefusal(fault.error)
        if service not in SERVICES:
            raise TrustRefusal("InvalidService")
        self._check_escrow(service, request.get("EscrowBag"), self._pairing)
        port = self._open_port(service, self._pairing)
        self._phone.journal.add("start_service", service)
        return {"Service": service, "Port": port, "EnableServiceSSL": self._offers_tls}

    def _check_escrow(self, service: str, bag: object, pairing: Pairing) -> None:
        """Require the right escrow bag before a locked phone starts a service that needs its data."""
        if service not in NEEDS_ESCROW_BAG or not self._phone.locked or bag == pairing.escrow_bag:
            return
        self._phone.refused_for_lock()
        raise TrustRefusal("PasswordProtected" if bag is None else "EscrowLocked")


def _unknown(_: Message) -> Message:
    raise TrustRefusal("InvalidRequest")


def _text(request: Message, key: str) -> str:
    value = request.get(key)
    return value if isinstance(value, str) else ""


def _host_id(request: Message) -> object:
    record = request.get("PairRecord")
    return record.get("HostID") if isinstance(record, Mapping) else None
