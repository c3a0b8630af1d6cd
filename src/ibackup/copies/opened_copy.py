"""One second copy of the config file, ready for use."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from ibackup.base.errors import PhoneBusy
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.copy_engine import CopyEngine
from ibackup.copies.copy_errors import CopyLocked
from ibackup.copies.engine_kinds import RCLONE, kind_of
from ibackup.copies.rclone_engine import RcloneEngine
from ibackup.copies.rclone_program import RcloneProgram
from ibackup.copies.restic_engine import ResticEngine
from ibackup.copies.restic_program import ResticProgram
from ibackup.copies.surroundings import read_variables
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.records.used_stores import state_dir


@dataclass(frozen=True)
class OpenedCopy:
    """A copy and the engine that reaches it; nothing was asked there yet."""

    config: CopyConfig
    engine: CopyEngine

    @classmethod
    def open(cls, config: CopyConfig, password: str) -> Self:
        """Prepare the engine. The password counts only if the copy has one.

        Raises:
            UsageError: the address is none.
            IbackupError: its program, or the file with its keys, is not there.
        """
        variables = read_variables(config.key_file) if config.key_file else {}
        address = CopyAddress.parse(config.to)
        if kind_of(config) is RCLONE:
            return cls(config, RcloneEngine(RcloneProgram(config.name, address.for_rclone(), variables)))
        return cls(config, ResticEngine(ResticProgram(config.name, address, password, variables)))

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name

    def require(self) -> None:
        """Raise unless its own repository is there: see ``copy_errors``."""
        self.engine.require(self.config.repository_id)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """See ``alone_on``."""
        return alone_on(self.name)


@contextlib.contextmanager
def alone_on(copy: str) -> Iterator[None]:
    """One run of this user at a time on a copy and its records. Raises CopyLocked."""
    folder = state_dir()
    with telling("The copy could not be locked."):
        durable.make_dir(folder, parents=True)
    lock = PhoneLock(os.path.join(folder, f"copy-{copy}.lock"))
    try:
        lock.acquire()
    except PhoneBusy as error:
        raise CopyLocked(f"Another run of ibackup is working on the copy {copy}.", hint=error.hint) from None
    try:
        yield
    finally:
        lock.release()
