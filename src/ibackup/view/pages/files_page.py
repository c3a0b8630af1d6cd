"""Files: what takes the space, folder by folder, and each file with what it shows and its other versions."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from starlette.responses import Response

from ibackup.apple.app_places import AppPlace
from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.apple.rows import Kind
from ibackup.apple.verify.seal import sum_of_blob
from ibackup.base.confined import PathRefused
from ibackup.contents.previews.file_preview import file_preview, is_database
from ibackup.contents.previews.plist_preview import PlistNode
from ibackup.contents.previews.table_preview import tables_preview
from ibackup.contents.previews.text_preview import TextPreview
from ibackup.explore.file_index import AppFiles, FileIndex, IndexedFolder, ListedFile, ListedFolder
from ibackup.view.asked import Asked
from ibackup.view.file_places import (
    FilePlace,
    domain_title,
    no_such_file,
    open_content,
    opened_files,
    zip_entries,
    zip_members,
)
from ibackup.view.not_shown import NotShown
from ibackup.view.opened.media import media_response, shown_kind, streamed_download
from ibackup.view.opened.media_kinds import Family
from ibackup.view.shown_phones import ShownBackup
from ibackup.view.treemap import MapField, map_fields
from ibackup.view.way import Way
from ibackup.view.zip_stream import zip_stream

PART: Final = 200
"""Files and folders of a list before its next part."""
_MAPPED: Final = 14
_MAP: Final = (960.0, 380.0)
_GAP: Final = 2.0
_LETTER: Final = 9.0  # width of a letter in the map
_READING = (FormatError, KeyRefused, PathRefused, OSError)


@dataclass(frozen=True, slots=True)
class MappedApp:
    """An app in the map of sizes; ``fits`` says whether its name does."""

    app: AppFiles
    href: str
    field: MapField
    text: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file or folder of a list."""

    listed: ListedFolder | ListedFile
    href: str
    icon: str
    changed: datetime | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it holds others."""
        return isinstance(self.listed, ListedFolder)


@dataclass(frozen=True, slots=True)
class FileVersion:
    """The backups, next to each other, that have a file with the same content."""

    newest: ShownBackup
    oldest: ShownBackup
    backups: int
    href: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file and what it shows.

    Attributes:
        preview: one of the kinds of ``contents.previews``; None if nothing can be shown.
        look: which part of the template shows it.
        trouble: why its content cannot be read, as the end of a sentence; empty if it can.
    """

    name: str
    bytes: int
    changed: datetime | None
    kind: str
    target: str
    domain: str
    path: str
    file_id: str
    look: str
    preview: object = None
    trouble: str = ""


# -- the page -----------------------------------------------------------------------------------------------


def files(asked: Asked) -> Response:
    """The overview, an app, a folder, or a file in its folder."""
    place = FilePlace.of(asked)
    by_size = asked.query.get("sort") == "size"
    start = _number(asked.query.get("from", ""))
    with opened_files(asked) as (opened, index):
        app = place.chosen_app(index)
        facts = None
        folder = place.folder(index)
        if place.domain and folder is None:
            facts = _facts(asked, opened.backup, place)
            folder = index.folder(place.domain, place.path.rpartition("/")[0])
        elif folder is None and app is not None and len(app.domains) == 1:
            folder = index.folder(app.domains[0].name)
        rows = list(_rows(asked, opened.backup, folder, start, by_size=by_size)) if folder else []
    values: dict[str, object] = {
        "index": index,
        "app": app,
        "place": place,
        "folder": folder,
        "facts": facts,
        "rows": rows,
        "steps": _steps(asked, app, folder, facts),
        "parts": _parts(asked, app) if app is not None and folder is None else [],
        "mapped": _mapped(asked, index) if app is None else [],
        "earlier": _here(asked, folder, start - PART, by_size=by_size) if start and folder else "",
        "later": _here(asked, folder, start + PART, by_size=by_size)
        if folder and start + PART < folder.here
        else "",
        "by_size": by_size,
        "other_order": _here(asked, folder, 0, by_size=not by_size) if folder else "",
        "versions": _versions(asked, facts) if facts is not None and "look" in asked.query else None,
        "titled": domain_title,
        "title": facts.name if facts else place.name or (app.name if app else "") or "Files",
        "page": "files",
        "counts": {"files": index.files},
    }
    return asked.render("files.html", 200, **values)


