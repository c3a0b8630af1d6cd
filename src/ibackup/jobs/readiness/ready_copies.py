"""What second copies need: the programs that make them, and how well each version does it."""

import shutil
from collections.abc import Iterator, Sequence

from ibackup.base.errors import IbackupError
from ibackup.config.copy_config import CopyConfig
from ibackup.copies import rclone_program, restic_program
from ibackup.copies.copy_address import CopyAddress
from ibackup.jobs.readiness.check_result import ComputerCheck

_BETTER = (
    "With 0.18 or newer, ibackup tells a wrong password, a locked and a missing copy apart by their codes, and can "
    "repair a damaged copy on a server too. Debian 13 has it; for other systems: "
    "https://github.com/restic/restic/releases"
)


def copy_programs(copies: Sequence[CopyConfig]) -> Iterator[ComputerCheck]:
    """The programs that the copies in the config need; nothing without a copy."""
    engines = {each.engine for each in copies}
    kinds = {CopyAddress.parse(each.to).kind for each in copies if each.engine == "restic"}
    if "restic" in engines:
        yield _restic()
    if "rclone" in engines or "rclone" in kinds:
        yield _rclone()
    if "sftp" in kinds and shutil.which("ssh") is None:
        yield ComputerCheck("ssh", "missing", "The second copy is reached by ssh, and there is no ssh here.")


def _restic() -> ComputerCheck:
    try:
        version = restic_program.version_of(restic_program.find_restic())
    except IbackupError as error:
        return ComputerCheck("restic", "missing", f"{error.message} {error.hint}".strip())
    text = f"restic {'.'.join(map(str, version))} makes second copies."
    if version >= restic_program.ADVISED:
        return ComputerCheck("restic", "good", text)
    return ComputerCheck("restic", "advice", f"{text} {_BETTER}")


def _rclone() -> ComputerCheck:
    try:
        version = rclone_program.version_of(rclone_program.find_rclone())
    except IbackupError as error:
        return ComputerCheck("rclone", "missing", f"{error.message} {error.hint}".strip())
    return ComputerCheck("rclone", "good", f"rclone {'.'.join(map(str, version))} makes second copies.")
