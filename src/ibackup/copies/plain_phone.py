"""One phone's snapshot as plain files: three folders, of which one whole snapshot can always be put together.

``newest`` has the snapshot. What the next one changes first comes into ``arriving``; then what it replaces moves to
``leaving``, and ``arriving`` moves to ``newest``. A mark beside a folder, such as ``newest.json``, names the snapshot
of which every file is there: in that folder, or else in ``newest``. The mark of ``arriving`` is written last, and
``leaving`` goes only when its successor is proven.
"""

import hashlib
import io
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Self, get_args

from ibackup.apple.format_errors import SealDamaged
from ibackup.apple.verify import seal
from ibackup.base.errors import DamageFound, IbackupError
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.rclone_program import Hear, RcloneProgram
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME

Place = Literal["newest", "arriving", "leaving"]
PLACES: tuple[Place, ...] = get_args(Place)
SCHEMA = 1
_TIDIES = "put the copy in order"
_LOOKS = "read what the copy holds"


@dataclass(frozen=True, slots=True)
class Mark:
    """Names the snapshot that is whole with the files of one place.

    Attributes:
        held: the snapshot; its ``engine_id`` is the SHA-256 of the mark.
        record: SHA-256 of its snapshot.json.
    """

    held: HeldSnapshot
    record: str

    @classmethod
    def of(cls, held: HeldSnapshot, record: str) -> Self:
        """The mark of a snapshot that is being copied."""
        mark = cls(held, record)
        return cls.parse(mark.render())

    def render(self) -> bytes:
        """The file."""
        return JsonRecord(
            {
                "schema": SCHEMA,
                "snapshot": self.held.id,
                "udid": self.held.udid,
                "seal": self.held.seal,
                "record": self.record,
                "computer": self.held.computer,
                "started": record_times.written(self.held.time),
            }
        ).render()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the file. Raises RecordFlaw."""
        record = JsonRecord.load(data)
        if not record_times.is_id(record.text("snapshot")):
            raise RecordFlaw("has no snapshot id under 'snapshot'")
        return cls(
            HeldSnapshot(
                record.text("snapshot"),
                hashlib.sha256(data).hexdigest(),
                record.text("udid"),
                record.text("seal"),
                record.text("computer"),
                record.time("started"),
            ),
            record.text("record"),
        )


def _refuse_links(program: RcloneProgram, udid: str) -> None:
    """Rclone lists no links, but it writes and removes through them."""
    if program.address.kind != "folder":
        return
    for place in ("", *PLACES):
        path = os.path.join(program.address.path, udid, place).rstrip(os.sep)
        if os.path.islink(path):
            raise IbackupError(
                f"'{path}' is a link, which ibackup does not follow.",
                hint="Nothing was changed. Find out who made it, and remove it.",
            )


@dataclass(frozen=True)
class PlainPhone:
    """What the copy has of one phone, as it was listed.

    Attributes:
        marks: of the places that have one.
        folders: the places that have a folder.
    """

    program: RcloneProgram
    udid: str
    marks: Mapping[Place, Mark]
    folders: Collection[Place]

    @classmethod
    def look(cls, program: RcloneProgram, udid: str) -> Self:
        """Ask what is there. Raises IbackupError if a disk has a link in the place of one of the folders."""
        _refuse_links(program, udid)
        names = {
            str(each.get("Name")): bool(each.get("IsDir")) for each in program.listed(udid, doing=_LOOKS)
        }
        marks: dict[Place, Mark] = {}
        for place in PLACES:
            if names.get(f"{place}.json") is False:
                data = program.content(f"{udid}/{place}.json", doing=_LOOKS)
                try:
                    mark = Mark.parse(data or b"")
                except RecordFlaw:
                    continue  # as good as missing: nothing is known to be whole there
                if mark.held.udid == udid:
                    marks[place] = mark
        return cls(program, udid, marks, frozenset(place for place in PLACES if names.get(place)))

    def again(self) -> "PlainPhone":
        """Ask again what is there."""
        return self.look(self.program, self.udid)

    def path(self, place: str) -> str:
        """The path of a place below the address."""
        return f"{self.udid}/{place}"

    @property
    def current(self) -> Place | None:
        """The place whose mark names the newest snapshot that is whole; None without any."""
        return next((each for each in ("arriving", "newest", "leaving") if each in self.marks), None)

    def place_of(self, engine_id: str) -> Place | None:
        """The place whose mark this is; None if it is gone."""
        return next((place for place, mark in self.marks.items() if mark.held.engine_id == engine_id), None)

    def files(self, place: Place) -> dict[str, int]:
        """The size of every file of a folder by its path there."""
        if place not in self.folders:
            return {}
        found = self.program.listed(self.path(place), "-R", "--files-only", doing=_LOOKS)
        return {str(each.get("Path")): int(each.get("Size") or 0) for each in found}

    def sums(self, place: Place) -> dict[str, bytes]:
        """The SHA-256 of every file of the snapshot that a mark names, from the seal that is there.

        Raises:
            DamageFound: the seal there is damaged or missing.
        """
        mark = self.marks[place]
        for folder in dict.fromkeys((place, "newest")):
            data = self.program.content(f"{self.path(folder)}/{SEAL_NAME}", doing=_LOOKS)
            if data is None or hashlib.sha256(data).hexdigest() != mark.held.seal:
                continue
            try:
                found = {line.path: bytes.fromhex(line.sha256) for line in seal.read(io.BytesIO(data))}
                return found | {
                    SEAL_NAME: bytes.fromhex(mark.held.seal),
                    META_NAME: bytes.fromhex(mark.record),
                }
            except (SealDamaged, ValueError):
                break
        raise DamageFound(
            f"{SEAL_NAME} of snapshot {mark.held.id} in {self.program.name} is damaged or missing.",
            hint="If the store has the snapshot, the next `ibackup copy run` copies it again.",
        )

    @property
    def is_settled(self) -> bool:
        """Whether no run was killed in its changes, except while it was sending."""
        return "arriving" not in self.marks and (
            "newest" in self.marks if "leaving" in self.marks else "leaving" not in self.folders
        )

    # -- changing -----------------------------------------------------------------------------------------------

    def settle(self) -> "PlainPhone":
        """Finish or undo what a run left that was killed, so that ``newest`` alone has the newest whole snapshot."""
        if "arriving" in self.marks:
            return self._switch()
        if "leaving" in self.marks and "newest" not in self.marks:
            self._move_all("leaving", "newest")
            return self.again()
        if not self.is_settled:
            self.purge("leaving")
            return self.again()
        return self

    def _switch(self) -> "PlainPhone":
        """Put the arriving snapshot in the place of the newest. Can be stopped and repeated at any point."""
        try:
            names = self.sums("arriving")
        except DamageFound:
            # It cannot be told what belongs to it. What it replaces is whole.
            self.purge("arriving")
            return self.again().settle()
        if "leaving" not in self.marks:
            self.purge("leaving")
            if "newest" in self.marks:
                self._rename_mark("newest", "leaving")
        elif "newest" in self.marks:
            # It was never proven, and the one before it still is: that one stays in ``leaving``.
            self.remove_mark("newest")
        state = self.again()
        arriving, leaving = state.files("arriving"), state.files("leaving")
        in_the_way = {each for each in state.files("newest") if each in arriving or each not in names}
        self._on_files(
            "move", self._at("newest"), self._at("leaving"),
            files=in_the_way - leaving.keys(), words=("--no-traverse",), doing=_TIDIES,
        )  # fmt: skip
        self.delete("newest", {each for each in in_the_way & leaving.keys() if each not in names})
        self._move_all("arriving", "newest")
        return self.again()

    def _move_all(self, source: Place, target: Place) -> None:
        """Move a folder's files over those of another one, then its mark."""
        if source in self.folders:
            self.program.run("move", self._at(source), self._at(target), "--ignore-times", doing=_TIDIES)
            self.purge(source, mark=False)
        self._rename_mark(source, target)

    def _rename_mark(self, source: Place, target: Place) -> None:
        words = (self._at(f"{source}.json"), self._at(f"{target}.json"), "--ignore-times")
        self.program.run("moveto", *words, doing=_TIDIES)

    def _at(self, place: str) -> str:
        return self.program.at(self.path(place))

    def send(
        self, source: str, place: Place, files: Collection[str], *, certainly: bool, report: Hear
    ) -> None:
        """Copy files of a snapshot's folder to a place; those that seem to be there already only if ``certainly``."""
        words = ("--ignore-times",) if certainly else ()
        self._on_files(
            "copy", source, self._at(place),
            files=files, words=(*words, "--transfers=8", "--checkers=16"), doing="copy the snapshot", report=report,
        )  # fmt: skip

    def delete(self, place: Place, files: Collection[str]) -> None:
        """Remove files of a place."""
        self._on_files("delete", self._at(place), files=files, doing=_TIDIES)

    def _on_files(
        self, command: str, *places: str, files: Collection[str], doing: str,
        words: tuple[str, ...] = (), report: Hear | None = None,
    ) -> None:  # fmt: skip
        end = self.program.on_files(command, *places, files=files, doing=doing, words=words, report=report)
        if end.code or end.silent:
            raise self.program.error(end, doing)

    def write_mark(self, place: Place, mark: Mark) -> None:
        """Say that a snapshot is whole with the files of a place."""
        self.program.write(self.path(f"{place}.json"), mark.render(), doing="copy the snapshot")

    def remove_mark(self, place: Place) -> None:
        """Say that nothing is known to be whole with the files of a place."""
        self.program.run("deletefile", self._at(f"{place}.json"), doing=_TIDIES)

    def purge(self, place: Place, *, mark: bool = True) -> None:
        """Remove a place with all its files, its mark first."""
        if mark and place in self.marks:
            self.remove_mark(place)
        if place in self.folders:
            self.program.run("purge", self._at(place), doing=_TIDIES)
