"""Lockdown, the service of a phone that answers questions, keeps trust and starts the other services.

A blocking face over pymobiledevice3's asynchronous client. It runs on an event loop of its own, which turns only
while a request is under way, in the caller's thread: no thread to leave behind. Errors of pymobiledevice3 end here.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, TypeVar

from ibackup.device import lockdown_refusals, values
from ibackup.device.facts import noun_of
from ibackup.device.pairing import HostTls, PairRecord
from ibackup.device.usbmux import Attached, Usbmux
from ibackup.device.values import NOTHING, Values
from ibackup.errors import ConnectionLost, IbackupError, PersonNeeded, PhoneRefused, ProtocolBroken

if TYPE_CHECKING:
    from ibackup.device.lockdown_client import Client

T = TypeVar("T")

_REQUEST_SECONDS = 30.0
_LABEL = "ibackup"


class Lockdown:
    """A connection to one phone's lockdownd; a trusted session after ``start_session``.

    Raises (every method):
        ConnectionLost: the phone is gone or does not answer.
        PersonNeeded: it is locked, or wants to be told to trust.
        PhoneRefused: it does not want to.
        ProtocolBroken: its answers make no sense.
    """

    def __init__(self, mux: Usbmux, attached: Attached) -> None:
        self._mux = mux
        self._attached = attached
        self.request_seconds = _REQUEST_SECONDS
        """How long one request, or one handshake with a service, may take."""
        self._lock = threading.RLock()
        self._loop = asyncio.new_event_loop()
        self._client: Client | None = None
        self._record: PairRecord | None = None
        self._tls: HostTls | None = None
        self.basics: Values = NOTHING
        try:
            self._run(self._open(), "answer")
        except BaseException:
            self.close()
            raise

    @property
    def noun(self) -> str:
        """What messages call the phone."""
        return noun_of(values.text(self.basics, "DeviceClass"))

    @property
    def product_name(self) -> str | None:
        """The name under which this model is sold, as far as it is known."""
        name = self._client.display_name if self._client is not None else None
        return name if isinstance(name, str) else None

    def start_session(self, record: PairRecord, tls: HostTls) -> bool:
        """Prove the pairing; False when the phone does not know it (any more)."""
        trusted = self._run(self._open_client().start_session(record, tls), "start a session")
        if trusted:
            self._record, self._tls = record, tls
            self.basics = self._open_client().all_values
        return trusted

    def read_basics(self) -> Values:
        """Read the default domain again."""
        self.basics = self._run(self._open_client().everything(), "tell its values")
        return self.basics

    def request_pair(self, record: PairRecord) -> bytes | None:
        """Ask once to be trusted; gives the escrow bag.

        Raises:
            PhoneLocked: unlock it and ask again.
            TrustPending: the dialog is on its screen; ask again with the same record.
            TrustDenied: somebody said no.
        """
        return self._run(
            self._open_client().request_pair(record, socket.gethostname()), "trust this computer"
        )

    def value(self, domain: str, key: str) -> object:
        """One value; None when the phone has none or does not tell. The default domain is ""."""
        return self._get(domain, key)

    def values(self, domain: str) -> Values:
        """A whole domain; empty when there is none or the phone does not tell."""
        return values.mapping(self._get(domain, None)) or NOTHING

    def start_service(self, name: str, *, escrow: bool) -> socket.socket:
        """A blocking stream to a service, TLS done where the phone wants it.

        Args:
            name: "com.apple.afc".
            escrow: send the escrow bag, which lets it start while the phone is locked.
        """
        if escrow and (self._record is None or self._record.escrow_bag is None):
            raise PersonNeeded(
                f"The pairing with this {self.noun} is not complete.",
                why="It lacks what lets a backup go on while the screen is locked.",
                hint=f"Make the {self.noun} forget this computer (Settings > General > Transfer or Reset > Reset > "
                "Reset Location & Privacy), connect it again and tap Trust.",
            )
        answer = values.mapping(
            self._run(
                self._open_client().get_service_connection_attributes(name, include_escrow_bag=escrow),
                f"start {name}",
            )
        )
        port = values.integer(answer or NOTHING, "Port")
        if answer is None or port is None or not 0 < port < 65536:
            raise ProtocolBroken(f"The {self.noun} started {name} but does not say where.")
        sock = self._mux.connect(self._attached.device_id, port)
        _tune(sock)
        if not values.boolean(answer, "EnableServiceSSL"):
            return sock
        if self._tls is None:
            sock.close()
            raise ProtocolBroken(f"The {self.noun} started {name} without a session.")
        return self._tls.wrap(sock, self.request_seconds)

    def close(self) -> None:
        """End the connection; nothing is left behind, whatever state it is in."""
        with self._lock:
            if self._loop.is_closed():
                return
            client, self._client = self._client, None
            if client is not None:
                from ibackup.device import lockdown_client

                with contextlib.suppress(IbackupError):  # the phone may be gone already
                    self._run(lockdown_client.close(client), "end the session")
            self._loop.close()

    def _open_client(self) -> "Client":
        if self._client is None:
            raise ConnectionLost(f"The connection to the {self.noun} is closed.")
        return self._client

    async def _open(self) -> None:
        from ibackup.device import lockdown_client

        def dial(port: int) -> socket.socket:
            sock = self._mux.connect(self._attached.device_id, port)
            _tune(sock)
            return sock

        connection = await lockdown_client.open_connection(dial, lockdown_client.LOCKDOWN_PORT)
        self._client = lockdown_client.Client(connection, dial, _LABEL)
        self.basics = await self._client.greet()

    def _get(self, domain: str, key: str | None) -> object:
        try:
            return self._run(self._open_client().get_value(domain or None, key), "tell a value")
        except lockdown_refusals.PhoneLocked:
            raise
        except PhoneRefused as error:
            # Absent and withheld values are no errors: many exist on some models only.
            if isinstance(error, ProtocolBroken):
                raise
            return None

    def _run(self, work: Coroutine[object, object, T], doing: str) -> T:
        """Turn the loop until the work is done, and translate what went wrong."""
        with self._lock:
            if self._loop.is_closed():
                work.close()
                raise ConnectionLost(f"The connection to the {self.noun} is closed.")
            task = self._loop.create_task(_limited(work, self.request_seconds))
            try:
                return self._loop.run_until_complete(task)
            except IbackupError:
                raise
            except _translatable() as error:
                # The original may quote whole answers, keys included: only system errors are kept as the cause.
                cause = error if isinstance(error, OSError) else None
                raise translate(error, self.noun, doing, self.request_seconds) from cause
            finally:
                self._settle(task)

    def _settle(self, task: "asyncio.Task[T]") -> None:
        """After Ctrl-C the work is still pending: cancel it, so that nothing is left on the loop."""
        if task.done():
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, IbackupError, *_translatable()):
            self._loop.run_until_complete(task)


async def _limited(work: Coroutine[object, object, T], seconds: float) -> T:
    return await asyncio.wait_for(work, seconds)


def _translatable() -> tuple[type[Exception], ...]:
    """What pymobiledevice3 raises: its own errors, and the usual ones when an answer has the wrong shape."""
    from pymobiledevice3.exceptions import PyMobileDevice3Exception

    from ibackup.device.lockdown_client import RefusedPair

    return (
        PyMobileDevice3Exception,
        RefusedPair,
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        RecursionError,
    )


def translate(error: Exception, noun: str, doing: str, seconds: float = _REQUEST_SECONDS) -> IbackupError:
    """Our error for one of pymobiledevice3.

    Args:
        error: theirs.
        noun: "iPhone" or "iPad".
        doing: what the phone was asked to do, as in "start com.apple.afc".
        seconds: how long an answer was waited for.
    """
    from pymobiledevice3 import exceptions as theirs

    from ibackup.device.lockdown_client import RefusedPair

    names: dict[type[Exception], str] = {
        theirs.PasswordRequiredError: "PasswordProtected",
        theirs.PairingDialogResponsePendingError: "PairingDialogResponsePending",
        theirs.UserDeniedPairingError: "UserDeniedPairing",
        theirs.InvalidHostIDError: "InvalidHostID",
        theirs.NotPairedError: "InvalidHostID",
    }
    name = names.get(type(error))
    if isinstance(error, theirs.LockdownError):
        name = error.error
    elif isinstance(error, RefusedPair):
        name = str(error)
    if name is not None:
        return lockdown_refusals.lockdown_refusal(name, noun=noun, doing=doing)
    if isinstance(error, theirs.IncorrectModeError):
        return PhoneRefused(
            f"The {noun} is not running normally.",
            why="It is in recovery mode or being restored.",
            hint=f"Restart the {noun} and try again.",
        )
    if isinstance(error, TimeoutError):
        return ConnectionLost(
            f"The {noun} does not answer.",
            why=f"It was asked to {doing} and was silent for {seconds:.0f} seconds.",
            hint="Disconnect it, connect it again, unlock it once and try again.",
        )
    if isinstance(error, OSError | EOFError | theirs.ConnectionTerminatedError):
        return ConnectionLost(
            f"The connection to the {noun} was lost.",
            why=f"It was asked to {doing}.",
            hint="Check the cable, unlock it once and try again.",
        )
    return ProtocolBroken(
        f"The {noun} gave an answer that makes no sense.",
        why=f"It was asked to {doing} ({type(error).__name__}).",
        hint=f"Restart the {noun} and try again.",
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
