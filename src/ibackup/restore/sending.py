"""A phone takes a backup: the session, and what is said of how it ended. Rehearsals do the same with a virtual one."""

import contextlib
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from ibackup.confined import Confined, shown
from ibackup.device.phone import Phone
from ibackup.device.restored_files import RestoredFiles, Stage
from ibackup.device.restoring import RestoreSession
from ibackup.errors import (
    ConnectionLost,
    DamageFound,
    IbackupError,
    Interrupted,
    PasswordNeeded,
    PasswordWrong,
)
from ibackup.events import Caution, Observer
from ibackup.keychain import Keychain
from ibackup.manifest.backup import Backup
from ibackup.manifest.flaws import SealDamaged
from ibackup.manifest.rows import Row
from ibackup.manifest.seal import Seal
from ibackup.proving import seal_beside
from ibackup.restore import contents
from ibackup.restore.contents import Contents
from ibackup.restore.types import Options, PasswordSource, Source
from ibackup.store import free_bytes
from ibackup.unlocking import find_password

T = TypeVar("T")
_NAMED = 5
_AGAIN = "and run the same command again: it begins anew. The backup itself was not changed."


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of the phone; ``again``: what is sent is held against its seal once more."""

    options: Options
    password: str | None = field(default=None, repr=False)
    again: bool = True


@dataclass(frozen=True, slots=True)
class Sent:
    """What the phone has taken: files of its own, and bytes; ``sealed``: each was what a seal says."""

    files: int
    bytes: int
    sealed: bool


def send(
    phone: Phone, source: Source, backup: Backup, about: Contents, order: Order, observe: Observer
) -> Sent:
    """Have a phone restored.

    Args:
        phone: a trusted one.
        source: the backup.
        backup: the same, open and unlocked.
        about: what is in it.
        order: how.
        observe: is told how it goes.

    Raises:
        DamageFound: a file could not be sent, or was not what it had been when it was sealed.
        IbackupError: it failed; the hint says what state the phone is in, and what to do.
        KeyboardInterrupt: before anything was changed on the phone.
    """
    seal = _seal(source, observe) if order.again else None
    files = RestoredFiles(
        Confined(source.path),
        about.udid,
        phone.udid,
        free_space=lambda: free_bytes(source.path),
        expected=seal.get if seal is not None else lambda _path: None,
        files=about.files or 0,
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
        apps = contents.apps_to_install(backup, options.apps) if options.install_apps else None
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


def unlock(backup: Backup, source: PasswordSource, keychain: Keychain | None = None) -> str | None:
    """Open an encrypted backup, before anything is sent; gives the password, None when it needs none.

    One made before the password was changed is opened with an earlier one of the keychain.

    Raises:
        PasswordNeeded: there is none, or (PasswordWrong) another.
    """
    if backup.unlocked:
        return None
    try:
        found = find_password(backup, backup.udid, source, keychain)
    except PasswordWrong as error:
        error.hint = error.hint or "Give the password that was set when this backup was made."
        raise
    if found is None:
        raise PasswordNeeded(
            "The backup is encrypted, and its password is needed.",
            hint="Give it with --password-file or --password-command; on a terminal you are asked for it.",
        )
    return found


def _seal(source: Source, observe: Observer) -> Seal | None:
    """The checksums that the files had when they were sealed, where there is a seal."""
    path = source.snapshot.seal_path if source.snapshot else seal_beside(source.path)
    try:
        return Seal.read(path)
    except FileNotFoundError:
        if source.snapshot is not None:
            observe(Caution("The snapshot's seal is missing: what is sent cannot be held against it."))
    except (SealDamaged, OSError) as error:
        why = error.why if isinstance(error, SealDamaged) else f"{error.strerror}."
        observe(Caution(f"The seal cannot be read, so what is sent cannot be held against it. {why}"))
    return None


# -- how it ended ---------------------------------------------------------------------------------------------


def _state(stage: Stage, noun: str) -> str:
    """What state a phone is in whose restore did not end well, and what to do."""
    if stage == "untouched":
        return f"Nothing on the {noun} has changed."
    if stage == "sent":
        return (
            f"All files had been sent: look at the {noun}, it may have finished. If it does not show what the backup "
            f"holds once it has restarted, restart it {_AGAIN}"
        )
    return (
        f"The {noun} is half restored. iOS puts restored files in their place when it restarts at the end, so what was "
        f"on it is usually still there, but do not rely on it. Restart the {noun} {_AGAIN}"
    )


def _hint(error: IbackupError, stage: Stage, noun: str) -> str:
    state = _state(stage, noun)
    if isinstance(error, ConnectionLost) and stage == "untouched":
        return f"{state} Check the cable, then run the same command again."
    if isinstance(error, ConnectionLost | Interrupted):
        return state
    return f"{error.hint} {state}".strip()


def _blame_damage(files: RestoredFiles, backup: Backup, noun: str, error: IbackupError | None) -> None:
    """Raise DamageFound for files that could not be sent as they were sealed; ``error`` is how the phone ended it."""
    if not files.unreadable and not files.changed:
        return
    parts = []
    if files.unreadable:
        reasons = [f"{_name(backup, file)} ({why})" for file, why in _first(files.unreadable)]
        parts.append(f"Could not be read from this computer: {_listed(reasons, len(files.unreadable))}.")
    if files.changed:
        names = [_name(backup, file) for file, _ in _first(files.changed)]
        parts.append(f"Not what was sealed: {_listed(names, len(files.changed))}.")
    if error is None:
        what = f"The {noun} took the backup, but not all of it is as it was."
        hint = "`ibackup verify` names every such file, and where it is still whole."
    else:
        what = f"The restore failed on damaged files. {error.what}"
        hint = f"Restore another snapshot (`ibackup list`). {_state(files.stage, noun)}"
    raise DamageFound(
        what, why=" ".join(parts), hint=hint, error_code=error.error_code if error else None
    ) from error


def _first(files: dict[str, T]) -> list[tuple[str, T]]:
    return list(islice(files.items(), _NAMED))


def _listed(names: list[str], count: int) -> str:
    return "; ".join(names) + (f" and {count - len(names):,} more" if count > len(names) else "")


def _name(backup: Backup, file: str) -> str:
    """What a stored file is on the phone, as far as the manifest tells."""
    with contextlib.suppress(IbackupError):
        row = backup.rows.row(file.rpartition("/")[2])
        if isinstance(row, Row):
            return f"{row.domain} {shown(row.relative_path)}"
    return file
