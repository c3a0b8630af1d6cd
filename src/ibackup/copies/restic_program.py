"""restic as a program: found, started with its secrets in files that only it reads, its errors told apart."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from ibackup.base import programs
from ibackup.base.errors import IbackupError
from ibackup.base.json_output import JsonArray, JsonLines, Object, OutputTooLong, object_of
from ibackup.base.long_programs import LongEnd, ProgramMissing, Take, follow, ignore_output, secret_file
from ibackup.base.user_cache import cache_dir
from ibackup.copies import copy_errors
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.surroundings import surroundings

NAME = "restic"
OLDEST = (0, 14)
ADVISED = (0, 18)
QUICK_S = 120.0
"""How long a command that only looks something up may be silent."""
PATIENT_S = 15 * 60.0
"""How long one may be silent, or get nowhere, that reads or writes data."""
VERY_PATIENT_S = 2 * 3600.0
"""How long one may be silent that asks for something about every file of data before it answers."""

_VERSION = re.compile(r"restic (\d+)\.(\d+)(?:\.(\d+))?")
_MOST_OBJECT = 256 * 1024 * 1024  # bytes of one object: an index of a large repository


def find_restic() -> str:
    """The path of restic. Raises ProgramMissing."""
    found = shutil.which(NAME)
    if found is None:
        raise ProgramMissing(
            "restic is not on this computer; it makes the second copy.",
            hint="Install it: `apt install restic`, `brew install restic` or `winget install restic`. Version "
            f"{_text(ADVISED)} or newer is best.",
        )
    return found


def version_of(program: str) -> tuple[int, int, int]:
    """The version of a restic.

    Raises:
        IbackupError: it does not say, or is too old.
    """
    said = programs.run(program, "version").out
    found = _VERSION.match(said)
    if found is None:
        raise IbackupError(
            f"The program {program} does not say which restic it is.", hint="Install restic again."
        )
    version = (int(found[1]), int(found[2]), int(found[3] or 0))
    if version < OLDEST:
        raise IbackupError(
            f"restic {_text(version)} is too old for second copies.",
            hint=f"Install {_text(OLDEST)} or newer; {_text(ADVISED)} or newer is best.",
        )
    return version


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@dataclass(frozen=True)
class ResticProgram:
    """Runs restic on one repository.

    Attributes:
        name: of the copy, for errors.
        password: of the repository.
        variables: credentials of a cloud, for restic's environment.
        cache: restic's folder for what it fetched before.
    """

    name: str
    address: CopyAddress
    password: str = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    program: str = field(default_factory=find_restic)
    cache: str = field(default_factory=lambda: os.path.join(cache_dir(), "restic"))

    @cached_property
    def version(self) -> tuple[int, int, int]:
        """The version of restic. Raises IbackupError if it is too old."""
        return version_of(self.program)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Self]:
        """The same with an empty cache: what was written while copying must not prove what is there now."""
        with tempfile.TemporaryDirectory(prefix="ibackup-", ignore_cleanup_errors=True) as folder:
            yield replace(self, cache=folder)

    def attempt(
        self,
        *words: str,
        doing: str,
        take: Take = ignore_output,
        silence_s: float = QUICK_S,
        folder: str | None = None,
        alive: Callable[[], bool] = lambda: False,
    ) -> LongEnd:
        """Run one command, however it ends.

        Args:
            words: the command and its arguments; other users can see them.
            doing: what it does, as the end of "restic could not …".
            take: gets its output.
            silence_s: see ``follow``.
            folder: see ``follow``.
            alive: see ``follow``.

        Raises:
            IbackupError: it could not be started, or printed too much.
        """
        with secret_file(self.password + "\n") as password, secret_file(self.address.text + "\n") as address:
            given = {
                "RESTIC_PASSWORD_FILE": password,
                "RESTIC_REPOSITORY_FILE": address,
                "RESTIC_CACHE_DIR": self.cache,
                "RESTIC_PROGRESS_FPS": "2",
                "TZ": "UTC",
                "LC_ALL": "C",
            }
            try:
                return follow(
                    [self.program, *words],
                    environment=surroundings() | dict(self.variables) | given,
                    silence_s=silence_s,
                    take=take,
                    folder=folder,
                    alive=alive,
                    hopeless=copy_errors.is_hopeless,
                )
            except OutputTooLong:
                raise IbackupError(
                    f"restic was to {doing}, and printed more than ibackup takes.",
                    hint="Look at the repository with restic itself.",
                ) from None

    def run(
        self,
        *words: str,
        doing: str,
        take: Take = ignore_output,
        silence_s: float = QUICK_S,
        folder: str | None = None,
        alive: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run one command that must succeed; see ``attempt``.

        Raises:
            IbackupError: it did not; see ``copy_errors``.
        """
        end = self.attempt(*words, doing=doing, take=take, silence_s=silence_s, folder=folder, alive=alive)
        if end.code or end.silent:
            raise self.error(end, doing)

    def error(self, end: LongEnd, doing: str) -> IbackupError:
        """The error of our tree for a command that failed."""
        return copy_errors.error_of(self.name, self.address, end, doing)

    def lines(
        self, *words: str, doing: str, hear: Callable[[Object], None], silence_s: float = QUICK_S
    ) -> list[str]:
        """Run a command that prints a JSON object a line; returns its other lines. Raises as ``run``."""
        output = JsonLines(hear)
        self.run(*words, doing=doing, take=output, silence_s=silence_s)
        output.close()
        return output.text

    def array(
        self, *words: str, doing: str, hear: Callable[[Object], None], silence_s: float = QUICK_S
    ) -> None:
        """Run a command that prints one JSON array of objects. Raises as ``run``."""
        self.run(*words, doing=doing, take=JsonArray(hear), silence_s=silence_s)

    def whole(self, *words: str, doing: str, silence_s: float = QUICK_S) -> Object:
        """Run a command that prints one JSON object. Raises as ``run``, also if it prints something else."""
        data = bytearray()

        def take(piece: bytes) -> None:
            if len(data) > _MOST_OBJECT:
                raise OutputTooLong
            data.extend(piece)

        self.run(*words, doing=doing, take=take, silence_s=silence_s)
        found = object_of(bytes(data))
        if found is None:
            raise unexpected(doing)
        return found


def unexpected(doing: str) -> IbackupError:
    """The error about output that is not what restic prints."""
    return IbackupError(
        f"restic was to {doing}, and its answer makes no sense.",
        hint=f"Install restic {_text(ADVISED)} or newer.",
    )
