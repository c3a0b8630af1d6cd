"""Sends a backup to a phone: the session, and the report on how it ended. Rehearsals use it with a virtual phone."""

import contextlib
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from ibackup.apple.backup import Backup
from ibackup.apple.fitting import MOST_UNRECORDED, most_bytes
from ibackup.apple.format_errors import FormatError, SealDamaged
from ibackup.apple.rows import Row
from ibackup.apple.verify.seal import Seal
from ibackup.base.confined import Confined, shown
from ibackup.base.errors import (
    ConnectionLost,
    DamageFound,
    IbackupError,
    Interrupted,
    PasswordNeeded,
)
from ibackup.base.events import Caution, Observer
from ibackup.device.backup2.restore_session import RestoreSession
from ibackup.device.folder.restored_files import RestoredFiles, Stage, is_content
from ibackup.device.phones.phone import Phone
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.proving.folder_seal import seal_beside
from ibackup.jobs.restore import backup_contents
from ibackup.jobs.restore.backup_contents import Contents
from ibackup.jobs.restore.restore_request import RestoreOptions
from ibackup.store.disk.free_space import free_bytes
from ibackup.vault.unlocker import Unlocker

T = TypeVar("T")
_NAMED = 5
_AGAIN = "and run the same command again: it starts from the beginning. The backup itself is unchanged."


@dataclass(frozen=True, slots=True)
class Order:
    """The request to the phone; ``again``: compare everything sent with its seal once more."""

    options: RestoreOptions
    password: str | None = field(default=None, repr=False)
    again: bool = True


@dataclass(frozen=True, slots=True)
class Sent:
    """What the phone accepted: its files, and bytes; ``sealed``: all of them matched a seal."""

    files: int
    bytes: int
    sealed: bool


def send(
    phone: Phone, source: BackupSource, backup: Backup, about: Contents, order: Order, observe: Observer
) -> Sent:
    """Restore a phone.

    Args:
        phone: a trusted one.
        source: the backup.
        backup: the same, open and unlocked.
        about: what is in it.
        order: what to restore, and how.
        observe: gets progress events.

    Raises:
        DamageFound: a file could not be sent, or has changed since it was sealed.
        IbackupError: it failed; the hint says what state the phone is in and what to do.
        KeyboardInterrupt: before anything was changed on the phone.
    """
    seal = seal_of(source, observe) if order.again else None
    files = RestoredFiles(
        Confined(source.path),
        about.udid,
        phone.udid,
        free_space=lambda: free_bytes(source.path),
        expected=seal.get if seal is not None else lambda _path: None,
        files=about.files or 0,
        most=lambda path: _most(backup, path),
        never_came=_never_came(source, seal),
    )
    with contextlib.closing(files), phone.watch() as is_unplugged:
        session = RestoreSession(
            phone,
            files,
            observe,
            total_bytes=about.bytes or 0,
            total_files=about.files or 0,
            unplugged=is_unplugged,
        )
        options = order.options
        apps = backup_contents.apps_to_install(backup, options.apps) if options.install_apps else None
        try:
            session.run(about.udid, options.message(order.password), only=options.apps, applications=apps)
        except KeyboardInterrupt:
            if files.stage == "untouched":
                raise
            raise Interrupted("Interrupted.", hint=_state(files.stage, phone.facts.noun)) from None
        except IbackupError as error:
            if not isinstance(error, ConnectionLost | Interrupted):
                _blame_damage(files, backup, phone.facts.noun, error)
            error.hint = _hint(error, files.stage, phone.facts.noun)
            raise
        _blame_damage(files, backup, phone.facts.noun, None)
    return Sent(files.sent_files, files.content_bytes, seal is not None)


def unlock(backup: Backup, unlocker: Unlocker) -> str | None:
    """Open an encrypted backup, before anything is sent; returns the password, or None if it needs none.

    Raises:
        PasswordNeeded: there is none, or (PasswordWrong) another.
    """
    if backup.unlocked:
        return None
    found = unlocker.find_password(backup)
    if found is None:
        raise PasswordNeeded(
            "The backup is encrypted, so its password is needed.",
            hint="Give it with --password-file or --password-command; on a terminal you are asked for it.",
        )
    return found


