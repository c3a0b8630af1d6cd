"""Where a Files page is: an app, a folder or a file, by the names that stand in its address."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import BinaryIO, Final, NamedTuple

from ibackup.apple.app_places import AppPlace
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.rows import Kind
from ibackup.base.confined import PathRefused
from ibackup.explore.app_owners import Apps
from ibackup.explore.file_index import AppFiles, BelowFolder, FileIndex, IndexedFolder
from ibackup.explore.target_names import Namer, NameRules
from ibackup.view.asked import Asked
from ibackup.view.first_readings import FirstReading, read_first
from ibackup.view.not_shown import NotShown
from ibackup.view.opened.opened_backups import OpenedBackup
from ibackup.view.zip_stream import ZipMember

FILES_KEY: Final = "files"
LEFT_OUT: Final = "ibackup-not-in-this-zip.txt"
_AT_ONCE: Final = 24
"""Files that are opened each time the backup is taken: others wait for it meanwhile."""
_APP, _PLUGIN, _GROUP = "AppDomain-", "AppDomainPlugin-", "AppDomainGroup-"
_REASONS = (FileNotFoundError, FormatError, KeyRefused, PathRefused)


@contextmanager
def opened_files(asked: Asked) -> Iterator[tuple[OpenedBackup, FileIndex]]:
    """Open the backup that was asked for, with its files, for a short ``with`` block.

    Raises:
        StillReading: its list is being read.
        IbackupError: it cannot be read.
    """
    snapshot = asked.backup.snapshot
    expected = snapshot.meta.files if snapshot is not None else 0
    reading = FirstReading(
        FILES_KEY,
        "Reading the list of files",
        FILES_KEY,
        lambda backup, how_far: FileIndex.of(backup, expected, how_far),
    )
    read_first(asked, asked.backup, reading)
    with asked.open() as opened:
        yield opened, opened.once(FILES_KEY, lambda each: FileIndex.of(each.backup))


def domain_title(domain: str) -> str:
    """What one of the places is called in which an app keeps its files."""
    if domain.startswith(_PLUGIN):
        return f"Extension {domain.removeprefix(_PLUGIN)}"
    if domain.startswith(_GROUP):
        return f"Shared by its apps: {domain.removeprefix(_GROUP)}"
    if domain.startswith(_APP):
        return "The app\u2019s own files"
    return Apps({}).owner(domain).name


class FilePlace(NamedTuple):
    """What an address names; all empty for the overview."""

    app: str
    domain: str
    path: str

    @classmethod
    def of(cls, asked: Asked) -> "FilePlace":
        """From a query."""
        return cls(asked.query.get("app", ""), asked.query.get("in", ""), asked.query.get("path", ""))

    @property
    def name(self) -> str:
        """The last of its names."""
        return self.path.rpartition("/")[2] or self.domain

    def folder(self, index: FileIndex) -> IndexedFolder | None:
        """The folder of that name; None if it is none."""
        return index.folder(self.domain, self.path) if self.domain else None

    def chosen_app(self, index: FileIndex) -> AppFiles | None:
        """The app that was chosen, or to which the folder belongs. Raises NotShown."""
        if self.domain:
            return index.app_of(self.domain)
        if not self.app:
            return None
        found = index.app(self.app)
        if found is None:
            raise NotShown("This app has no files in this backup.", hint="Look in another backup.")
        return found


def no_such_file() -> NotShown:
    """The error for a file or folder that this backup does not have."""
    return NotShown(
        "This file is not in this backup.",
        why="It was made later, or it was gone already.",
        hint="Choose another backup below, or look for it in Search.",
    )


def open_content(asked: Asked, place: AppPlace) -> BinaryIO:
    """The content of a file of the chosen backup. Raises NotShown, IbackupError."""
    with asked.open() as opened:
        entry = opened.backup.entry(*place)
        if entry is None or entry.kind is not Kind.FILE:
            raise no_such_file()
        try:
            return entry.open()
        except (FileNotFoundError, PathRefused) as error:
            raise NotShown(
                "This file is missing in the backup.",
                why="The list of the backup names it, but it is not where it should be.",
                hint="Read the backup again from its timeline: that names all that is damaged.",
            ) from error


# -- as a zip -----------------------------------------------------------------------------------------------


class ZipEntry(NamedTuple):
    """A file to put into a zip: the folder that holds it there, its path in that folder, and where it is."""

    folder: str
    path: str
    found: BelowFolder


def zip_entries(name: str, folder: IndexedFolder) -> Iterator[ZipEntry]:
    """Everything below a folder, in a folder of that name."""
    start = len(folder.path) + 1 if folder.path else 0
    for each in folder.below():
        yield ZipEntry(name, each.path[start:], each)


def zip_members(asked: Asked, listed: Iterable[ZipEntry]) -> Iterator[ZipMember]:
    """The members of a zip with these files.

    A few files are opened at a time, since the backup is used by one thread at a time. A file that cannot be opened is
    named in a text at the end of the zip. Raises PasswordNeeded if the phone is locked meanwhile.
    """
    namer = Namer(NameRules.everywhere(), lambda _: None)
    namer.keep((LEFT_OUT,))
    absent: list[str] = []
    waiting: list[ZipEntry] = []
    for each in listed:
        waiting.append(each)
        if len(waiting) >= _AT_ONCE:
            yield from _opened(asked, waiting, namer, absent)
            waiting = []
    yield from _opened(asked, waiting, namer, absent)
    if absent:
        text = "These files could not be read from the backup, or not wholly:\r\n\r\n" + "\r\n".join(absent)
        made = int(asked.backup.made.timestamp()) if asked.backup.made else 0
        yield ZipMember(LEFT_OUT, made, partial(BytesIO, text.encode("utf-8", "replace")))


def _opened(asked: Asked, wanted: list[ZipEntry], namer: Namer, absent: list[str]) -> Iterator[ZipMember]:
    made: list[ZipMember] = []
    held: list[BinaryIO] = []
    try:
        with asked.open() as opened:
            for folder, path, each in wanted:
                entry = opened.backup.entry(each.domain, each.path)
                below = path or "."
                if entry is None or each.kind is Kind.LINK:
                    absent.append(f"{below} (a link)" if each.kind is Kind.LINK else below)
                    continue
                if each.kind is Kind.FOLDER:
                    parts = namer.folder(folder, path, entry.file_id)
                    made.append(ZipMember("/".join(parts), 0, None))
                    continue
                try:
                    source, modified = entry.open(), entry.mtime
                except _REASONS:
                    absent.append(below)
                    continue
                held.append(source)
                size = source.seek(0, os.SEEK_END)
                source.seek(0)
                if size < entry.size:
                    absent.append(f"{below} (the backup has {size:,} of its {entry.size:,} bytes)")
                parts = namer.file(folder, path, entry.file_id)
                made.append(ZipMember("/".join(parts), modified, partial(_same, source), size))
        yield from made
    finally:
        for source in held:
            source.close()


def _same(source: BinaryIO) -> BinaryIO:
    return source
