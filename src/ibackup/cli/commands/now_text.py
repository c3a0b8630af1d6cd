"""What ``now`` says of a finished backup and of what followed it, for people and for programs."""

from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.base.settings_paths import SettingsPlace
from ibackup.base.sizes import size_text
from ibackup.cli.commands import flawed_files_text
from ibackup.cli.commands.prune_command import removed_rows, removed_text
from ibackup.cli.shell.application import App
from ibackup.cli.shell.output import duration_text, whole, wrap

if TYPE_CHECKING:
    from ibackup.jobs.backup.backup_request import BackupResult
    from ibackup.jobs.runs.whole_backup import WholeBackup

_NEVER = "photos and files that are only in iCloud, the apps themselves (they are downloaded again), Apple Pay cards"
ORIGINALS = (
    f'To back up the originals, choose "Download and Keep Originals" in {SettingsPlace.PHOTOS.path(None)}, and run '
    "`ibackup now` again when the phone has them."
)
_UNENCRYPTED = "saved passwords, Health data and call history (the backup is not encrypted), "


def result(app: App, ended: "WholeBackup", more: dict[str, object] | None = None, words: str = "") -> int:
    """Report a backup as the result of a command.

    Args:
        app: of this run.
        ended: the backup.
        more: the result's members in place of the backup's own.
        words: a text after the backup's own.
    """
    made = ended.made
    said = "\n".join([text(app, ended), *(["", words] if words else [])])
    members = payload(ended) if more is None else more
    return app.result(members, said, made.code, message=made.flaws, hint=made.advice, skippable=True)


def payload(ended: "WholeBackup") -> dict[str, object]:
    """The members of the result."""
    pruned = removed_rows(ended.after.pruned) if ended.after.pruned else []
    return ended.made.to_members() | {"pruned": pruned, "icloud_hint": ended.after.icloud_hint}


def text(app: App, ended: "WholeBackup") -> str:
    """The text for people."""
    made, after = ended.made, ended.after
    parts = [
        _said(made, is_set_up=app.config.phone(made.udid) is not None),
        wrap(removed_text(after.pruned)) if after.pruned else "",
        wrap(after.icloud_hint or ""),
    ]
    return "\n".join(part for part in parts if part)


def _said(result: "BackupResult", *, is_set_up: bool) -> str:
    done = "Backed up and checked" if result.checked == "manifest" else "Backed up"
    but = f", except {count_text(len(result.flawed), 'file')}" if result.flawed else ""
    size = f"{size_text(result.bytes)}, {count_text(result.files, 'file')}"
    lines = [wrap(f"{done}{but}: {size}, in {whole(result.path)}.")]
    came = f"{size_text(result.received_bytes)} was transferred"
    rest = "" if result.full and not result.resumed_bytes else "; the rest was already here"
    lines.append(wrap(f"It took {duration_text(result.duration_s)}; {came}{rest}."))
    if result.checked == "phone":
        lines.append(
            wrap(
                "The phone has checked it, and it is sealed. ibackup could not compare it with the phone's list of "
                "files: that needs the right backup password (--password-file)."
            )
        )
    lines += flawed_files_text.lines(result.snapshot, result.flawed)
    if result.flawed:
        lines.append(wrap(f"What to do: the rest is good. {result.advice}"))
    if result.encrypted:
        known = (
            "Check now that you know that password: `ibackup encryption status`."
            if result.checked == "phone"
            else "Keep it where you can find it without this computer."
        )
        lines.append(wrap(f"It is encrypted: to restore or read it you need the backup password. {known}"))
    lines.append(wrap(f"Not in it: {'' if result.encrypted else _UNENCRYPTED}{_NEVER}."))
    if result.photos and (said := result.photos.said):
        lines.append(wrap(f"{said}. {ORIGINALS}"))
    if not result.encrypted:
        lines.append(
            wrap(
                "Anyone who has this disk can read the backup. Encryption can wait until tomorrow: "
                "`ibackup encryption on`, once for all backups to come."
            )
        )
    following = (
        "to check it again at any time: `ibackup verify`"
        if is_set_up
        else "to do this every evening: `ibackup setup`; to check it again at any time: `ibackup verify`"
    )
    lines.append(wrap(f"Next: {following}. One disk is one copy: keep a second."))
    return "\n".join(lines)