def seal_of(source: BackupSource, observe: Observer) -> Seal | None:
    """The files' checksums from the seal, if there is one."""
    path = source.snapshot.seal_path if source.snapshot else seal_beside(source.path)
    try:
        return Seal.read(path)
    except FileNotFoundError:
        if source.snapshot is not None:
            observe(
                Caution("The snapshot's seal is missing, so ibackup cannot compare what it sends with it.")
            )
    except (SealDamaged, OSError) as error:
        why = error.why if isinstance(error, SealDamaged) else f"{error.strerror}."
        observe(Caution(f"The seal cannot be read, so ibackup cannot compare what it sends with it. {why}"))
    return None


def _never_came(source: BackupSource, seal: Seal | None) -> frozenset[str]:
    """Files that the phone itself did not send for this backup; they were not lost here."""
    if source.snapshot is None or seal is None:
        return frozenset()
    return frozenset(file.path for file in source.snapshot.meta.flawed if seal.get(file.path) is None)


def _most(backup: Backup, path: str) -> int:
    """The largest size that a stored file may have, according to its record if there is one."""
    if is_content(path):
        with contextlib.suppress(FormatError):
            row = backup.rows.row(path.rpartition("/")[2])
            if isinstance(row, Row):
                return most_bytes(row.glance()[0])
    return MOST_UNRECORDED


# -- how it ended ---------------------------------------------------------------------------------------------


def _state(stage: Stage, noun: str) -> str:
    """The state of a phone after a failed restore, and what to do."""
    if stage == "untouched":
        return f"Nothing on the {noun} has changed."
    if stage == "sent":
        return (
            f"All files had been sent, so the {noun} may have finished: look at it. If it does not show the "
            f"backup's contents after it has restarted, restart it {_AGAIN}"
        )
    return (
        f"The {noun} is half restored. iOS puts restored files in place at the restart at the end, so the "
        f"old data is usually still there, but do not rely on it. Restart the {noun} {_AGAIN}"
    )


def _hint(error: IbackupError, stage: Stage, noun: str) -> str:
    state = _state(stage, noun)
    if isinstance(error, ConnectionLost) and stage == "untouched":
        return f"{state} Check the cable, then run the same command again."
    if isinstance(error, ConnectionLost | Interrupted):
        return state
    return f"{error.hint} {state}".strip()


def _blame_damage(files: RestoredFiles, backup: Backup, noun: str, error: IbackupError | None) -> None:
    """Raise DamageFound for files that differ from the seal or could not be sent; ``error``: the phone's reason."""
    if not files.unreadable and not files.changed:
        return
    parts = []
    if files.unreadable:
        reasons = [f"{_name(backup, file)} ({why})" for file, why in _first(files.unreadable)]
        parts.append(f"Could not be read from this computer: {_listed(reasons, len(files.unreadable))}.")
    if files.changed:
        names = [_name(backup, file) for file, _ in _first(files.changed)]
        parts.append(f"Changed since they were sealed: {_listed(names, len(files.changed))}.")
    if error is None:
        what = f"The {noun} accepted the backup, but part of it is damaged."
        hint = "`ibackup verify` names every such file, and where it is still good."
    else:
        what = f"The restore failed on damaged files. {error.what}"
        hint = f"Restore another snapshot (`ibackup list`). {_state(files.stage, noun)}"
    damage = DamageFound(what, why=" ".join(parts), hint=hint, error_code=error.error_code if error else None)
    damage.files = (*files.unreadable, *files.changed)
    raise damage from error


def _first(files: dict[str, T]) -> list[tuple[str, T]]:
    return list(islice(files.items(), _NAMED))


def _listed(names: list[str], count: int) -> str:
    return "; ".join(names) + (f" and {count - len(names):,} more" if count > len(names) else "")


def _name(backup: Backup, file: str) -> str:
    """A stored file's path on the phone, if the manifest has it."""
    with contextlib.suppress(IbackupError):
        row = backup.rows.row(file.rpartition("/")[2])
        if isinstance(row, Row):
            return f"{row.domain} {shown(row.relative_path)}"
    return file
