"""Why a backup does not have what someone asked for, as far as that is known."""

from ibackup.apple.backup import Backup
from ibackup.explore.app_owners import Apps
from ibackup.explore.selection import Choice

_IN_ICLOUD = {
    "photos": "if iCloud Photos is on, pictures are in iCloud instead of the backup",
    "messages": "if Messages in iCloud is on, they are in iCloud instead of the backup",
}
_ONLY_ENCRYPTED = {
    "calls": "call history is",
    "health": "Health data are",
}


def why(backup: Backup, choice: Choice) -> str:
    """The reason, as the end of a sentence; empty if unknown."""
    if backup.rows.guessed:
        return "the list of files is lost, and no file with a well-known name is there"
    if backup.list_lost is not None:
        return "only part of the list of files can be read"
    data = _ONLY_ENCRYPTED.get(choice.name, "") if choice.kind == "preset" else ""
    if data and not backup.is_encrypted and not backup.decrypted:
        return f"{data} only in encrypted backups"
    bundle = {"app": choice.name, "preset": "net.whatsapp.WhatsApp"}.get(choice.kind, "")
    if choice.kind == "app" or choice.name == "whatsapp":
        installed = Apps.of(backup).installed
        if installed and bundle not in installed:
            return "that app was not on the phone"
    return _IN_ICLOUD.get(choice.name, "") if choice.kind == "preset" else ""
