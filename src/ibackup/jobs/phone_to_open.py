"""The phone that a job is for: which one, and how long to wait for it."""

from dataclasses import dataclass

from ibackup.base.events import Observer
from ibackup.config.stall_limits import Limits
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.store.kept_pairings import KeptPairings
from ibackup.store.phone_keys import Keys, Vouch, nobody
from ibackup.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneToOpen:
    """The phone that a job is for.

    Attributes:
        udid: which one; None means the only one connected.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for someone at the phone (unlock, Trust).
        limits: how long the phone may be silent; None: the defaults.
        store: of the phone's backups; None if there is none.
        vouches: called if it may not be the phone that was backed up before, for example after it was erased.
        address: usbmuxd's; None means the environment's or the system's.
        wifi_address: the phone's own on the network, ``HOST`` or ``HOST:PORT``; empty: it is looked for.
        cable_only: take no phone that is reached over a network, not even through usbmuxd. A connection that is lost
            in the middle of a restore or of a change of the password leaves a phone half done.
    """

    udid: str | None = None
    wait: float = 0.0
    patience: float = 60.0
    limits: Limits | None = None
    store: Store | None = None
    vouches: Vouch = nobody
    address: str | None = None
    wifi_address: str = ""
    cable_only: bool = False

    def open_phone(self, observe: Observer) -> Phone:
        """A session with it; raises as ``open_phone`` of the device layer."""
        return open_phone(
            self.udid,
            address=self.address,
            wait=self.wait,
            patience=self.patience,
            limits=self.limits,
            observer=observe,
            recognition=Keys(self.store, self.vouches),
            wifi=OverWifi(KeptPairings(), self.wifi_address),
            cable_only=self.cable_only,
        )
