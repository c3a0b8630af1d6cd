"""Pairings that are kept for Wi-Fi, in the user's state: ``phones/<UDID>/wifi.json``, readable by its owner alone.

usbmuxd has the pairings, but on Linux it runs only while a phone is plugged in. With such a file, anyone can log in to
the phone over Wi-Fi, so it is in no store, no log and no copy.
"""

import base64
import binascii
import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from ibackup.base import held, identities
from ibackup.base.errors import PhoneBusy
from ibackup.base.udids import may_be_udid, plain_udid, same_udid
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.disk.system_lock import changing
from ibackup.store.phone_keys import own_folder
from ibackup.store.records.used_stores import state_dir

EXPIRES: Final = timedelta(days=30)
"""A phone forgets a pairing that has not been used for so long."""

_NAME: Final = "wifi.json"
_LOCK: Final = "wifi.lock"
_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class KeptPairing:
    """One pairing, and what is needed to find its phone.

    Attributes:
        udid: as lockdown spells it.
        record: the pair record, a property list with private keys.
        wifi_address: the phone's own MAC address, by which older phones are recognized; empty if unknown.
        name: its owner's name for it; empty if unknown.
        ios_version: such as 18.6.2; empty if unknown.
        last_used: when the pairing was last used, by cable or over Wi-Fi; UTC.
        last_over_wifi: when it was last used over Wi-Fi; None if never.
        was_on: whether the phone's switch was on before ibackup switched it on.
    """

    udid: str
    record: bytes = field(repr=False)
    wifi_address: str
    name: str
    ios_version: str
    last_used: datetime
    last_over_wifi: datetime | None = None
    was_on: bool = False

    @property
    def expires(self) -> datetime:
        """When the phone forgets it, unless it is used before."""
        return self.last_used + EXPIRES

    def to_members(self) -> dict[str, object]:
        """The record for the file."""
        members: dict[str, object] = {
            "schema": _SCHEMA,
            "udid": self.udid,
            "record": base64.b64encode(self.record).decode("ascii"),
            "wifi_address": self.wifi_address,
            "name": self.name,
            "ios_version": self.ios_version,
            "last_used": record_times.written(self.last_used),
            "was_on": self.was_on,
        }
        if self.last_over_wifi is not None:
            members["last_over_wifi"] = record_times.written(self.last_over_wifi)
        return members

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from the file. Raises RecordFlaw."""
        udid = record.text("udid")
        if not may_be_udid(udid):
            raise RecordFlaw("names no phone")
        try:
            pairing = base64.b64decode(record.text("record"), validate=True)
        except (binascii.Error, ValueError):
            raise RecordFlaw("has no pairing") from None
        return cls(
            udid,
            pairing,
            record.text("wifi_address"),
            record.text("name"),
            record.text("ios_version"),
            record.time("last_used"),
            record.time("last_over_wifi") if "last_over_wifi" in record else None,
            record.flag("was_on"),
        )


class KeptPairings:
    """All kept pairings of this user (``device.phones.over_wifi.PairingBook``)."""

    def all(self) -> tuple[KeptPairing, ...]:
        """Every usable one, by UDID; a damaged file counts as none."""
        try:
            names = sorted(os.listdir(os.path.join(state_dir(), "phones")))
        except OSError:
            return ()
        return tuple(kept for name in names if may_be_udid(name) and (kept := self.of(name)) is not None)

    def of(self, udid: str) -> KeptPairing | None:
        """The pairing with this phone; None if none is kept."""
        try:
            kept = KeptPairing.from_record(JsonRecord.read(os.path.join(own_folder(udid), _NAME)))
        except (OSError, RecordFlaw):
            return None
        identities.note(kept.name, kept.wifi_address)
        return kept if same_udid(kept.udid, udid) else None

    def keep(self, kept: KeptPairing) -> None:
        """Keep this pairing with its phone instead of an earlier one.

        Raises:
            IbackupError: it cannot be written.
        """
        folder = own_folder(kept.udid)
        with telling("The pairing could not be kept for Wi-Fi."):
            durable.make_dir(folder, parents=True)
            with changing(os.path.join(folder, _NAME)):
                _write(kept)

    def forget(self, udid: str) -> None:
        """Forget the pairing with a phone; usbmuxd's own stays.

        Raises:
            IbackupError: it cannot be removed.
        """
        path = os.path.join(own_folder(udid), _NAME)
        with (
            telling("The kept pairing could not be removed."),
            contextlib.suppress(FileNotFoundError),
            changing(path),
        ):
            held.unlink(path)

    def met_by_cable(
        self, udid: str, record: bytes, *, wifi_address: str, name: str, ios_version: str
    ) -> None:
        """Refresh what is kept of a phone, if anything is, from a session over its cable."""
        self._note(
            udid,
            lambda kept: replace(
                kept,
                record=record,
                wifi_address=wifi_address or kept.wifi_address,
                name=name or kept.name,
                ios_version=ios_version or kept.ios_version,
                last_used=datetime.now(UTC),
            ),
        )

    def met_over_wifi(self, udid: str, *, name: str, ios_version: str) -> None:
        """Note that a phone has just taken its pairing over Wi-Fi."""
        now = datetime.now(UTC)
        self._note(
            udid,
            lambda kept: replace(
                kept,
                name=name or kept.name,
                ios_version=ios_version or kept.ios_version,
                last_used=now,
                last_over_wifi=now,
            ),
        )

    def _note(self, udid: str, change: Callable[[KeptPairing], KeptPairing]) -> None:
        """Change what is kept, unless it is forgotten meanwhile. What cannot be noted must not stop a backup."""
        if self.of(udid) is None:
            return
        with contextlib.suppress(OSError), changing(os.path.join(own_folder(udid), _NAME)):
            kept = self.of(udid)
            if kept is not None:
                _write(change(kept))

    @contextlib.contextmanager
    def alone(self, udid: str) -> Iterator[None]:
        """Be the only one of this user's programs that uses a phone over Wi-Fi: a second one would end the first.

        Raises:
            PhoneBusy: another one uses it.
        """
        folder = own_folder(udid)
        with telling("ibackup could not lock the phone for Wi-Fi."):
            durable.make_dir(folder, parents=True)
        lock = PhoneLock(os.path.join(folder, _LOCK))
        try:
            lock.acquire()
        except PhoneBusy as error:
            name = kept.name if (kept := self.of(udid)) is not None and kept.name else plain_udid(udid)
            raise PhoneBusy(
                f"Another run of ibackup uses {name} over Wi-Fi.",
                why="A phone talks to one program at a time over Wi-Fi.",
                hint="Wait until it is done, or connect the phone with a cable.",
            ) from error
        try:
            yield
        finally:
            lock.release()


def _write(kept: KeptPairing) -> None:
    durable.write_file(os.path.join(own_folder(kept.udid), _NAME), JsonRecord(kept.to_members()).render())