def content(asked: Asked) -> Response:
    """The content of one file: shown if a browser may, or a download byte for byte."""
    place = FilePlace.of(asked)
    source = open_content(asked, AppPlace(place.domain, place.path))
    return media_response(source, asked.headers, name=place.name, download="download" in asked.query)


def as_zip(asked: Asked) -> Response:
    """A folder, an app or everything as a zip that is made while it is sent."""
    place = FilePlace.of(asked)
    with opened_files(asked) as (_, index):
        pass
    app = place.chosen_app(index)
    folder = place.folder(index)
    if place.domain and folder is None:
        raise no_such_file()
    if folder is not None:
        name = place.path.rpartition("/")[2] or domain_title(place.domain)
        entries = zip_entries(name, folder)
    else:
        apps = [app] if app is not None else index.apps
        name = app.name if app is not None else asked.phone.name
        folders = (index.folder(each.name) for one in apps for each in one.domains)
        entries = chain.from_iterable(zip_entries(each.domain, each) for each in folders if each is not None)
    chunks = zip_stream(zip_members(asked, entries))
    return streamed_download(chunks, f"{name}.zip", "application/zip")


# -- lists --------------------------------------------------------------------------------------------------


def _steps(
    asked: Asked, app: AppFiles | None, folder: IndexedFolder | None, facts: FileFacts | None
) -> list[tuple[str, str]]:
    """Where one is, from the overview on."""
    steps = [(asked.link("files"), "Files")]
    if app is not None:
        steps.append((asked.link("files", app=app.key), app.name))
    if folder is not None:
        if app is not None and len(app.domains) > 1:
            steps.append((_link(asked, folder.domain, ""), domain_title(folder.domain)))
        names = folder.path.split("/") if folder.path else []
        for depth, name in enumerate(names, 1):
            steps.append((_link(asked, folder.domain, "/".join(names[:depth])), name))
    if facts is not None:
        steps.append(("", facts.name))
    return [*steps[:-1], ("", steps[-1][1])]


def _parts(asked: Asked, app: AppFiles) -> list[tuple[str, str, ListedFolder]]:
    return [(_link(asked, each.name, ""), domain_title(each.name), each) for each in app.domains]


def _rows(
    asked: Asked, backup: Backup, folder: IndexedFolder, start: int, *, by_size: bool
) -> Iterator[FileRow]:
    for each in folder.listing(by_size=by_size, start=start, count=PART):
        path = f"{folder.path}/{each.name}" if folder.path else each.name
        href = _link(asked, folder.domain, path, sort="size" if by_size else None)
        if isinstance(each, ListedFolder):
            yield FileRow(each, href, "folder")
            continue
        entry = backup.entry(folder.domain, path)
        yield FileRow(each, href, "link" if each.is_link else _icon(each.name), _changed(entry))


def _icon(name: str) -> str:
    ending = name.rpartition(".")[2].lower()
    if ending in ("jpg", "jpeg", "png", "heic", "gif", "webp"):
        return "image"
    if ending in ("m4a", "mp3", "wav", "caf", "amr"):
        return "music"
    return "file"


