"""Proves that a copy holds a snapshot: every name, every size and every SHA-256, without fetching the data.

restic names a piece of a file by the SHA-256 of its bytes. A file that is one piece is proven by its name alone. A file
that was cut is read here, at the same cuts: each piece must have its name, and the whole must have the sum in the seal.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from ibackup.base.events import Observer, PhaseStarted, Progress
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.store.disk.disk_errors import telling

_EMPTY = hashlib.sha256(b"").digest()
_MOST_FOLDERS = 40  # to ask for one by one; for more, asking for everything is quicker
_AT_ONCE = 1 << 20


class NamesPieces(Protocol):
    """A repository that names the pieces of files by the SHA-256 of their bytes; see ``ResticEngine``."""

    @property
    def name(self) -> str:
        """The copy's name in the config."""

    def sizes(self, held: HeldSnapshot) -> dict[str, int]:
        """The size of every file by its path."""

    def pieces(self, held: HeldSnapshot) -> dict[str, list[bytes]]:
        """The pieces of every file, in order."""

    def files_in(self, held: HeldSnapshot, folders: set[str] | None) -> "dict[str, HeldFile]":
        """The files in some folders, by their paths."""

    def holding(self, held: HeldSnapshot, digests: Sequence[bytes]) -> set[tuple[str, bytes]]:
        """Which files have which of these pieces."""

    def lengths(self) -> dict[bytes, int]:
        """The length of every piece."""

    def changed(self, before: HeldSnapshot, after: HeldSnapshot) -> tuple[set[str], set[str]]:
        """The files of ``after`` that differ from those of ``before`` or are new, and those that it lacks."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file that a copy holds: its size, and its pieces in order."""

    size: int
    pieces: list[bytes]


@dataclass(frozen=True, slots=True)
class MatchOutcome:
    """The result of comparing a held snapshot with what it must contain.

    Attributes:
        files: how many there must be.
        wrong: the files that are missing there, too many, or different, by their paths below the snapshot's folder.
        induced: it was compared with the snapshot before, which was proven.
    """

    files: int
    wrong: tuple[str, ...]
    induced: bool = False

    @property
    def good(self) -> bool:
        """Whether everything is equal."""
        return not self.wrong


def match_in_full(
    engine: NamesPieces, held: HeldSnapshot, expected: Expectation, observe: Observer
) -> MatchOutcome:
    """Compare every file. Raises IbackupError: the copy cannot be read."""
    observe(PhaseStarted("verify", f"Proving every file of snapshot {held.id} in {engine.name}."))
    sizes = engine.sizes(held)
    wrong = set(sizes.keys() ^ expected.sums.keys())
    pieces = engine.pieces(held)
    wrong |= _wrong_content(engine, expected, expected.sums.keys() - wrong, sizes, pieces, observe)
    return MatchOutcome(len(expected.sums), tuple(sorted(wrong)))


def match_by_induction(
    engine: NamesPieces,
    held: HeldSnapshot,
    expected: Expectation,
    before: HeldSnapshot,
    proven: Expectation,
    observe: Observer,
) -> MatchOutcome:
    """Compare only what differs from another held snapshot that is proven.

    Args:
        engine: the copy.
        held: the snapshot to prove.
        expected: what it must contain.
        before: the proven one, which the copy still holds.
        proven: what that one contains.
        observe: gets the progress.

    Raises:
        IbackupError: the copy cannot be read.
    """
    observe(PhaseStarted("verify", f"Proving snapshot {held.id} in {engine.name}."))
    new, gone = expected.changed_since(proven)
    # The copy must call exactly those files changed, and exactly those gone: it has no other names then.
    said_new, said_gone = engine.changed(before, held)
    wrong = (said_new ^ new) | (said_gone ^ gone)
    to_prove = new - wrong
    files = _files_of(engine, held, expected, to_prove)
    wrong |= to_prove - files.keys()
    sizes = {path: file.size for path, file in files.items()}
    pieces = {path: file.pieces for path, file in files.items()}
    wrong |= _wrong_content(engine, expected, files, sizes, pieces, observe)
    return MatchOutcome(len(expected.sums), tuple(sorted(wrong)), induced=True)


def _files_of(
    engine: NamesPieces, held: HeldSnapshot, expected: Expectation, paths: set[str]
) -> dict[str, HeldFile]:
    """What the copy holds of some files; without those that it does not hold."""
    folders = {path.rpartition("/")[0] for path in paths}
    if len(folders) <= _MOST_FOLDERS:
        found = engine.files_in(held, folders) if paths else {}
        return {path: found[path] for path in paths & found.keys()}
    sizes = engine.sizes(held)
    there = paths & sizes.keys()
    whole = engine.holding(held, sorted({expected.sums[path] for path in there} - {_EMPTY}))
    pieces = {path: [expected.sums[path]] for path in there if (path, expected.sums[path]) in whole}
    cut = {path for path in there - pieces.keys() if expected.sums[path] != _EMPTY}
    if cut:
        folders = {path.rpartition("/")[0] for path in cut}
        pieces |= (
            {path: file.pieces for path, file in engine.files_in(held, folders).items() if path in cut}
            if len(folders) <= _MOST_FOLDERS
            else {path: each for path, each in engine.pieces(held).items() if path in cut}
        )
    return {path: HeldFile(sizes[path], pieces.get(path, [])) for path in there}


def _wrong_content(
    engine: NamesPieces,
    expected: Expectation,
    paths: Iterable[str],
    sizes: Mapping[str, int],
    pieces: Mapping[str, list[bytes]],
    observe: Observer,
) -> set[str]:
    """The files whose pieces are not the expected content, or not of the size that the copy says."""
    wrong: set[str] = set()
    to_read: list[str] = []
    lengths = engine.lengths() if pieces else {}
    for path in paths:
        has = pieces.get(path, [])
        if sum(lengths.get(each, 0) for each in has) != sizes[path]:
            wrong.add(path)
        elif len(has) > 1:
            to_read.append(path)
        elif (has[0] if has else _EMPTY) != expected.sums[path]:
            wrong.add(path)
    for number, path in enumerate(sorted(to_read), 1):
        if not _is_joined_of(expected, path, [(piece, lengths.get(piece)) for piece in pieces[path]]):
            wrong.add(path)
        observe(Progress("verify", files=number, total_files=len(to_read)))
    return wrong


def _is_joined_of(expected: Expectation, path: str, pieces: list[tuple[bytes, int | None]]) -> bool:
    """Whether the file here, cut into pieces of these lengths, gives exactly these pieces and the sum in the seal."""
    whole = hashlib.sha256()
    with telling(f"{expected.local(path)!r} could not be read.", reading=True):
        try:
            source = open(expected.local(path), "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            return False
        with source:
            for piece, length in pieces:
                if length is None or _sum_of(source, length, whole) != piece:
                    return False
            return not source.read(1) and whole.digest() == expected.sums[path]


def _sum_of(source: BinaryIO, length: int, whole: "hashlib._Hash") -> bytes:
    """SHA-256 of the next bytes, which also go into that of the whole."""
    piece = hashlib.sha256()
    while length > 0 and (data := source.read(min(length, _AT_ONCE))):
        piece.update(data)
        whole.update(data)
        length -= len(data)
    return piece.digest()
