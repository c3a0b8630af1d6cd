"""What every engine is that runs a program on one address."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from ibackup.copies import copy_errors
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.engine_kinds import EngineKind


class CopyProgram(Protocol):
    """A program that is run on the address of a copy."""

    @property
    def name(self) -> str:
        """The copy's name in the config."""

    @property
    def address(self) -> CopyAddress:
        """Where the copy is."""

    @property
    def version(self) -> tuple[int, int, int]:
        """The program's. Raises IbackupError if it is too old."""


_Program = TypeVar("_Program", bound=CopyProgram)


@dataclass(frozen=True)
class ProgramEngine(ABC, Generic[_Program]):
    """The common part of the engines; see ``CopyEngine``."""

    program: _Program
    kind: ClassVar[EngineKind]

    @property
    def name(self) -> str:
        """The copy's name in the config."""
        return self.program.name

    @property
    def address(self) -> CopyAddress:
        """Where the copy is."""
        return self.program.address

    @property
    def engine(self) -> str:
        """Name and version: ``restic 0.18.0``."""
        return f"{self.kind.name} {'.'.join(map(str, self.program.version))}"

    @abstractmethod
    def identity(self) -> str:
        """The id of the repository that is there."""

    def require(self, repository_id: str) -> None:
        """Raise unless the repository is there and is that one."""
        found = self.identity()
        if found != repository_id:
            raise copy_errors.another(self.name, self.address, repository_id, found)
