"""Lockdown, the phone's service that answers questions, keeps trust and starts the other services.

Property lists over a blocking socket, one request and its answer at a time. Lockdownd closes connections that are
idle for long, and a backup takes hours. So a lost connection is opened again once, with its session.
"""

import contextlib
import logging
import socket
import threading

from ibackup.apple import plist_values
from ibackup.apple.plist_values import NOTHING, Values
from ibackup.base.errors import ConnectionLost, IbackupError, PersonNeeded, PhoneRefused, ProtocolBroken
from ibackup.base.settings_paths import SettingsPlace, major_of
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown.pairing import HostTls, PairRecord, other_key
from ibackup.device.lockdown.phone_facts import noun_of
from ibackup.device.mux.channel import PlistStream
from ibackup.device.mux.usbmux import Attached, Transport
from ibackup.device.refusals import lockdown_refusals

_log = logging.getLogger(__name__)

PORT = 62078
_LABEL = "ibackup"
_TYPE = "com.apple.mobile.lockdown"
# After these errors, the same request may succeed in a new session.
_SESSION_OVER = frozenset(["InvalidConnection", "SessionInactive"])
_UNKNOWN_PAIRING = frozenset(["InvalidHostID", "InvalidConnection"])


class Lockdown:
    """A connection to one phone's lockdownd; a trusted session after ``start_session``.

    Raises (every method):
        ConnectionLost: the phone is gone or does not answer.
        PersonNeeded: someone must unlock it or tap Trust.
        PhoneRefused: the phone refuses.
        ProtocolBroken: its answers make no sense.

    Attributes:
        basics: the default domain, as it was last read. Over Wi-Fi it is not read before a session: some phones then
            end the connection.
        reached: which step was begun last: "QueryType", "StartSession", "TLS", "first answer" or "session".
        request_seconds: how many seconds an answer may take.
    """

    def __init__(self, transport: Transport, attached: Attached, limits: Limits) -> None:
        self._transport = transport
        self._attached = attached
        self._lock = threading.RLock()
        self._stream: PlistStream | None = None
        self._session: tuple[PairRecord, HostTls] | None = None
        self._closed = False
        self.request_seconds = limits.lockdown_s
        self.basics: Values = NOTHING
        self.reached = "QueryType"
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    @property
    def noun(self) -> str:
        """What messages call the phone."""
        return noun_of(plist_values.text(self.basics, "DeviceClass"))

    @property
    def ios_version(self) -> str | None:
        """Such as 18.6.2; None if it does not say."""
        return plist_values.text(self.basics, "ProductVersion")

    @property
    def is_old(self) -> bool:
        """Whether the phone says that its iOS is older than 10."""
        major = major_of(self.ios_version)
        return major is not None and major < 10

    @property
    def product_name(self) -> str | None:
        """The name under which this model is sold, if it is known."""
        from pymobiledevice3.irecv_devices import IRECV_DEVICES

        sold_as = {device.product_type: str(device.display_name) for device in IRECV_DEVICES}
        return sold_as.get(plist_values.text(self.basics, "ProductType") or "")

    def start_session(self, record: PairRecord, tls: HostTls) -> bool:
        """Prove the pairing; False if the phone does not know it, or no longer does."""
        with self._lock:
            self._session = None
            if not self._begin(record, tls):
                return False
            try:
                # Under TLS 1.3 a rejected certificate shows only in the first answer.
                self.reached = "first answer"
                self.basics = self._default_domain(again=False)
            except ConnectionLost as error:
                if isinstance(error.__cause__, TimeoutError):
                    raise
                self._drop()
                return False
            self._session = record, tls
            self.reached = "session"
            return True

    @property
    def in_session(self) -> bool:
        """Whether a session was started and, as far as we know, still exists."""
        return self._session is not None

    @property
    def proved_key(self) -> str:
        """SHA-256, in hex digits, of the key that the phone proved in this session; empty if it proved none."""
        return self._session[1].proved if self._session is not None else ""

    def read_basics(self) -> Values:
        """Read the default domain again."""
        self.basics = self._default_domain()
        return self.basics

    def request_pair(self, record: PairRecord) -> bytes | None:
        """Ask once to be trusted; returns the escrow bag.

        Raises:
            PhoneLocked: it must be unlocked before it asks.
            TrustPending: the dialog is on the screen; call again with the same record.
            TrustDenied: someone tapped Don't Trust.
        """
        options = {
            "HostName": socket.gethostname(),
            "PairRecord": dict(record.public_part()),
            "ProtocolVersion": "2",
            "PairingOptions": {"ExtendedPairingErrors": True},
        }
        return plist_values.data(self._request("Pair", options, "trust this computer"), "EscrowBag")

    def value(self, domain: str, key: str) -> object:
        """One value; None if the phone has none or does not report it. The default domain is ""."""
        return self._get({"Domain": domain, "Key": key} if domain else {"Key": key})

    def values(self, domain: str) -> Values:
        """A whole domain; empty if there is none or the phone does not report it."""
        return self.told(domain) or NOTHING

    def set_value(self, domain: str, key: str, value: object) -> None:
        """Change one value."""
        self._request("SetValue", {"Domain": domain, "Key": key, "Value": value}, "change a setting")

    def told(self, domain: str) -> Values | None:
        """A whole domain; None if the phone does not report it, which says nothing about its keys."""
        return plist_values.mapping(self._get({"Domain": domain} if domain else {}, empty=NOTHING))

    def start_service(self, name: str, *, escrow: bool) -> socket.socket:
        """A blocking stream to a service, with TLS if the phone wants it.

        Args:
            name: "com.apple.afc".
            escrow: send the escrow bag, so that the service can start while the phone is locked.
        """
        if self._session is None:
            raise self._refusal("InvalidHostID")
        record, tls = self._session
        options: dict[str, object] = {"Service": name}
        if escrow:
            if record.escrow_bag is None:
                forget = SettingsPlace.RESET_TRUST.path(self.ios_version, self.noun)
                raise PersonNeeded(
                    f"The pairing with this {self.noun} is not complete.",
                    why="It lacks what lets a backup continue while the screen is locked.",
                    hint=f"Make the {self.noun} forget this computer ({forget}), connect it again and tap Trust.",
                )
            options["EscrowBag"] = record.escrow_bag
        answer = self._request("StartService", options, f"start {name}")
        port = plist_values.integer(answer, "Port")
        if port is None or not 0 < port < 65536:
            raise ProtocolBroken(f"The {self.noun} started {name} but does not say where.")
        with_tls = self._wants_tls(answer, "EnableServiceSSL", tls)
        sock = self._dial(port)
        return tls.wrap(sock, self.request_seconds) if with_tls else sock

    def close(self) -> None:
        """End the connection, whatever state it is in."""
        with self._lock:
            self._closed = True
            self._drop()

    def _greet(self) -> None:
        """Check that this is lockdownd, and read what it reports without trust."""
        if (plist_values.text(self._request("QueryType", {}, "answer"), "Type") or _TYPE) != _TYPE:
            raise self._not_normal()
        if self._attached.connection == "WiFi":
            return
        try:
            self.read_basics()
        except ProtocolBroken:
            raise
        except PhoneRefused:
            _log.debug("the phone reports nothing before trust")  # it will once there is trust

    # -- one request ----------------------------------------------------------------------------------------

    def _default_domain(self, *, again: bool = True) -> Values:
        answer = self._request("GetValue", {}, "tell its values", again=again)
        return plist_values.mapping(answer.get("Value")) or NOTHING

    def _get(self, options: Values, *, empty: object = None) -> object:
        """A value; ``empty`` if the phone says that there is none, None if it does not report it."""
        try:
            return self._request("GetValue", options, "tell a value").get("Value")
        except lockdown_refusals.NoSuchValue:
            return empty
        except lockdown_refusals.PhoneLocked:
            raise
        except PhoneRefused as error:
            # Missing and withheld values are not errors: many exist only on some models.
            if isinstance(error, ProtocolBroken):
                raise
            return None

    def _request(self, request: str, options: Values, doing: str, *, again: bool = True) -> Values:
        """Ask, once more in a new connection if this one is lost. Raises if the answer is an error."""
        answer = self._answer(request, options, doing, again=again)
        error = answer.get("Error")
        if error is None and answer.get("Result") == "Failure":  # iOS 4 and older
            error = "Failure"
        if error is not None:
            raise self._refusal(str(error), doing)
        return answer

    def _answer(self, request: str, options: Values, doing: str, *, again: bool = True) -> Values:
        """The same, but the answer may be an error."""
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
            # The answer may contain secrets.
            raise ProtocolBroken(
                f"The {self.noun} gave an answer that makes no sense.",
                why=f"It was asked to {doing}.",
                hint=f"Restart the {self.noun} and try again.",
            )
        return answer

    def _exchange(self, message: Values, doing: str) -> Values:
        """Send one message and wait for the next one.

        After any error the connection is dropped, so that no late answer is taken for another's.
        """
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
        """The connection; opened again, with its session, if it was lost."""
        if self._stream is not None:
            return self._stream
        stream = self._stream = PlistStream(self._dial(PORT), "lockdownd", self.request_seconds)
        if self._session is not None and not self._begin(*self._session, again=False):
            self._drop()
            raise self._refusal("InvalidHostID")
        return stream

    def _begin(self, record: PairRecord, tls: HostTls, *, again: bool = True) -> bool:
        """Start a session on this connection; False if the phone does not know the pairing."""
        self.reached = "StartSession"
        host = {"HostID": record.host_id, "SystemBUID": record.system_buid}
        answer = self._answer("StartSession", host, "start a session", again=again)
        error = answer.get("Error")
        if error in _UNKNOWN_PAIRING:
            return False
        if error is not None:
            raise self._refusal(str(error), "start a session")
        if self._wants_tls(answer, "EnableSessionSSL", tls) and self._stream is not None:
            self.reached = "TLS"
            try:
                self._stream.sock = tls.wrap(self._stream.sock, self.request_seconds)
            except ConnectionLost as lost:
                self._drop()
                if isinstance(lost.__cause__, TimeoutError):
                    raise
                return False  # a phone that has forgotten this computer ends the handshake
            except BaseException:
                self._drop()
                raise
        return True

    def _wants_tls(self, answer: Values, key: str, tls: HostTls) -> bool:
        """Whether TLS comes next. Without it, nothing proves that this is the phone."""
        if plist_values.boolean(answer, key):
            return True
        if self._attached.connection != "USB":
            raise ProtocolBroken(
                f"What answers over the network does not prove that it is the {self.noun} it claims to be.",
                why="It does not ask for encryption, which a real phone always does.",
                hint=f"Connect the {self.noun} with a cable.",
            )
        if tls.must_prove:
            self._drop()
            raise other_key(self.noun, "It does not ask for encryption, so it proves nothing.")
        return False

    def _dial(self, port: int) -> socket.socket:
        sock = self._transport.connect(self._attached.device_id, port)
        _tune(sock, _WIRELESS if self._attached.connection == "WiFi" else _WIRED)
        return sock

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _refusal(self, name: str, doing: str = "") -> IbackupError:
        return lockdown_refusals.lockdown_refusal(
            name, noun=self.noun, ios_version=self.ios_version, doing=doing
        )

    def _not_normal(self) -> PhoneRefused:
        return PhoneRefused(
            f"The {self.noun} is not running normally.",
            why="It is in recovery mode or being restored.",
            hint=f"Restart the {self.noun} and try again.",
        )


_WIRED = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))
# A phone that leaves says nothing. Some seconds of radio silence are normal, half a minute is not.
_WIRELESS = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 30_000))


def _tune(sock: socket.socket, settings: tuple[tuple[str, int], ...]) -> None:
    """Notice a dead network peer, and send small messages at once. A Unix socket needs neither."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, setting in settings:
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):  # a system may know the option and still not allow it
                sock.setsockopt(socket.IPPROTO_TCP, option, setting)
