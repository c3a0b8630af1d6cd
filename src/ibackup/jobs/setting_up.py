"""What ``setup`` and the settings page decide and write, without their questions: names, the config file, passwords."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.udids import is_udid, same_udid
from ibackup.config import config_file
from ibackup.config.config_additions import Additions, added
from ibackup.config.config_schema import Config, PhoneConfig, PruneConfig
from ibackup.config.value_kinds import MORNING, HoursWindow
from ibackup.jobs.config_writing import rewrite
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling

PROPOSED_RULE = PruneConfig(keep_last=7, keep_daily=14, keep_weekly=8, keep_monthly=12)


@dataclass(frozen=True, slots=True)
class SetupChoices:
    """What to write into the config file.

    Attributes:
        udid, name: the phone and its short name.
        store: the path of the store.
        at: when backups start every evening; None leaves the hours unchanged.
        prune: whether to remove old snapshots, by the proposed rule.
        password_file, password_command: where the nights get the backup password from; None leaves it unchanged.
    """

    udid: str
    name: str
    store: str
    at: time | None = None
    prune: bool = False
    password_file: str | None = None
    password_command: str | None = None


def short_name(name: str) -> str:
    """A name that is quick to type, at most 40 letters: for "Ann's iPhone", ``ann``."""
    owner = re.split(r"['\u2019]s\b|\s+i(?:phone|pad|pod)\b", name, maxsplit=1, flags=re.IGNORECASE)[0]
    return re.sub(r"[\W_]+", "-", (owner or name).casefold()).strip("-")[:40] or "phone"


def check_name(config: Config, name: str, udid: str) -> None:
    """Raise UsageError if a phone cannot have this name, or another one has it."""
    other = config.phone(name)
    if other is not None and not same_udid(other.udid, udid):
        raise UsageError(
            f"Another phone has the name {name!r} in the config file.", hint="Give another --name."
        )
    if not name.strip() or is_udid(name):
        raise UsageError(f"{name!r} cannot be a phone's name.", hint="Give another --name.")


def write_config(path: Path, config: Config, choices: SetupChoices) -> bool:
    """Add what is new to the config file, and leave the rest unchanged; returns whether anything was new.

    Raises:
        UsageError: the file is written in a way that cannot be extended.
        IbackupError: it could not be written.
    """
    current = str(config_file.store_path(None, config)) if config.store else None
    file = choices.password_file
    additions = Additions(
        choices.udid,
        choices.name,
        store=choices.store if choices.store != current else None,
        window=HoursWindow(choices.at, MORNING) if choices.at and config.nightly.window is None else None,
        prune=PROPOSED_RULE if choices.prune else None,
        password_file=os.path.abspath(os.path.expanduser(file)) if file else None,
        password_command=choices.password_command,
    )
    return rewrite(path, lambda text: added(text, additions))


def place_of_password(config: Path, name: str) -> str | None:
    """The file beside the config file for a phone's password; None if something is there already."""
    path = _password_path(config, name)
    return None if os.path.lexists(path) else path


def keep_for_nights(path: Path, config: Config, udid: str, name: str, password: str) -> str:
    """Keep a backup password in a file that only its owner can read, and name it in the config file.

    If this has kept an earlier password of the phone, the new one takes its place.

    Args:
        path: of the config file.
        config: what it says now.
        udid: the phone.
        name: what the config file is to call it, if it does not know it yet.
        password: the right one.

    Returns:
        The path of the file.

    Raises:
        IbackupError: the nights take the password from elsewhere, something is in the way, or one of the files could
            not be written; then nothing was kept.
    """
    known = config.phone(udid)
    file = _password_path(path, known.name if known else name)
    is_ours = known is not None and known.password_file is not None and known.password_file == file
    if known is not None and has_password_source(known) and not is_ours:
        raise UsageError(
            "The password was not kept: the config file names another place for it.",
            hint="Change it there, too. The nights take it from there.",
        )
    if not is_ours and os.path.lexists(file):
        raise UsageError(
            "The password was not kept: its file exists already.",
            hint=f"Name the right file as password_file of this phone in {str(path)!r}.",
        )
    with telling(f"The password file {file!r} could not be written."):
        durable.make_dir(os.path.dirname(file), parents=True)
        durable.write_file(file, f"{password}\n".encode())
    try:
        rewrite(
            path, lambda text: added(text, Additions(udid, known.name if known else name, password_file=file))
        )
    except IbackupError:
        if not is_ours:
            with suppress(OSError):
                os.unlink(file)
        raise
    return file


def has_password_source(phone: PhoneConfig) -> bool:
    """Whether the config file says where the nights get the backup password of a phone from."""
    return bool(phone.password_file or phone.password_command)


def _password_path(config: Path, name: str) -> str:
    """The phone may have chosen its name itself, so only its letters and digits become part of the path."""
    plain = re.sub(r"[\W_]+", "-", name).strip("-")[:40] or "phone"
    return os.path.join(os.path.dirname(os.path.abspath(config)), f"{plain}.password")
