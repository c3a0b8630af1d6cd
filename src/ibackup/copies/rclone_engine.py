"""A second copy as plain files, kept by rclone: the newest snapshot of each phone, readable without ibackup."""

import contextlib
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import Observer, PhaseStarted, Progress
from ibackup.base.json_output import Object
from ibackup.base.udids import may_be_udid
from ibackup.copies import copy_errors
from ibackup.copies.copy_engine import CheckFound, ProvenCopy, PutDone
from ibackup.copies.copy_errors import CopyMissing, CopyPasswordWrong
from ibackup.copies.engine_kinds import RCLONE, EngineKind
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.matching import MatchOutcome
from ibackup.copies.plain_lock import PlainLock
from ibackup.copies.plain_phone import Mark, Place, PlainPhone
from ibackup.copies.program_engine import ProgramEngine
from ibackup.copies.rclone_program import Hear, RcloneProgram, given_file
from ibackup.copies.rights.copy_rights import RightsAct, RightsAnswer, RightsTrial, TriedAct
from ibackup.store.disk import durable, this_computer
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.snapshot import META_NAME, Snapshot

IDENTITY = "ibackup-copy.json"
SCHEMA = 1
_OPENS = "open the copy"
_READS = "read the copy's files back"
_UNREADABLE = ("bad password?", "input/output error", "corrupted on transfer", "failed to authenticate")


