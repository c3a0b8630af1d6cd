"""What decides whether a phone can be restored, read once and typed. What the phone does not report is None."""

from dataclasses import dataclass
from typing import Protocol

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.device.lockdown.lockdown_keys import (
    CHAPERONE_DOMAIN,
    DISK_DOMAIN,
    FIND_MY_DOMAIN,
    SETUP_DOMAIN,
    flag,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreFacts:
    """Facts that ``PhoneFacts`` does not have.

    Attributes:
        find_my: Find My is switched on; then no phone allows a restore.
        setup_done: the setup assistant is finished.
        supervised: an organization manages it; it accepts only backups of supervised phones.
        room_bytes: how much a restore may take, as the phone itself says.
    """

    find_my: bool | None = None
    setup_done: bool | None = None
    supervised: bool | None = None
    room_bytes: int | None = None


class HasValues(Protocol):
    """Something that reads lockdown's values: a Phone."""

    def values(self, domain: str = "") -> Values:
        """A whole domain."""


def read(phone: HasValues) -> RestoreFacts:
    """Ask a phone."""
    return RestoreFacts(
        find_my=flag(phone.values(FIND_MY_DOMAIN), FIND_MY_DOMAIN, "IsAssociated"),
        setup_done=flag(phone.values(SETUP_DOMAIN), SETUP_DOMAIN, "SetupDone"),
        supervised=flag(phone.values(CHAPERONE_DOMAIN), CHAPERONE_DOMAIN, "DeviceIsChaperoned"),
        room_bytes=plist_values.count(phone.values(DISK_DOMAIN), "AmountRestoreAvailable"),
    )