def _changed(entry: Entry | None) -> datetime | None:
    with suppress(FormatError, OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(entry.mtime, UTC) if entry is not None and entry.mtime > 0 else None
    return None


def _here(asked: Asked, folder: IndexedFolder, start: int, *, by_size: bool) -> str:
    """The address of a part of the list."""
    part = str(start) if start > 0 else None
    return _link(asked, folder.domain, folder.path, sort="size" if by_size else None, **{"from": part})


def _link(asked: Asked, domain: str, path: str, **more: str | None) -> str:
    return asked.link("files", **{"in": domain, "path": path}, **more)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _mapped(asked: Asked, index: FileIndex) -> list[MappedApp]:
    """The largest apps as fields; what is small is one field."""
    apps = [each for each in index.apps if each.bytes]
    shown, small = apps[:_MAPPED], apps[_MAPPED:]
    if small:
        rest = AppFiles("", f"All else, {len(small)} apps and parts of the system")
        rest.bytes, rest.files = sum(each.bytes for each in small), sum(each.files for each in small)
        shown.append(rest)
        shown.sort(key=lambda each: -each.bytes)
    fields = map_fields([each.bytes for each in shown], *_MAP)
    return [_one_mapped(asked, app, field) for app, field in zip(shown, fields, strict=True)]


def _one_mapped(asked: Asked, app: AppFiles, field: MapField) -> MappedApp:
    inner = MapField(
        round(field.x + _GAP, 1),
        round(field.y + _GAP, 1),
        round(max(field.width - 2 * _GAP, 0.5), 1),
        round(max(field.height - 2 * _GAP, 0.5), 1),
    )
    letters = int((inner.width - 20) / _LETTER) if inner.height >= 30 else 0
    text = app.name if len(app.name) <= letters else f"{app.name[: letters - 1]}…" if letters > 4 else ""
    href = asked.link("files", app=app.key) if app.key else f"{asked.link('files')}#list"
    return MappedApp(app, href, inner, text)


# -- one file -----------------------------------------------------------------------------------------------


def _facts(asked: Asked, backup: Backup, place: FilePlace) -> FileFacts:
    entry = backup.entry(place.domain, place.path)
    if entry is None:
        raise no_such_file()
    try:
        record = entry.record
    except FormatError as error:
        raise NotShown("The list of this backup is damaged here.", why=error.message) from error
    look, preview, kind, trouble = "", None, "A link", ""
    if entry.kind is Kind.FILE:
        try:
            look, preview, kind = _preview(asked, backup, entry)
        except FileNotFoundError:
            trouble = "it is missing in the backup"
        except _READING as error:
            trouble = error.strerror or "" if isinstance(error, OSError) else getattr(error, "flaw", "")
            trouble = trouble or "it cannot be decrypted"
    return FileFacts(
        place.name,
        record.size,
        _changed(entry),
        kind,
        record.target or "",
        entry.domain,
        entry.relative_path,
        entry.file_id,
        look,
        preview,
        trouble,
    )


def _preview(asked: Asked, backup: Backup, entry: Entry) -> tuple[str, object, str]:
    """Which part of the template shows a file, what it shows, and the file's kind in words."""
    with entry.open() as source:
        head = source.read(64)
        if is_database(head):
            place = AppPlace(entry.domain, entry.relative_path)
            table, after = asked.query.get("table", ""), _row_number(asked.query.get("after", ""))
            return "tables", tables_preview(backup, place, table=table, after=after), "A database"
        kind = shown_kind(source)
        if kind is not None:
            looks = {
                Family.PICTURE: ("picture", "A picture"),
                Family.FILM: ("film", "A video"),
                Family.SOUND: ("sound", "A sound"),
            }
            look, said = looks[kind.family]
            return look, kind, said
        source.seek(0)
        found = file_preview(source)
    if isinstance(found, TextPreview):
        return ("text", found, "A text") if found.text else ("nothing", None, "An empty file")
    if isinstance(found, PlistNode):
        return "plist", found, "A property list"
    return "bytes", found, "A file"


def _row_number(text: str) -> int | None:
    with suppress(ValueError):
        number = int(text[:24])
        return number if -(1 << 63) <= number < 1 << 63 else None
    return None


def _versions(asked: Asked, facts: FileFacts) -> list[FileVersion]:
    """The file in all backups of the phone, the newest first, by the checksums that were made with each."""
    found: list[FileVersion] = []
    same: list[ShownBackup] = []
    last: str | None = None
    for backup in (*reversed(asked.phone.backups), None):
        now = None if backup is None else _sum(backup, facts.file_id)
        if now != last and same:
            found.append(_version(asked, facts, same))
            same = []
        last = now
        if backup is not None and now is not None:
            same.append(backup)
    return found


def _sum(backup: ShownBackup, file_id: str) -> str | None:
    if backup.snapshot is None:
        return None
    with suppress(OSError, ValueError):
        return sum_of_blob(backup.snapshot.seal_path, f"{file_id[:2]}/{file_id}") or sum_of_blob(
            backup.snapshot.seal_path, file_id
        )
    return None


def _version(asked: Asked, facts: FileFacts, same: Sequence[ShownBackup]) -> FileVersion:
    newest = same[0]
    at = None if newest == asked.phone.newest else newest.id
    href = _link(asked, facts.domain, facts.path, at=at or "")
    return FileVersion(newest, same[-1], len(same), href, asked.backup in same)


WAYS = (
    Way("GET", "/phone/{phone}/files", files),
    Way("GET", "/phone/{phone}/files/content", content, "data"),
    Way("GET", "/phone/{phone}/files/zip", as_zip, "data"),
)
