"""Voice memos, with their recordings and what the phone understood."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from ibackup.apple.app_places import VOICE_MEMOS
from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.rows import Kind
from ibackup.base.confined import PathRefused
from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.decoding.memo_transcript import transcript
from ibackup.contents.gaps import Gaps
from ibackup.contents.odd_values import OddValues

PART: Final = "voice memos"
ONLY_IN_ICLOUD: Final = "the recording is only in iCloud"
NOT_HERE: Final = "the recording is not in the backup"
IN_PARTS: Final = "of an edited memo the backup has only the parts, which are in a folder"
_TITLES: Final = ("ZENCRYPTEDTITLE", "ZCUSTOMLABELFORSORTING", "ZCUSTOMLABEL")
_COLUMNS: Final = (
    "ZUNIQUEID",
    "ZDATE",
    "ZDURATION",
    "ZLOCALDURATION",
    "ZEVICTIONDATE",
    "ZPATH",
    "ZFOLDER",
    *_TITLES,
)
_TIME_STAMP: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")
_EDITED: Final = ".composition"
_MOST_REMEMBERED: Final = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceMemo:
    """One memo.

    Attributes:
        id: the same in every snapshot.
        title: the person's or the phone's; empty if there is none.
        time: when it was recorded; None if the phone's value is no time.
        seconds: how long it is.
        folder: the name of its folder; empty for none.
        deleted: since when it is in Recently Deleted.
        file_name: the recording's, as the phone calls it; empty if it is only in iCloud.
        domain: of the recording.
        recording: its path below the domain; None if the backup does not have it.
        pieces: of an edited memo without whole recording, the paths of its parts.
    """

    id: str
    title: str
    time: datetime | None
    seconds: float | None
    folder: str
    deleted: datetime | None
    file_name: str
    domain: str
    recording: str | None
    pieces: tuple[str, ...] = ()


class VoiceMemos:
    """A backup's voice memos; iterate over it. Close it when done."""

    def __init__(
        self, backup: Backup, stores: list[tuple[AppDatabase, str, str]], gaps: Gaps, stack: ExitStack
    ) -> None:
        self._backup = backup
        self._stores = stores
        self._gaps = gaps
        self._odd = OddValues(PART, gaps)
        self._stack = stack

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open them; None if the backup has none or, with a gap, if they cannot be read. Raises NoRoom, FormatError."""
        with ExitStack() as stack:
            stores = []
            for place in VOICE_MEMOS:
                store = AppDatabase.of(backup, [place], PART, gaps)
                if store is not None:
                    stores.append((stack.enter_context(store), place.domain, place.folder))
            return cls(backup, stores, gaps, stack.pop_all()) if stores else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its databases."""
        self._stack.close()

    def __iter__(self) -> Iterator[VoiceMemo]:
        """Every memo once, in the order in which they were made; those in Recently Deleted, too."""
        seen: set[str] = set()
        for store, domain, folder in self._stores:
            table = store.table("ZCLOUDRECORDING", "ZRECORDING")
            if table is None:
                continue
            files = self._files(domain, folder)
            edited = _edited(files)
            folders = store.table("ZFOLDER")
            named = folders.select("ZENCRYPTEDNAME") if folders else ()
            names = {number(row): text(name) for row, name in named}
            for row, *cells in table.select(*_COLUMNS):
                memo = self._memo(f"{domain} {number(row)}", cells, names, (domain, folder), files, edited)
                if memo.id in seen:
                    continue
                if len(seen) < _MOST_REMEMBERED:
                    seen.add(memo.id)
                yield memo

    def file(self, memo: VoiceMemo) -> Entry | None:
        """The recording."""
        return memo_recording(self._backup, memo)

    def transcript(self, memo: VoiceMemo) -> str:
        """What the phone understood; empty if nothing. It reads the recording's head and its end."""
        return memo_transcript(self._backup, memo)

    def _files(self, domain: str, folder: str) -> dict[str, Kind]:
        """What the backup has below a folder of recordings."""
        found = self._backup.entries(domain, f"{folder}/*", bad=lambda _: None)
        return {entry.relative_path: entry.kind for entry in found}

    def _memo(
        self,
        row: str,
        cells: list[Cell],
        folders: dict[int, str],
        place: tuple[str, str],
        files: dict[str, Kind],
        edited: dict[str, tuple[str, ...]],
    ) -> VoiceMemo:
        unique, date, length, local_length, evicted, path, folder, *titles = cells
        # Older phones store whole paths. A path never leads out of the folder: only its last part counts.
        name = text(path).rpartition("/")[2]
        whole = f"{place[1]}/{name}"
        recording = whole if name and files.get(whole) is Kind.FILE else None
        pieces: tuple[str, ...] = ()
        if name and recording is None:
            pieces = edited.get(whole.rpartition(".")[0] or whole, ())
        if recording is None:
            lost = IN_PARTS if pieces else NOT_HERE if name else ONLY_IN_ICLOUD
            self._gaps.add(PART, lost, text(unique))
        return VoiceMemo(
            id=text(unique) or row,
            title=next((each for each in map(text, titles) if each and not _TIME_STAMP.match(each)), ""),
            time=self._odd.time(date),
            seconds=self._odd.seconds(length or (local_length if local_length is not None else length)),
            folder=folders.get(number(folder), ""),
            deleted=self._odd.time(evicted),
            file_name=name,
            domain=place[0],
            recording=recording,
            pieces=pieces,
        )


def memo_recording(backup: Backup, memo: VoiceMemo) -> Entry | None:
    """A memo's recording in its backup; None if it is not there."""
    return None if memo.recording is None else backup.entry(memo.domain, memo.recording)


def memo_transcript(backup: Backup, memo: VoiceMemo) -> str:
    """What the phone understood; empty if nothing. It reads the recording's head and its end."""
    entry = memo_recording(backup, memo)
    if entry is None:
        return ""
    try:
        with entry.open() as source:
            return transcript(source)
    except (OSError, FormatError, KeyRefused, PathRefused):
        return ""  # the copy of the recording reports what is wrong with it


def _edited(files: dict[str, Kind]) -> dict[str, tuple[str, ...]]:
    """The parts of edited memos, by the path of the whole one without its ending."""
    found: dict[str, list[str]] = {}
    for path, kind in files.items():
        stem, composition, _ = path.partition(f"{_EDITED}/")
        if composition and kind is Kind.FILE:
            found.setdefault(stem, []).append(path)
    return {stem: tuple(sorted(paths)) for stem, paths in found.items()}
