"""Adds a second copy: makes its repository once, proves that its password is kept, and writes it into the config."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ibackup.base.errors import UsageError
from ibackup.base.events import Observer, PhaseStarted
from ibackup.config.config_additions import with_copy, without_copy
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_errors import CopyMissing
from ibackup.copies.engine_kinds import RESTIC, kind_of
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.config_writing import rewrite
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling


@dataclass(frozen=True, slots=True)
class AddedCopy:
    """A copy that was added; ``made`` is False for a repository that was there already."""

    config: CopyConfig
    made: bool


def keep_in_new_file(path: str, password: str) -> None:
    """Write a password into a new file that only its owner can read. Raises IbackupError."""
    with telling(f"The password file {path!r} could not be written."):
        durable.make_dir(os.path.dirname(path), parents=True)
        durable.write_file(path, f"{password}\n".encode())


def add(
    planned: CopyConfig, password: str, path: Path, observe: Observer, *, adopt: bool = False
) -> AddedCopy:
    """Make the repository, unless it is to be adopted, and write the config.

    Args:
        planned: the copy, without its repository's id.
        password: of the repository; where it is kept is proven by the caller. Empty if the copy has none.
        path: of the config file.
        observe: gets the events.
        adopt: whether a repository is there already, from another computer or an earlier config.

    Raises:
        UsageError: there is a repository and it is not to be adopted, or the config cannot be extended.
        CopyMissing: the place is away, or there is no repository to adopt.
        IbackupError: it could not be made.
    """
    copy = OpenedCopy.open(planned, password)
    address = copy.engine.address
    observe(PhaseStarted("copy", f"Looking at {address.shown}."))
    rewrite(path, _tried(planned))  # rather than after the repository was made
    found = identity_of(copy)
    if found is None:
        if adopt:
            copy.engine.identity()  # says what is wrong
        found, made = make_repository(copy, observe), True
    elif not adopt:
        raise UsageError(
            f"There is a repository at {address.shown} already.",
            hint="If it is yours and opens with this password, add --adopt. Otherwise choose another place.",
        )
    else:
        made = False
    config = replace(planned, repository_id=found)
    rewrite(path, lambda text: with_copy(text, _members(config)))
    return AddedCopy(config, made)


def _tried(planned: CopyConfig) -> Callable[[str], str]:
    """Finds out whether the config can be extended, and changes nothing."""

    def change(text: str) -> str:
        with_copy(text, {"name": planned.name})
        return text

    return change


def make_repository(copy: OpenedCopy, observe: Observer) -> str:
    """Make the repository of a copy; returns its id. Raises IbackupError."""
    address = copy.engine.address
    if address.kind == "folder":
        with telling(f"The folder '{address.path}' could not be made."):
            durable.make_dir(address.path, parents=True)
    observe(PhaseStarted("copy", f"Making the repository at {address.shown}."))
    return copy.engine.create()


def identity_of(copy: OpenedCopy) -> str | None:
    """The id of the repository that is there; None if there is none and the place can be reached."""
    try:
        return copy.engine.identity()
    except CopyMissing as error:
        if error.reason == "away":
            raise
        return None


def remove(config: CopyConfig, path: Path) -> None:
    """Take a copy out of the config; the repository itself stays. Raises UsageError."""
    rewrite(path, lambda text: without_copy(text, config.name))


def _members(config: CopyConfig) -> dict[str, object]:
    values: dict[str, object] = {
        "name": config.name,
        "to": config.to,
        "engine": None if kind_of(config) is RESTIC else config.engine,
        "repository_id": config.repository_id,
        "password_file": config.password_file,
        "password_command": config.password_command,
        "key_file": config.key_file,
        "phones": list(config.phones) or None,
    }
    return {name: value for name, value in values.items() if value is not None}