@dataclass(frozen=True)
class RcloneEngine(ProgramEngine[RcloneProgram]):
    """Plain files, reached through ``program``; see ``CopyEngine`` for what is not described here."""

    kind: ClassVar[EngineKind] = RCLONE

    @contextlib.contextmanager
    def fresh(self) -> Iterator["RcloneEngine"]:
        """It remembers nothing anyway."""
        yield self

    # -- the place ----------------------------------------------------------------------------------------------

    def create(self) -> str:
        """Write the file by which the place is known again; returns its id."""
        ident = secrets.token_hex(32)
        record = JsonRecord({"schema": SCHEMA, "id": ident})
        self.program.write(IDENTITY, record.render(), doing="begin the copy")
        return self.identity()

    def identity(self) -> str:
        """The id in that file. Raises CopyMissing and the like: see ``copy_errors``."""
        if self.address.unmounted():
            raise copy_errors.not_there(self.name, self.address)
        data = self.program.content(IDENTITY, doing=_OPENS)
        if data is None:
            self._refuse_undecryptable()
            raise copy_errors.not_there(self.name, self.address)
        try:
            return JsonRecord.load(data).text("id")
        except RecordFlaw as flaw:
            raise DamageFound(
                f"{IDENTITY} at {self.address.shown} is damaged: it {flaw}.",
                hint="Nothing was written. Find out what changed it.",
            ) from None

    def _refuse_undecryptable(self) -> None:
        """Raise if there are names that the password of a crypt remote does not open, which rclone hides."""
        if self.address.kind == "rclone":
            end = self.program.attempt("lsjson", self.program.at(""), "-vv", doing=_OPENS)
            error = self.program.error(end, _OPENS)
            if isinstance(error, CopyPasswordWrong):
                raise error

    def tidy(self) -> None:
        """Finish or undo what a killed run left of each phone."""
        for phone in self._phones():
            if not phone.is_settled:
                with PlainLock(self.program, phone.udid).held():
                    phone.again().settle()

    def _phones(self) -> list[PlainPhone]:
        names = [str(each.get("Name")) for each in self.program.listed("", "--dirs-only", doing=_OPENS)]
        return [PlainPhone.look(self.program, name) for name in sorted(names) if may_be_udid(name)]

    def held(self) -> list[HeldSnapshot]:
        """The newest whole snapshot of each phone, and the one before until its successor is proven."""
        found = (mark.held for phone in self._phones() for mark in phone.marks.values())
        return sorted(found, key=lambda each: (each.id, each.time))

    # -- copying ------------------------------------------------------------------------------------------------

    def put(
        self, snapshot: Snapshot, parent: HeldSnapshot | None, known: Collection[str], observe: Observer
    ) -> PutDone:
        """Copy a snapshot's files, the changed ones beside the snapshot that is there, and then exchange them."""
        del parent, known  # what is there says itself what it has
        observe(PhaseStarted("copy", f"Copying snapshot {snapshot.id} to {self.name}."))
        expected = Expectation.of(snapshot)
        lock = PlainLock(self.program, snapshot.udid)
        with lock.held():
            return self._put(snapshot, expected, lock, observe)

    def _put(self, snapshot: Snapshot, expected: Expectation, lock: PlainLock, observe: Observer) -> PutDone:
        sizes = _sizes(expected)
        phone = PlainPhone.look(self.program, snapshot.udid).settle()
        mark = Mark.of(
            HeldSnapshot(
                snapshot.id,
                "",
                snapshot.udid,
                snapshot.meta.seal,
                this_computer.name(),
                snapshot.meta.started,
            ),
            expected.sums[META_NAME].hex(),
        )
        there = phone.marks.get("newest")
        again = there is not None and (there.held.id, there.held.seal) == (snapshot.id, snapshot.meta.seal)
        place: Place = "newest" if there is None or again else "arriving"
        have = phone.files("newest")
        if again and there is not None:
            # It is wrong there, and the files that are wrong are no use to any snapshot.
            send = set(self.match(there.held, expected, None, observe).wrong) & expected.sums.keys()
        elif there is not None:
            base = _sums_or_nothing(phone)
            send = {
                path
                for path, digest in expected.sums.items()
                if base.get(path) != digest or have.get(path) != sizes[path]
            }
        else:
            send = set(expected.sums)
        wanted = send if place == "arriving" else expected.sums.keys()
        phone.delete(place, (phone.files(place) if place == "arriving" else have).keys() - wanted)
        total = sum(sizes[path] for path in send)
        reporting = _reporting(observe, "copy", total, len(send))

        def report(stats: Object) -> None:
            lock.beat()
            reporting(stats)

        phone.send(snapshot.path, place, send, certainly=again, report=report)
        self._make_durable(phone.path(place), send)
        phone.write_mark(place, mark)
        phone.again().settle()
        return PutDone(mark.held, total, total)

    def _make_durable(self, place: str, files: Collection[str]) -> None:
        """Have a disk write what rclone wrote, so that no mark outlives its files in a power cut."""
        if self.address.kind == "folder":
            paths = {os.path.join(self.address.path, *place.split("/"), *each.split("/")) for each in files}
            with telling(f"'{self.address.path}' could not be written."):
                durable.sync_all(self.address.path, paths, {os.path.dirname(each) for each in paths})
                for each in paths:
                    _forget_cached(each)

    def retire(self, held: HeldSnapshot) -> Collection[str]:
        """Remove what is left of the snapshot that a proven one replaced; returns that one's id."""
        phone = PlainPhone.look(self.program, held.udid)
        left = phone.marks.get("leaving")
        if left is None or phone.place_of(held.engine_id) != "newest":
            return ()
        self._make_durable("", ())
        phone.purge("leaving")
        return (left.held.id,)

    # -- proving ------------------------------------------------------------------------------------------------

    def match(
        self, held: HeldSnapshot, expected: Expectation, proven: ProvenCopy | None, observe: Observer
    ) -> MatchOutcome:
        """Compare names and sizes of all files, and read back all of them, or those that are not in a proven one."""
        observe(PhaseStarted("verify", f"Reading snapshot {held.id} back from {self.name}."))
        phone = PlainPhone.look(self.program, held.udid)
        place = phone.place_of(held.engine_id)
        if place is None:
            return MatchOutcome(len(expected.sums), tuple(sorted(expected.sums)))
        sizes = _sizes(expected)
        where, too_many = _where(phone, place, expected.sums)
        wrong = {path for path in expected.sums if path not in where or where[path].size != sizes[path]}
        to_read = set(expected.sums) if proven is None else expected.changed_since(proven.contents)[0]
        wrong |= self._differing(phone, where, expected.sums, to_read - wrong, observe)
        return MatchOutcome(len(expected.sums), tuple(sorted(wrong | too_many)), induced=proven is not None)

    def check(self, share: tuple[int, int] | None = None) -> CheckFound:
        """Find every file of the newest snapshots and, with a share, read some back, by the seal that is there."""
        problems: list[str] = []
        damaged: set[str] = set()
        for phone in self._phones():
            place = phone.current
            if place is None:
                continue
            ident = phone.marks[place].held.id
            try:
                sums = phone.sums(place)
                where, too_many = _where(phone, place, sums)
                wrong = (sums.keys() - where.keys()) | too_many
                if share is not None:
                    number, parts = share
                    to_read = {path for path in where if sums[path][0] % parts == number - 1}
                    wrong |= self._differing(phone, where, sums, to_read)
                found = [f"{path} of snapshot {ident} is damaged or missing" for path in sorted(wrong)]
            except DamageFound as error:
                found = [error.message]
            problems += found
            if found:
                damaged.add(ident)
        return CheckFound(tuple(problems), frozenset(damaged))

    def _differing(
        self,
        phone: PlainPhone,
        where: "Mapping[str, _Whereabouts]",
        sums: Mapping[str, bytes],
        paths: Collection[str],
        observe: Observer | None = None,
    ) -> set[str]:
        """Which of these files do not have their SHA-256; all of them are read."""
        wrong: set[str] = set()
        for place in sorted({where[path].place for path in paths}):
            some = {path: sums[path] for path in paths if where[path].place == place}
            size = sum(where[path].size for path in some)
            report = _reporting(observe, "verify", size, len(some))
            wrong |= some.keys() - self._equal(phone.path(place), some, report)
        return wrong

    def _equal(self, path: str, sums: Mapping[str, bytes], report: Hear) -> set[str]:
        """The files below a path whose bytes, read back, have their SHA-256."""
        lines = "".join(f"{digest.hex()}  {name}\n" for name, digest in sums.items())
        said = _Verdicts()
        with given_file(lines.encode()) as listed:
            end = self.program.attempt(
                "checksum", "sha256", listed, self.program.at(path), "--download", "--one-way", "--combined=-",
                doing=_READS, take=said, report=report,
            )  # fmt: skip
        said.close()
        if end.silent or (end.code and not said.complete(sums.keys())):
            raise self.program.error(end, _READS)
        if said.unread:
            error = self.program.error(end, _READS)
            if isinstance(error, CopyMissing):
                raise error
        return said.equal & sums.keys()

    def try_rights(self) -> RightsTrial:
        """Try what a thief would, on a file of its own. Plain files need the right to replace them."""
        name = f"ibackup-rights-{secrets.token_hex(8)}.txt"
        self.program.write(name, b"1", doing="write a file to try the rights")
        acts: list[TriedAct] = []
        changes: tuple[tuple[RightsAct, Callable[[], None]], ...] = (
            ("overwrite", lambda: self.program.write(name, b"2", doing="write over that file")),
            (
                "remove",
                lambda: self.program.run("deletefile", self.program.at(name), doing="remove that file"),
            ),
        )
        for act, change in changes:
            answer: RightsAnswer = "done"
            why = ""
            try:
                change()
            except CopyMissing:
                raise
            except IbackupError as error:
                answer, why = "refused", error.why
            acts.append(TriedAct(act, answer, why))
        acts.append(
            TriedAct("remove_versions", "untried", "rclone does not say whether the place keeps versions")
        )
        return RightsTrial(tuple(acts), name if acts[1].answer == "refused" else "")

    # -- back from there ----------------------------------------------------------------------------------------

    def sizes(self, held: HeldSnapshot) -> dict[str, int]:
        """The bytes of every file of a held snapshot that is there, by its path."""
        _, where = self._whereabouts(held)
        return {path: each.size for path, each in where.items()}

    def _whereabouts(self, held: HeldSnapshot) -> tuple[PlainPhone, dict[str, "_Whereabouts"]]:
        phone = PlainPhone.look(self.program, held.udid)
        place = phone.place_of(held.engine_id)
        if place is None:
            raise DamageFound(
                f"Snapshot {held.id} is no longer in {self.name}.", hint="Another run replaced it; try again."
            )
        return phone, _where(phone, place, phone.sums(place))[0]

    def fetch(
        self, held: HeldSnapshot, target: str, observe: Observer, only: Collection[str] | None = None
    ) -> None:
        """Copy files of a held snapshot into a folder; they are closed to others."""
        observe(PhaseStarted("copy", f"Fetching snapshot {held.id} from {self.name}."))
        doing = f"fetch snapshot {held.id}"
        phone, where = self._whereabouts(held)
        where = {path: each for path, each in where.items() if only is None or path in only}
        total = sum(each.size for each in where.values())
        report = _reporting(observe, "copy", total, len(where))
        for each in sorted({found.place for found in where.values()}):
            some = [path for path, found in where.items() if found.place == each]
            end = self.program.on_files(
                "copy", self.program.at(phone.path(each)), target, files=some, doing=doing, report=report
            )
            said = "\n".join(end.said)
            if not end.code and not end.silent:
                continue
            if copy_errors.says_full(end):
                raise copy_errors.no_room_here(held.id, target)
            if any(mark in said for mark in _UNREADABLE):
                raise copy_errors.damaged_there(self.name, held.id, target, end)
            raise self.program.error(end, doing)


