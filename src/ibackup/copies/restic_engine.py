"""A second copy in a restic repository: what it holds, putting a snapshot there, and asking it what it has."""

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import Observer, PhaseStarted, Progress
from ibackup.base.json_output import JsonLines, Object
from ibackup.base.masked_addresses import masked
from ibackup.copies import copy_errors
from ibackup.copies.copy_engine import CheckFound, ProvenCopy, PutDone
from ibackup.copies.engine_kinds import RESTIC, EngineKind
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot, tags_of
from ibackup.copies.matching import HeldFile, MatchOutcome, match_by_induction, match_in_full
from ibackup.copies.program_engine import ProgramEngine
from ibackup.copies.restic_program import PATIENT_S, VERY_PATIENT_S, ResticProgram, unexpected
from ibackup.copies.rights import rights_trial
from ibackup.copies.rights.copy_rights import RightsTrial
from ibackup.store.disk import this_computer
from ibackup.store.records.snapshot import Snapshot

# How long the ids on one command line may be together, which Linux limits to 2 MiB, macOS to 1 MiB, Windows to 32 kB.
_LINE_BYTES = {"linux": 1_000_000, "win32": 24_000}.get(sys.platform, 500_000)
_MOST_PATTERNS = min(1000, _LINE_BYTES // 100)
_SHORT = 8  # digits of an id that restic takes for all of it
_READS = "read what it holds"


@dataclass(frozen=True)
class ResticEngine(ProgramEngine[ResticProgram]):
    """A repository of restic's, reached through ``program``; see ``CopyEngine`` for what is not described here."""

    kind: ClassVar[EngineKind] = RESTIC

    @contextlib.contextmanager
    def fresh(self) -> Iterator["ResticEngine"]:
        """The same with an empty cache: what was written while copying must not prove what is there now."""
        with self.program.fresh() as program:
            yield ResticEngine(program)

    # -- the repository -----------------------------------------------------------------------------------------

    def create(self) -> str:
        """Make the repository; returns its id. Raises IbackupError, also if there is one already."""
        self.program.run("init", doing="make the repository", silence_s=PATIENT_S)
        return self.identity()

    def identity(self) -> str:
        """The repository's id. Raises CopyMissing and the like: see ``copy_errors``."""
        if not self.address.reachable():
            raise copy_errors.away(self.name, self.address)
        if self.address.unmounted():
            raise copy_errors.not_there(self.name, self.address)
        found = self.program.whole("cat", "config", "--no-lock", doing="open the repository").get("id")
        if not isinstance(found, str) or len(found) != 64:
            raise unexpected("open the repository")
        return found

    def tidy(self) -> None:
        """Remove locks of runs that have ended."""
        self.program.run("unlock", doing="remove old locks")

    def held(self) -> list[HeldSnapshot]:
        """The snapshots of ours that it holds, oldest first."""
        found: list[HeldSnapshot] = []

        def hear(each: Object) -> None:
            held = HeldSnapshot.parse(each)
            if held is not None:
                found.append(held)

        self.program.array("snapshots", "--json", "--no-lock", doing=_READS, hear=hear)
        return sorted(found, key=lambda each: (each.id, each.time))

    # -- copying ------------------------------------------------------------------------------------------------

    def put(
        self, snapshot: Snapshot, parent: HeldSnapshot | None, known: Collection[str], observe: Observer
    ) -> PutDone:
        """Copy a snapshot there."""
        observe(PhaseStarted("copy", f"Copying snapshot {snapshot.id} to {self.name}."))
        progress = _CopyProgress(observe)
        output = JsonLines(progress.hear)
        words = [
            "backup",
            "--json",
            f"--host={snapshot.udid}",
            f"--tag={tags_of(snapshot.id, snapshot.meta.seal, this_computer.name())}",
            f"--time={snapshot.meta.started:%Y-%m-%d %H:%M:%S}",  # local time, and TZ is UTC
            # Its own choice would need the same path, and the path has the snapshot's id in it. Each new hard link
            # changes a file's ctime, and a clone has another inode.
            *([f"--parent={parent.engine_id}"] if parent else ["--force"]),
            "--ignore-ctime",
            "--ignore-inode",
            *(["--compression=off"] if snapshot.meta.encrypted else []),
            ".",
        ]
        try:
            self.program.run(
                *words,
                doing=f"copy snapshot {snapshot.id}",
                take=output,
                silence_s=PATIENT_S,
                folder=snapshot.path,
            )
        except _StalledCopy:
            raise copy_errors.away(self.name, self.address, "Nothing moved for 15 minutes.") from None
        output.close()
        there = [
            each
            for each in self.held()
            if (each.udid, each.id) == (snapshot.udid, snapshot.id) and each.engine_id not in known
        ]
        if not there:
            raise IbackupError(f"restic copied snapshot {snapshot.id}, but the copy does not show it.")
        return PutDone(there[-1], progress.added, progress.total)

    def retire(self, held: HeldSnapshot) -> Collection[str]:
        """Nothing: it replaces no snapshot."""
        del held
        return ()

    # -- asking what is there -----------------------------------------------------------------------------------

    def sizes(self, held: HeldSnapshot) -> dict[str, int]:
        """The size of every file of a held snapshot by its path, without the slash at its beginning.

        Raises:
            DamageFound: it holds something that is neither a file nor a folder.
        """
        found: dict[str, int] = {}

        def hear(node: Object) -> None:
            path, kind, size = node.get("path"), node.get("type"), node.get("size", 0)
            if node.get("struct_type") != "node" or kind == "dir":
                return
            if kind != "file" or not isinstance(path, str) or not isinstance(size, int):
                raise DamageFound(f"Snapshot {held.id} in {self.name} has something that is no file.")
            found[path.removeprefix("/")] = size

        self.program.lines(
            "ls", "--json", "--no-lock", held.engine_id, doing=_READS, hear=hear, silence_s=PATIENT_S
        )
        return found

    def _listed(self, kind: str) -> list[str]:
        found = self.program.lines(
            "list", kind, "--no-lock", doing=_READS, hear=_not_expected, silence_s=PATIENT_S
        )
        return [each for each in found if _is_id(each)]

    def pieces(self, held: HeldSnapshot) -> dict[str, list[bytes]]:
        """The ids of the pieces of every file of a held snapshot, in order. An empty file has none."""
        found: dict[str, list[bytes]] = {}

        def hear(each: Object) -> None:
            path, piece = each.get("path"), each.get("id")
            if each.get("object_type") == "blob" and isinstance(path, str) and _is_id(piece):
                found.setdefault(path.removeprefix("/"), []).append(bytes.fromhex(str(piece)))

        # Not `list packs`: half a pack, which a copy that was cut off may have left, stops `find`.
        packs = sorted({ident for index in self._indexes() for ident, _ in _packs(index)})
        if len(packs) * (_SHORT + 1) > _LINE_BYTES:
            # Several calls would lose the order of the pieces of a file that is in the packs of two.
            return self.pieces_in(held, None)
        self._find(held, "--pack", [each[:_SHORT] for each in packs], hear)
        return found

    def pieces_in(self, held: HeldSnapshot, folders: set[str] | None) -> dict[str, list[bytes]]:
        """The same for the files in some folders (None: in all), one call a folder."""
        return {path: file.pieces for path, file in self.files_in(held, folders).items()}

    def files_in(self, held: HeldSnapshot, folders: set[str] | None) -> dict[str, HeldFile]:
        """The files in some folders (None: in all) by their paths, one call a folder. What is no file is left out."""
        root = self.program.whole("cat", "snapshot", held.engine_id, "--no-lock", doing=_READS).get("tree")
        found: dict[str, HeldFile] = {}
        open_trees = [("", root)]
        while open_trees:
            folder, tree = open_trees.pop()
            if not _is_id(tree):
                raise unexpected(_READS)
            nodes = self.program.whole("cat", "blob", str(tree), "--no-lock", doing=_READS).get("nodes")
            for node in nodes if isinstance(nodes, list) else []:
                path = f"{folder}{node.get('name')}"
                if node.get("type") == "dir":
                    if folders is None or any(f"{each}/".startswith(f"{path}/") for each in folders):
                        open_trees.append((f"{path}/", node.get("subtree")))
                elif node.get("type") == "file" and (folders is None or folder.removesuffix("/") in folders):
                    content = node.get("content") or []
                    pieces = [bytes.fromhex(each) for each in content if _is_id(each)]
                    found[path] = HeldFile(_count(node.get("size")), pieces)
        return found

    def holding(self, held: HeldSnapshot, digests: Sequence[bytes]) -> set[tuple[str, bytes]]:
        """Which files of a held snapshot have pieces with these ids; asks for the index alone, not for data."""
        found: set[tuple[str, bytes]] = set()

        def hear(each: Object) -> None:
            path, piece = each.get("path"), each.get("id")
            if each.get("object_type") == "blob" and isinstance(path, str) and _is_id(piece):
                found.add((path.removeprefix("/"), bytes.fromhex(str(piece))))

        for some in _batches([digest.hex() for digest in digests]):
            self._find(held, "--blob", some, hear)
        return found

    def _find(self, held: HeldSnapshot, what: str, ids: list[str], hear: Callable[[Object], None]) -> None:
        self.program.array(
            "find", "--json", "--no-lock", "--snapshot", held.engine_id, what, *ids,
            doing=_READS, hear=hear, silence_s=VERY_PATIENT_S,
        )  # fmt: skip

    def lengths(self) -> dict[bytes, int]:
        """The length of every piece in the repository."""
        found: dict[bytes, int] = {}
        for index in self._indexes():
            for piece in _blobs(index):
                length = piece.get("uncompressed_length") or piece.get("length", 0) - _OVERHEAD
                if _is_id(piece.get("id")) and isinstance(length, int):
                    found[bytes.fromhex(piece["id"])] = length
        return found

    def _indexes(self) -> Iterator[Object]:
        for ident in self._listed("index"):
            yield self.program.whole("cat", "index", ident, "--no-lock", doing=_READS, silence_s=PATIENT_S)

    def missing_packs(self) -> frozenset[str]:
        """The ids of files of data that its index names and that are not there."""
        named = {ident for index in self._indexes() for ident, _ in _packs(index)}
        return frozenset(named - set(self._listed("packs")))

    def changed(self, before: HeldSnapshot, after: HeldSnapshot) -> tuple[set[str], set[str]]:
        """The files of ``after`` that differ from those of ``before`` or are new, and those that it lacks."""
        new: set[str] = set()
        gone: set[str] = set()

        def hear(each: Object) -> None:
            path = each.get("path")
            if each.get("message_type") == "change" and isinstance(path, str) and not path.endswith("/"):
                (gone if each.get("modifier") == "-" else new).add(path.removeprefix("/"))

        self.program.lines(
            "diff", "--json", "--no-lock", before.engine_id, after.engine_id,
            doing=_READS, hear=hear, silence_s=PATIENT_S,
        )  # fmt: skip
        return new, gone

    # -- checking -----------------------------------------------------------------------------------------------

    def match(
        self, held: HeldSnapshot, expected: Expectation, proven: ProvenCopy | None, observe: Observer
    ) -> MatchOutcome:
        """Compare it by induction if an earlier one is proven; in full otherwise, and where that finds fault."""
        if proven is not None:
            outcome = match_by_induction(self, held, expected, proven.held, proven.contents, observe)
            if outcome.good:
                return outcome
        return match_in_full(self, held, expected, observe)

    def check(self, share: tuple[int, int] | None = None) -> CheckFound:
        """Have restic check its structure and, of its data, share n of t; what is wrong is as restic says it."""
        words = ["check", "--no-lock"]
        if share is not None:
            words.append(f"--read-data-subset={share[0]}/{share[1]}")
        doing = "check the repository"
        end = self.program.attempt(*words, doing=doing, silence_s=PATIENT_S)
        if not end.code and not end.silent:
            return CheckFound()
        said = [each for each in end.said if not _NO_TROUBLE.match(each)]
        if end.silent or not any(mark in each for each in said for mark in _DAMAGE):
            raise self.program.error(end, doing)
        return CheckFound(tuple(" ".join(masked(each).split())[:300] for each in said[:_MOST_SAID]))

    def try_rights(self) -> RightsTrial:
        """Try what a thief would, on an object of its own."""
        return rights_trial.try_rights(self.program)

    def fetch(
        self, held: HeldSnapshot, target: str, observe: Observer, only: Collection[str] | None = None
    ) -> None:
        """See ``CopyEngine``. The folder must have none of the files: old versions write into one that is there."""
        observe(PhaseStarted("copy", f"Fetching snapshot {held.id} from {self.name}."))
        damage: DamageFound | None = None
        # restic compares each file of a folder with each pattern: a call gets few patterns, of neighbouring folders.
        # What has a meaning in a pattern must lose it.
        for some in [()] if only is None else self._patterns(held, only):
            try:
                self._restore(held, target, observe, some)
            except DamageFound as error:
                damage = error
        if damage is not None:
            raise damage

    def _patterns(self, held: HeldSnapshot, only: Collection[str]) -> Iterator[list[str]]:
        """The patterns for each call. Of many files, those of whole folders, or all but a few, need few patterns."""
        if len(only) > _MOST_PATTERNS:
            wanted, there = set(only), self.sizes(held).keys()
            others = there - wanted
            if len(others) <= _MOST_PATTERNS:
                yield [_pattern("exclude", path) for path in sorted(others)]
                return
            broken = {folder for path in others for folder in _folders_of(path)}
            only = {next((each for each in _folders_of(path) if each not in broken), path) for path in wanted}
        yield from _few([_pattern("include", path) for path in sorted(only)])

    def _restore(self, held: HeldSnapshot, target: str, observe: Observer, patterns: Sequence[str]) -> None:
        doing = f"fetch snapshot {held.id}"
        output = JsonLines(lambda said: _tell_of_fetching(said, observe))
        end = self.program.attempt(
            "restore", held.engine_id, "--json", "--no-lock", f"--target={target}", *patterns,
            doing=doing, take=output, silence_s=PATIENT_S, alive=_Growth(target).goes_on,
        )  # fmt: skip
        if not end.code and not end.silent:
            return
        said = "\n".join(end.said)
        if copy_errors.says_full(end):
            raise copy_errors.no_room_here(held.id, target)
        if any(mark in said for mark in _UNREADABLE):
            raise copy_errors.damaged_there(self.name, held.id, target, end)
        raise self.program.error(end, doing)


class _Growth:
    """Whether a folder grows: old versions of restic restore for hours without a word."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._last = (0, 0)

    def goes_on(self) -> bool:
        """Whether there is more in it than at the last question."""
        before, self._last = self._last, self._measure()
        return self._last != before

    def _measure(self) -> tuple[int, int]:
        count = size = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with contextlib.suppress(OSError):
                    size += os.lstat(os.path.join(folder, name)).st_size
                    count += 1
        return count, size


def _tell_of_fetching(said: Object, observe: Observer) -> None:
    total = _count(said.get("total_bytes"))
    if said.get("message_type") == "status" and total:
        done = _count(said.get("bytes_restored"))
        observe(
            Progress(
                "copy",
                percent=100 * done / total,
                bytes=done,
                total_bytes=total,
                files=_count(said.get("files_restored")),
                total_files=_count(said.get("total_files")) or None,
            )
        )


_SPECIAL = re.compile(r"([\\*?\[\]])")
_QUOTED = r"\\\1"
_UNREADABLE = (
    "ciphertext verification failed",
    "not found in",
    "does not exist",
    "hash mismatch",
    "invalid data",
)
_DAMAGE = ("repository contains errors", "LoadIndex", "error loading index", "number of used blobs")
_NO_TROUBLE = re.compile(r"\s*(\[|using temporary cache|create exclusive lock|load indexes|check |read )")
_MOST_SAID = 20
_OVERHEAD = 32  # that restic adds to a piece that it does not compress


class _CopyProgress:
    """Turns restic's reports into ours; stops a restic that keeps reporting and gets nowhere."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._last: tuple[object, object] = (None, None)
        self._moved = time.monotonic()
        self.added = 0
        self.total = 0

    def hear(self, said: Object) -> None:
        """Take one object. Raises _StalledCopy."""
        kind = said.get("message_type")
        if kind == "summary":
            self.added = _count(said.get("data_added_packed")) or _count(said.get("data_added"))
            self.total = _count(said.get("total_bytes_processed"))
        if kind != "status":
            return
        done, files = _count(said.get("bytes_done")), _count(said.get("files_done"))
        if (done, files) != self._last:
            self._last, self._moved = (done, files), time.monotonic()
        elif time.monotonic() - self._moved > PATIENT_S:
            raise _StalledCopy
        total = _count(said.get("total_bytes"))
        self._observe(
            Progress(
                "copy",
                percent=100 * done / total if total else None,
                bytes=done,
                total_bytes=total or None,
                files=files,
                total_files=_count(said.get("total_files")) or None,
            )
        )


class _StalledCopy(Exception):
    """restic reports, but nothing moves."""


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _is_id(text: object) -> bool:
    return isinstance(text, str) and len(text) == 64 and not set(text) - set("0123456789abcdef")


def _not_expected(_found: Object) -> None:
    """Ids come as plain lines."""


def _batches(ids: list[str]) -> Iterator[list[str]]:
    size = max(_LINE_BYTES // 65, 1)
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _folders_of(path: str) -> Iterator[str]:
    """The folders that a file is in, the outermost first."""
    for place, character in enumerate(path):
        if character == "/":
            yield path[:place]


def _pattern(kind: str, path: str) -> str:
    return f"--{kind}=/{_SPECIAL.sub(_QUOTED, path)}"


def _few(patterns: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(patterns), _MOST_PATTERNS):
        yield patterns[start : start + _MOST_PATTERNS]


def _packs(index: Object) -> Iterator[tuple[str, list[object]]]:
    """The packs in an index: the id of each, and what the index says about its pieces."""
    packs = index.get("packs")
    for pack in packs if isinstance(packs, list) else []:
        if isinstance(pack, dict) and _is_id(pack.get("id")):
            blobs = pack.get("blobs")
            yield pack["id"], blobs if isinstance(blobs, list) else []


def _blobs(index: Object) -> Iterator[Object]:
    for _, blobs in _packs(index):
        for blob in blobs:
            if isinstance(blob, dict) and blob.get("type") == "data":
                yield blob
