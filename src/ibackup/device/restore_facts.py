"""What decides whether a phone can be restored, read once and typed; what the phone does not say is None."""

from dataclasses import dataclass
from typing import Protocol

from ibackup.device import facts, values
from ibackup.device.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreFacts:
    """Facts beside those of ``PhoneFacts``.

    Attributes:
        find_my: Find My is switched on, with which no phone lets itself be restored.
        setup_done: the setup assistant is through.
        supervised: an organisation manages it, and takes backups of supervised phones alone.
        room_bytes: what the phone itself says a restore may take.
    """

    find_my: bool | None = None
    setup_done: bool | None = None
    supervised: bool | None = None
    room_bytes: int | None = None


class HasValues(Protocol):
    """Something that tells lockdown's values: a Phone."""

    def values(self, domain: str = "") -> Values:
        """A whole domain."""


def read(phone: HasValues) -> RestoreFacts:
    """Ask a phone."""
    return RestoreFacts(
        find_my=values.boolean(phone.values("com.apple.fmip"), "IsAssociated"),
        setup_done=values.boolean(phone.values("com.apple.purplebuddy"), "SetupDone"),
        supervised=values.boolean(phone.values("com.apple.mobile.chaperone"), "DeviceIsChaperoned"),
        room_bytes=values.count(phone.values(facts.DISK_DOMAIN), "AmountRestoreAvailable"),
    )