def _forget_cached(path: str) -> None:
    """Have the system forget what it has of a file in memory, where it can, so that the proof reads the disk."""
    if hasattr(os, "posix_fadvise"):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class _Whereabouts:
    """Where a file of a snapshot is, and its size there in bytes."""

    place: Place
    size: int


def _where(
    phone: PlainPhone, place: Place, names: Collection[str]
) -> tuple[dict[str, _Whereabouts], set[str]]:
    """Where the files of the snapshot of a place are, and the files that are too many."""
    found = {path: _Whereabouts("newest", size) for path, size in phone.files("newest").items()}
    if place != "newest":
        found |= {path: _Whereabouts(place, size) for path, size in phone.files(place).items()}
    # While one snapshot takes the place of another, ``newest`` has files of both.
    too_many = found.keys() - set(names) if place == "newest" and "arriving" not in phone.marks else set()
    return {path: each for path, each in found.items() if path in names}, set(too_many)


def _sizes(expected: Expectation) -> dict[str, int]:
    """The size of every file of a snapshot here; -1 for one that is missing."""
    found: dict[str, int] = {}
    for path in expected.sums:
        found[path] = -1
        with contextlib.suppress(OSError):
            found[path] = os.lstat(expected.local(path)).st_size
    return found


def _sums_or_nothing(phone: PlainPhone) -> dict[str, bytes]:
    """What the newest snapshot there has; nothing if its seal there is damaged, so that all of it is sent again."""
    with contextlib.suppress(DamageFound):
        return phone.sums("newest")
    return {}


def _reporting(observe: Observer | None, phase: Literal["copy", "verify"], size: int, files: int) -> Hear:
    """Turns rclone's reports into ours."""

    def hear(stats: Object) -> None:
        if observe is not None:
            done = min(_count(stats.get("bytes")), size)
            count = min(max(_count(stats.get("transfers")), _count(stats.get("checks"))), files)
            percent = 100 * done / size if size else None
            observe(Progress(phase, percent, done, size or None, count, files or None))

    return hear


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


class _Verdicts:
    """What ``rclone checksum --combined`` says of each file: ``= path``, ``* path``, ``+ path`` or ``! path``."""

    def __init__(self) -> None:
        self._rest = b""
        self.equal: set[str] = set()
        self.unread: set[str] = set()
        self._others: set[str] = set()

    def __call__(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            sign, _, path = line.decode("utf-8", "replace").partition(" ")
            {"=": self.equal, "!": self.unread}.get(sign, self._others).add(path)

    def close(self) -> None:
        """Take what came after the last line feed."""
        if self._rest:
            self(b"\n")

    def complete(self, paths: Collection[str]) -> bool:
        """Whether every file was spoken of."""
        return not set(paths) - self.equal - self.unread - self._others
