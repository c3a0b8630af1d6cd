"""Lockdown, the service of a phone that answers questions, keeps trust and starts the other services.

Property lists over a blocking socket, a request and its answer at a time. Lockdownd hangs up on those who are idle
for long, and a backup takes hours: a connection that was lost is made anew once, with its session.
"""

import contextlib
import logging
import socket
import threading

from ibackup.device import lockdown_refusals, values
from ibackup.device.channel import PlistStream
from ibackup.device.facts import noun_of
from ibackup.device.pairing import HostTls, PairRecord
from ibackup.device.usbmux import Attached, Usbmux
from ibackup.device.values import NOTHING, Values
from ibackup.errors import ConnectionLost, PersonNeeded, PhoneRefused, ProtocolBroken

_log = logging.getLogger(__name__)

PORT = 62078
_REQUEST_SECONDS = 30.0
_LABEL = "ibackup"
_TYPE = "com.apple.mobile.lockdown"
# Errors after which the same may be asked again in a new session.
_SESSION_OVER = frozenset(["InvalidConnection", "SessionInactive"])
_UNKNOWN_PAIRING = frozenset(["InvalidHostID", "InvalidConnection"])


class Lockdown:
    """A connection to one phone's lockdownd; a trusted session after ``start_session``.

    Raises (every method):
        ConnectionLost: the phone is gone or does not answer.
        PersonNeeded: it is locked, or wants to be told to trust.
        PhoneRefused: it does not want to.
        ProtocolBroken: its answers make no sense.

    Attributes:
        basics: the default domain, as last read.
        request_seconds: how long the phone may take for an answer.
    """

    def __init__(self, mux: Usbmux, attached: Attached) -> None:
        self._mux = mux
        self._attached = attached
        self._lock = threading.RLock()
        self._stream: PlistStream | None = None
        self._session: tuple[PairRecord, HostTls] | None = None
        self._closed = False
        self.request_seconds = _REQUEST_SECONDS
        self.basics: Values = NOTHING
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    @property
    def noun(self) -> str:
        """What messages call the phone."""
        return noun_of(values.text(self.basics, "DeviceClass"))

    @property
    def is_old(self) -> bool:
        """Whether it says that its iOS is older than 10."""
        major = (values.text(self.basics, "ProductVersion") or "").partition(".")[0]
        return major.isascii() and major.isdigit() and int(major) < 10

    @property
    def product_name(self) -> str | None:
        """The name under which this model is sold, as far as it is known."""
        from pymobiledevice3.irecv_devices import IRECV_DEVICES

        sold_as = {device.product_type: str(device.display_name) for device in IRECV_DEVICES}
        return sold_as.get(values.text(self.basics, "ProductType") or "")

    def start_session(self, record: PairRecord, tls: HostTls) -> bool:
        """Prove the pairing; False when the phone does not know it (any more)."""
        with self._lock:
            self._session = None
            if not self._begin(record, tls):
                return False
            try:
                # Under TLS 1.3 a rejected certificate shows only in the first answer.
                self.basics = self._default_domain(again=False)
            except ConnectionLost as error:
                if isinstance(error.__cause__, TimeoutError):
                    raise
                self._drop()
                return False
            self._session = record, tls
            return True

    def read_basics(self) -> Values:
        """Read the default domain again."""
        self.basics = self._default_domain()
        return self.basics

    def request_pair(self, record: PairRecord) -> bytes | None:
        """Ask once to be trusted; gives the escrow bag.

        Raises:
            PhoneLocked: unlock it and ask again.
            TrustPending: the dialog is on its screen; ask again with the same record.
            TrustDenied: somebody said no.
        """
        options = {
            "HostName": socket.gethostname(),
            "PairRecord": dict(record.public_part()),
            "ProtocolVersion": "2",
            "PairingOptions": {"ExtendedPairingErrors": True},
        }
        return values.data(self._request("Pair", options, "trust this computer"), "EscrowBag")

    def value(self, domain: str, key: str) -> object:
        """One value; None when the phone has none or does not tell. The default domain is ""."""
        return self._get({"Domain": domain, "Key": key} if domain else {"Key": key})

    def values(self, domain: str) -> Values:
        """A whole domain; empty when there is none or the phone does not tell."""
        return values.mapping(self._get({"Domain": domain} if domain else {})) or NOTHING

    def start_service(self, name: str, *, escrow: bool) -> socket.socket:
        """A blocking stream to a service, TLS done where the phone wants it.

        Args:
            name: "com.apple.afc".
            escrow: send the escrow bag, which lets it start while the phone is locked.
        """
        if self._session is None:
            raise lockdown_refusals.lockdown_refusal("InvalidHostID", noun=self.noun)
        record, tls = self._session
        options: dict[str, object] = {"Service": name}
        if escrow:
            if record.escrow_bag is None:
                raise PersonNeeded(
                    f"The pairing with this {self.noun} is not complete.",
                    why="It lacks what lets a backup go on while the screen is locked.",
                    hint=f"Make the {self.noun} forget this computer (Settings > General > Transfer or Reset > Reset "
                    "> Reset Location & Privacy), connect it again and tap Trust.",
                )
            options["EscrowBag"] = record.escrow_bag
        answer = self._request("StartService", options, f"start {name}")
        port = values.integer(answer, "Port")
        if port is None or not 0 < port < 65536:
            raise ProtocolBroken(f"The {self.noun} started {name} but does not say where.")
        with_tls = self._wants_tls(answer, "EnableServiceSSL")
        sock = self._dial(port)
        return tls.wrap(sock, self.request_seconds) if with_tls else sock

    def close(self) -> None:
        """End the connection; nothing is left behind, whatever state it is in."""
        with self._lock:
            self._closed = True
            self._drop()

    def _greet(self) -> None:
        """Make sure that this is lockdownd, and read what it says before any trust."""
        if (values.text(self._request("QueryType", {}, "answer"), "Type") or _TYPE) != _TYPE:
            raise self._not_normal()
        try:
            self.read_basics()
        except ProtocolBroken:
            raise
        except PhoneRefused:
            _log.debug("nothing is told before trust")  # then it is when there is trust

    # -- one request ----------------------------------------------------------------------------------------

    def _default_domain(self, *, again: bool = True) -> Values:
        answer = self._request("GetValue", {}, "tell its values", again=again)
        return values.mapping(answer.get("Value")) or NOTHING

    def _get(self, options: Values) -> object:
        try:
            return self._request("GetValue", options, "tell a value").get("Value")
        except lockdown_refusals.PhoneLocked:
            raise
        except PhoneRefused as error:
            # Absent and withheld values are no errors: many exist on some models only.
            if isinstance(error, ProtocolBroken):
                raise
            return None

    def _request(self, request: str, options: Values, doing: str, *, again: bool = True) -> Values:
        """Ask, in a new connection once more if this one turns out to be lost; the answer is no error."""
        answer = self._answer(request, options, doing, again=again)
        error = answer.get("Error")
        if error is None and answer.get("Result") == "Failure":  # iOS 4 and older
            error = "Failure"
        if error is not None:
            raise lockdown_refusals.lockdown_refusal(str(error), noun=self.noun, doing=doing)
        return answer

    def _answer(self, request: str, options: Values, doing: str, *, again: bool = True) -> Values:
        """As ``_request``, but an error may be the answer."""
        message = {"Label": _LABEL, "Request": request, **options}
        with self._lock:
            if self._closed:
                raise ConnectionLost(f"The connection to the {self.noun} is closed.")
            fresh = self._stream is None
            try:
                answer = self._exchange(message, doing)
            except ConnectionLost as error:
                if fresh or not again or isinstance(error.__cause__, TimeoutError):
                    raise
                answer = self._exchange(message, doing)
            else:
                if answer.get("Error") in _SESSION_OVER and again and self._session is not None and not fresh:
                    self._drop()
                    answer = self._exchange(message, doing)
        if answer.get("Request", request) != request:
            if answer.get("Type") == "com.apple.mobile.restored":
                raise self._not_normal()
            # What it says may hold secrets.
            raise ProtocolBroken(
                f"The {self.noun} gave an answer that makes no sense.",
                why=f"It was asked to {doing}.",
                hint=f"Restart the {self.noun} and try again.",
            )
        return answer

    def _exchange(self, message: Values, doing: str) -> Values:
        """Send one message and wait for the next that comes; whatever goes wrong, nobody waits for it later."""
        stream = self._connected()
        try:
            stream.send(message)
            answer = stream.poll(self.request_seconds)
        except ConnectionLost as error:
            self._drop()
            raise ConnectionLost(
                f"The connection to the {self.noun} was lost.",
                why=f"It was asked to {doing}.",
                hint="Check the cable, unlock it once and try again.",
            ) from error.__cause__
        except BaseException:
            self._drop()
            raise
        if answer is None:
            self._drop()
            raise ConnectionLost(
                f"The {self.noun} does not answer.",
                why=f"It was asked to {doing} and was silent for {self.request_seconds:.0f} seconds.",
                hint="Disconnect it, connect it again, unlock it once and try again.",
            ) from TimeoutError()
        return answer

    # -- the connection -------------------------------------------------------------------------------------

    def _connected(self) -> PlistStream:
        """The connection, made anew when there is none, with the session that it had."""
        if self._stream is not None:
            return self._stream
        stream = self._stream = PlistStream(self._dial(PORT), "lockdownd")
        if self._session is not None and not self._begin(*self._session, again=False):
            self._drop()
            raise lockdown_refusals.lockdown_refusal("InvalidHostID", noun=self.noun)
        return stream

    def _begin(self, record: PairRecord, tls: HostTls, *, again: bool = True) -> bool:
        """Start a session on the present connection; False when the phone does not know the pairing."""
        host = {"HostID": record.host_id, "SystemBUID": record.system_buid}
        answer = self._answer("StartSession", host, "start a session", again=again)
        error = answer.get("Error")
        if error in _UNKNOWN_PAIRING:
            return False
        if error is not None:
            raise lockdown_refusals.lockdown_refusal(str(error), noun=self.noun, doing="start a session")
        if self._wants_tls(answer, "EnableSessionSSL") and self._stream is not None:
            try:
                self._stream.sock = tls.wrap(self._stream.sock, self.request_seconds)
            except ConnectionLost as lost:
                self._drop()
                if isinstance(lost.__cause__, TimeoutError):
                    raise
                return False  # a phone that was told to forget this computer ends the handshake
            except BaseException:
                self._drop()
                raise
        return True

    def _wants_tls(self, answer: Values, key: str) -> bool:
        """Whether TLS comes next; over the network it must, or whoever answers there need not prove to be the phone."""
        if values.boolean(answer, key):
            return True
        if self._attached.connection == "Network":
            raise ProtocolBroken(
                f"What answers over the network does not prove to be the {self.noun} that it says it is.",
                why="It wants nothing encrypted, which a phone always does.",
                hint=f"Connect the {self.noun} with a cable.",
            )
        return False

    def _dial(self, port: int) -> socket.socket:
        sock = self._mux.connect(self._attached.device_id, port)
        _tune(sock)
        return sock

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _not_normal(self) -> PhoneRefused:
        return PhoneRefused(
            f"The {self.noun} is not running normally.",
            why="It is in recovery mode or being restored.",
            hint=f"Restart the {self.noun} and try again.",
        )


def _tune(sock: socket.socket) -> None:
    """Notice a dead network peer, and send small answers at once; a Unix socket needs neither."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, setting in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):  # a system that knows the name need not allow it
                sock.setsockopt(socket.IPPROTO_TCP, option, setting)
