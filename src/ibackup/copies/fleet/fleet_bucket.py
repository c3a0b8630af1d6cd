"""The place that a fleet shares: small signed objects in it are listed, read and written through rclone."""

import os
import posixpath
import tempfile
from collections.abc import Collection
from dataclasses import dataclass

from ibackup.base.errors import UsageError
from ibackup.copies import copy_errors
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.fleet import host_records, host_statuses, keeper_findings
from ibackup.copies.fleet.host_statuses import StatusName
from ibackup.copies.rclone_program import UNASKED, RcloneProgram
from ibackup.copies.surroundings import read_variables

_AT_ONCE = 64
_DOING = "look at the fleet"
_FAST = (f"--transfers={_AT_ONCE}", f"--checkers={_AT_ONCE}")


@dataclass(frozen=True)
class FleetBucket:
    """One fleet's place. Every method raises the errors of ``copy_errors`` if it cannot be reached."""

    program: RcloneProgram

    @classmethod
    def open(cls, address: str, key_file: str | None) -> "FleetBucket":
        """Prepare to use it; nothing is asked there yet. Raises IbackupError, UsageError."""
        variables = read_variables(key_file) if key_file else {}
        place = CopyAddress.parse(address)
        if place.kind not in ("s3", "rclone", "folder"):
            raise UsageError(
                f"A fleet cannot be at {place.shown}.",
                hint="Give s3:https://HOST/BUCKET/PATH, rclone:REMOTE:PATH, or a folder that all computers reach.",
            )
        return cls(RcloneProgram(copy_errors.FLEET, place, variables))

    def status_names(self, udid: str = "") -> list[StatusName]:
        """The names of all reports, or of those about one phone, by phone and time; other objects are passed over."""
        folder = f"{host_statuses.FOLDER}/{udid}" if udid else host_statuses.FOLDER
        names = map(StatusName.parse, self._listed(folder, "--recursive", "--fast-list"))
        return sorted(name for name in names if name is not None)

    def statuses(self, names: Collection[StatusName]) -> dict[StatusName, bytes]:
        """The reports of these names; those that are gone meanwhile, or too long, are left out."""
        by_path = {name.path: name for name in names}
        return {by_path[path]: data for path, data in self._read(by_path).items()}

    def hosts(self) -> dict[str, bytes]:
        """The object of every computer by its name, whether it is genuine or not."""
        names = {
            path: host
            for path in self._listed(host_records.FOLDER)
            if host_records.is_host_name(host := posixpath.basename(path).removesuffix(".json"))
        }
        return {names[path]: data for path, data in self._read(names).items()}

    def findings(self) -> bytes | None:
        """What the keeper found, genuine or not; None if there is no such object. Every fleet has one."""
        return self.program.content(keeper_findings.PATH, doing=_DOING)

    def put(self, path: str, data: bytes) -> None:
        """Write an object."""
        self.program.write(path, data, doing="report to the fleet")

    def remove(self, names: Collection[StatusName]) -> None:
        """Remove reports."""
        end = self.program.on_files(
            "delete",
            self.program.at(""),
            files=[name.path for name in names],
            doing="remove old reports",
            words=_FAST,
        )
        if end.code or end.silent:
            raise self.program.error(end, "remove old reports")

    def _listed(self, folder: str, *words: str) -> list[str]:
        """The paths of the objects in a folder that can be ours; a longer one is not read into memory."""
        found = self.program.listed(folder, "--files-only", UNASKED, *words, doing=_DOING)
        return [
            f"{folder}/{each.get('Path')}"
            for each in found
            if 0 < _size(each.get("Size")) <= host_statuses.MOST_BYTES
        ]

    def _read(self, paths: Collection[str]) -> dict[str, bytes]:
        """Small objects by their paths."""
        with tempfile.TemporaryDirectory(prefix="ibackup-", ignore_cleanup_errors=True) as folder:
            self.program.on_files(
                "copy", self.program.at(""), folder, files=paths, doing=_DOING,
                words=(*_FAST, "--no-traverse", UNASKED),
            )  # fmt: skip
            found: dict[str, bytes] = {}
            for path in paths:
                file = os.path.join(folder, *path.split("/"))
                if os.path.isfile(file):
                    with open(file, "rb") as source:
                        found[path] = source.read(host_statuses.MOST_BYTES)
        if len(found) < len(paths):
            # The place is away, which this says, or some objects were removed meanwhile; or someone wrote objects that
            # nobody can read, in cold storage or with a key of their own. rclone's exit code is one for all of them.
            there = self._listed(_folder_of(paths), "--recursive", "--fast-list")
            found = {path: b"" for path in there if path in paths} | found
        return found


def _folder_of(paths: Collection[str]) -> str:
    return posixpath.commonpath([posixpath.dirname(path) for path in paths])


def _size(value: object) -> int:
    return value if isinstance(value, int) else 0
