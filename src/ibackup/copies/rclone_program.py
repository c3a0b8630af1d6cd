"""rclone as a program: found, started with address and secrets in its environment alone, its errors told apart."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ibackup.base import programs
from ibackup.base.errors import IbackupError
from ibackup.base.json_output import JsonArray, Object, OutputTooLong, object_of
from ibackup.base.long_programs import (
    LongEnd,
    ProgramMissing,
    Take,
    follow,
    ignore_output,
)
from ibackup.copies import copy_errors
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.rclone_remotes import place_below, remote_variables
from ibackup.copies.surroundings import surroundings
from ibackup.store.disk.disk_errors import telling

NAME = "rclone"
OLDEST = (1, 60)
STALL_S = 15 * 60.0
"""How long it may get nowhere."""
NOT_FOUND = (3, 4)
"""Its exit codes for a folder and for a file that is not there."""

UNASKED = "--s3-no-head-object"
"""In a bucket, rclone otherwise asks about an object before it reads or writes it. That is a request more, and if it is
forbidden to know what is not there, newer ones take the folder above for an object and refuse to write."""

_VERSION = re.compile(r"rclone v(\d+)\.(\d+)(?:\.(\d+))?")
# Options of the user's own would change what is copied. Where rclone's config is, and what opens it, is theirs to say.
_NOT_PASSED_ON = re.compile(r"RCLONE_(?!CONFIG|PASSWORD_COMMAND).*")
# In a list of files, a line feed would begin another name, and rclone follows ".." out of a folder.
_LEADS_ELSEWHERE = re.compile(r"[\r\n\0]|(^|[/\\])\.\.?($|[/\\])|^/|^$")
_REPORT_S = 2
_ALWAYS = (
    "--ask-password=false", "--use-json-log", f"--stats={_REPORT_S}s", "--stats-log-level=NOTICE",
    "--retries=2", "--low-level-retries=4", "--contimeout=20s", "--timeout=2m",
)  # fmt: skip
_MOST_FILE = 256 * 1024 * 1024  # bytes of a file that is read into memory

Hear = Callable[[Object], None]


def find_rclone() -> str:
    """The path of rclone. Raises ProgramMissing."""
    found = shutil.which(NAME)
    if found is None:
        raise ProgramMissing(
            "rclone is not on this computer; it keeps this second copy.",
            hint="Install it: `apt install rclone`, `brew install rclone` or `winget install Rclone.Rclone`.",
        )
    return found


def version_of(program: str) -> tuple[int, int, int]:
    """The version of an rclone.

    Raises:
        IbackupError: it does not say, or is too old.
    """
    found = _VERSION.match(programs.run(program, "version").out)
    if found is None:
        raise IbackupError(
            f"The program {program} does not say which rclone it is.", hint="Install rclone again."
        )
    version = (int(found[1]), int(found[2]), int(found[3] or 0))
    if version < OLDEST:
        raise IbackupError(
            f"rclone {'.'.join(map(str, version))} is too old for second copies.",
            hint=f"Install {'.'.join(map(str, OLDEST))} or newer.",
        )
    return version


@dataclass(frozen=True)
class RcloneProgram:
    """Runs rclone on one address.

    Attributes:
        name: of the copy, for errors.
        variables: credentials and options, for rclone's environment.
    """

    name: str
    address: CopyAddress
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    program: str = field(default_factory=find_rclone)

    @cached_property
    def version(self) -> tuple[int, int, int]:
        """The version of rclone. Raises IbackupError if it is too old."""
        return version_of(self.program)

    @staticmethod
    def at(path: str) -> str:
        """How rclone calls a path below the address. The address itself, which may have a secret, is not in it."""
        return place_below(path)

    def attempt(
        self, *words: str, doing: str, take: Take = ignore_output, report: Hear | None = None
    ) -> LongEnd:
        """Run one command, however it ends.

        Args:
            words: the command and its arguments; other users can see them.
            doing: what it does, as the end of "rclone could not …".
            take: gets its output.
            report: gets rclone's figures every two seconds.

        Raises:
            CopyMissing: it gets nowhere.
            IbackupError: it could not be started, or printed too much.
        """
        kept = {name: value for name, value in surroundings().items() if not _NOT_PASSED_ON.fullmatch(name)}
        kept |= self.variables
        try:
            return follow(
                [self.program, *words, *_ALWAYS],
                environment={**kept, **remote_variables(self.address, kept), "LC_ALL": "C"},
                silence_s=STALL_S,
                take=take,
                listen=_Listener(report),
            )
        except _Stalled:
            raise copy_errors.away(self.name, self.address, "Nothing moved for 15 minutes.") from None
        except OutputTooLong:
            raise IbackupError(
                f"rclone was to {doing}, and printed more than ibackup takes.",
                hint="Look at the place with rclone itself.",
            ) from None

    def run(self, *words: str, doing: str, take: Take = ignore_output, report: Hear | None = None) -> None:
        """Run one command that must succeed; see ``attempt``.

        Raises:
            IbackupError: it did not; see ``copy_errors``.
        """
        end = self.attempt(*words, doing=doing, take=take, report=report)
        if end.code or end.silent:
            raise self.error(end, doing)

    def error(self, end: LongEnd, doing: str) -> IbackupError:
        """The error of our tree for a command that failed."""
        return copy_errors.error_of_rclone(self.name, self.address, end, doing)

    def listed(self, path: str, *words: str, doing: str) -> list[Object]:
        """The entries of a folder as ``lsjson`` describes them; none if it is not there. Raises as ``run``."""
        found: list[Object] = []
        end = self.attempt(
            "lsjson", "--no-modtime", "--no-mimetype", *words, self.at(path),
            doing=doing, take=JsonArray(found.append),
        )  # fmt: skip
        if end.code in NOT_FOUND and not end.silent:
            return []
        if end.code or end.silent:
            raise self.error(end, doing)
        return found

    def content(self, path: str, *, doing: str) -> bytes | None:
        """A small file; None if it is not there, or empty: in a bucket both look alike. Raises as ``run``."""
        data = bytearray()

        def take(piece: bytes) -> None:
            if len(data) > _MOST_FILE:
                raise OutputTooLong
            data.extend(piece)

        end = self.attempt("cat", self.at(path), doing=doing, take=take)
        if end.code in NOT_FOUND and not end.silent:
            return None
        if end.code or end.silent:
            raise self.error(end, doing)
        return bytes(data) or None

    def write(self, path: str, data: bytes, *, doing: str) -> None:
        """Write a small file. Raises as ``run``."""
        with given_file(data) as source:
            self.run("copyto", source, self.at(path), "--ignore-times", UNASKED, doing=doing)

    def on_files(
        self,
        command: str,
        *places: str,
        files: Collection[str],
        doing: str,
        words: tuple[str, ...] = (),
        report: Hear | None = None,
    ) -> LongEnd:
        """Run a command on some files of a place, however it ends; nothing without any. Raises as ``attempt``.

        Raises IbackupError too for a name that could lead out of the place.
        """
        if not files:
            return LongEnd(0, ())
        for each in files:
            if _LEADS_ELSEWHERE.search(each):
                raise IbackupError(
                    f"The copy {self.name} has a file whose name could lead elsewhere: {each!r}.",
                    hint="ibackup never writes such a name. Find out who made the file, and remove it.",
                )
        with given_file("".join(f"{each}\n" for each in sorted(files)).encode()) as names:
            return self.attempt(
                command, *places, f"--files-from-raw={names}", *words, doing=doing, report=report
            )


@contextlib.contextmanager
def given_file(data: bytes) -> Iterator[str]:
    """The path of a file for rclone, which follows no links; it ends with the context. Raises IbackupError.

    It is no place for secrets.
    """
    with contextlib.ExitStack() as stack:
        with telling("The folder for temporary files could not be written."):
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="ibackup-", ignore_cleanup_errors=True)
            )
            path = os.path.join(folder, "given")
            with open(path, "wb") as file:
                file.write(data)
        yield path


class _Listener:
    """Takes rclone's reports out of what it says; stops an rclone that gets nowhere."""

    def __init__(self, report: Hear | None) -> None:
        self._report = report
        self._last: object = None
        self._moved = time.monotonic()

    def __call__(self, line: str) -> bool:
        found = object_of(line.encode("utf-8", "replace"))
        stats = found.get("stats") if found else None
        if not isinstance(stats, dict):
            return False
        now = [stats.get(key) for key in ("bytes", "checks", "transfers", "deletes", "renames")]
        if now != self._last:
            self._last, self._moved = now, time.monotonic()
        elif time.monotonic() - self._moved > STALL_S:
            raise _Stalled
        if self._report is not None:
            self._report(stats)
        return True


class _Stalled(Exception):
    """rclone reports, but nothing moves."""
