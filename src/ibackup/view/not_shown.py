"""The error of an address at which there is nothing."""

from ibackup.base.errors import UsageError


class NotShown(UsageError):
    """There is no such page, phone, backup or item; HTTP calls it 404."""
