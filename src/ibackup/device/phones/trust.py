"""From any state of a phone to a trusted session with exactly the phone that we know."""

import dataclasses
from dataclasses import dataclass

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base.errors import IbackupError, ProtocolBroken
from ibackup.base.events import Caution, Observer
from ibackup.base.udids import dashed, may_be_udid, same_udid
from ibackup.device.lockdown import pairing
from ibackup.device.lockdown.lockdown import Lockdown
from ibackup.device.lockdown.pairing import HostTls, OtherKey, PairRecord
from ibackup.device.mux.usbmux import Attached, Usbmux
from ibackup.device.phones.recognition import Recognition
from ibackup.device.phones.waiting import Patience
from ibackup.device.refusals.lockdown_refusals import NotTrusted, TrustDenied, TrustPending, lockdown_refusal


@dataclass(frozen=True)
class KeyTrust:
    """Starts a session with a phone, and pairs with it if it does not know this computer.

    It replaces a pairing, or accepts a different key, only if someone vouches for the phone.
    """

    mux: Usbmux
    attached: Attached
    lockdown: Lockdown
    patience: Patience
    observer: Observer
    recognition: Recognition

    def establish(self) -> None:
        """Do what is needed. Afterwards the phone is known by the key that it proved.

        Raises:
            OtherKey: nobody vouches for it.
            IbackupError: as ``open_phone``.
        """
        lockdown, udid = self.lockdown, told_udid(self.lockdown.basics, self.attached)
        record, known = stored_record(self.mux, self.attached), self.recognition.known(udid)
        vouched = False
        try:
            trusted = record is not None and self._session(record)
            if trusted and known and known != {lockdown.proved_key}:
                raise pairing.other_key(lockdown.noun, "It has a different key.")
        except OtherKey as error:
            self._have_vouched(error)
            vouched, trusted = True, lockdown.in_session
        if not trusted:
            self._pair_anew(udid, record, known, vouched=vouched)
        if lockdown.proved_key and known != {lockdown.proved_key}:
            self.recognition.remember(udid, lockdown.proved_key)

    def _have_vouched(self, error: OtherKey) -> None:
        if not self.recognition.vouches(error):
            raise error

    def _session(self, record: PairRecord) -> bool:
        """Start the session, once someone has unlocked the phone; False if it does not know the pairing."""
        tls = tls_for(self.lockdown, self.attached, record, self.observer)
        return self.patience.until(lambda: self.lockdown.start_session(record, tls), self.lockdown.noun)

    def _pair_anew(
        self, udid: str, record: PairRecord | None, known: frozenset[str], *, vouched: bool
    ) -> None:
        """Pair, and store the pairing once the phone has proved its key."""
        lockdown, attached = self.lockdown, self.attached
        if attached.connection == "Network":
            raise lockdown_refusal(
                "PairingProhibitedOverThisConnection", noun=lockdown.noun, ios_version=lockdown.ios_version
            )
        public_key = lockdown.value("", "DevicePublicKey")
        if not isinstance(public_key, bytes):
            raise ProtocolBroken(f"The {lockdown.noun} does not report its public key.")
        # The same record for every try: the dialog on the screen asks about this one.
        wanted = pairing.make(public_key, self.mux.buid(), plist_values.text(lockdown.basics, "WiFiAddress"))
        if not vouched:
            self._recognise(pairing.key_of(wanted), record, known)
        fresh = self._pair(wanted)
        if fresh is None:
            return
        if not self._session(fresh):
            raise NotTrusted(
                f"The {lockdown.noun} confirmed its trust in this computer, but does not trust it.",
                hint=f"Disconnect the {lockdown.noun}, restart it, connect it again and tap Trust.",
            )
        try:
            self.mux.save_pair_record(attached.serial, attached.device_id, fresh.dump(udid))
        except IbackupError as error:
            self.observer(
                Caution(
                    f"The {lockdown.noun} trusts this computer now, but the pairing could not be stored: {error.what}",
                    "It will ask again next time. Make sure that usbmuxd can write to its folder (on Linux "
                    "/var/lib/lockdown).",
                )
            )

    def _recognise(self, told: str, record: PairRecord | None, known: frozenset[str]) -> None:
        """Ask someone to vouch for a phone that reports a different key, or whose pairing would be replaced."""
        paired = pairing.key_of(record) if record is not None else ""
        noun = self.lockdown.noun
        if (known | {paired}) - {told, ""}:
            self._have_vouched(
                pairing.other_key(noun, "It does not know this computer, and has a different key.")
            )
        elif paired:  # a pairing without a key is too damaged to be worth a question
            self._have_vouched(pairing.forgotten(noun))

    def _pair(self, wanted: PairRecord) -> PairRecord | None:
        """Have the phone trust this computer.

        On Linux, usbmuxd itself pairs with a new phone, and the tap on Trust may be for that pairing. Then the
        session is started with that one, and this returns None.
        """
        mux, attached, lockdown = self.mux, self.attached, self.lockdown
        before = mux.read_pair_record(attached.serial)

        def attempt() -> PairRecord | None:
            try:
                return dataclasses.replace(wanted, escrow_bag=lockdown.request_pair(wanted))
            except (TrustPending, TrustDenied):
                stored = mux.read_pair_record(attached.serial)
                other = PairRecord.parse(stored) if stored is not None and stored != before else None
                if other is None or not pairing.is_of_one_phone(wanted, other):
                    raise
                if not lockdown.start_session(other, tls_for(lockdown, attached, other, self.observer)):
                    raise
                return None

        return self.patience.until(attempt, lockdown.noun)


def stored_record(mux: Usbmux, attached: Attached) -> PairRecord | None:
    """The pairing that usbmuxd has stored; None if there is none, or it cannot be used."""
    stored = mux.read_pair_record(attached.serial)
    return PairRecord.parse(stored) if stored is not None else None


def tls_for(lockdown: Lockdown, attached: Attached, record: PairRecord, observer: Observer) -> HostTls:
    """TLS with a phone that has this pairing."""
    return HostTls(record, attached.connection, lockdown.noun, observer, old=lockdown.is_old)


def told_udid(basics: Values, attached: Attached) -> str:
    """Lockdown's UniqueDeviceID, which must be that of the phone that usbmuxd named. Folders are named after it."""
    udid = plist_values.text(basics, "UniqueDeviceID")
    if udid is None:
        return dashed(attached.serial)
    if not may_be_udid(udid) or not same_udid(udid, attached.serial):
        raise ProtocolBroken(
            "The phone reports a different UDID than the one it is connected under.",
            why=f"({plist_values.printable(udid)} instead of {attached.serial})",
            hint="Disconnect it and connect it again.",
        )
    return udid
