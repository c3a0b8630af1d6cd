"""What a local backup, of ibackup or of any other tool, says about iCloud Backup. Nothing is written to it."""

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from ibackup.apple import plist_values
from ibackup.apple.backup import Backup
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.format_errors import FormatError
from ibackup.apple.plist_values import Values
from ibackup.apple.rows import BadRow, Kind, Row
from ibackup.base.errors import IbackupError
from ibackup.doctor.evidence.noted_evidence import BackupSizes, LargeFile, NotedEvidence, PhoneNotes
from ibackup.doctor.evidence.sighting import EvidenceSource, Fact, Seen, Unseen
from ibackup.doctor.gather import phone_files
from ibackup.doctor.gather.phone_notes import LARGEST, parse_notes

T = TypeVar("T")

NOTES = "Library/Preferences/com.apple.MobileBackup.plist"
SETTINGS_VALUES = "Library/Preferences/com.apple.mobile.ldbackup.plist"
USER_SETTINGS = "Library/UserConfigurationProfiles/EffectiveUserSettings.plist"
ACCOUNTS = "Library/Accounts/Accounts3.sqlite"

_ELSEWHERE = (
    "watch an attempt (`ibackup doctor --watch`), or make a sysdiagnose on the phone (`ibackup doctor "
    "--from-sysdiagnose FILE`)"
)
_SHOWN_FILES = 10
_MOST_DOMAINS = 10_000
_VIDEOS = (".mov", ".mp4", ".m4v", ".avi", ".3gp")
_ATTACHMENTS = ("Library/SMS/Attachments/", "Library/Messages/Attachments/", "Message/Media/")


def backup_date(backup: Backup) -> datetime | None:
    """When the backup was made, as its plists say."""
    readers: tuple[Callable[[], datetime | None], ...] = (
        lambda: backup.status.date,
        lambda: backup.manifest.date,
        lambda: backup.info.last_backup_date,
    )
    for read in readers:
        try:
            date = plist_values.plausible(read())
        except FormatError:
            continue  # the next one may be whole
        if date is not None:
            return date
    return None


def read_notes(backup: Backup, source: EvidenceSource) -> NotedEvidence:
    """The phone's notes in an unlocked backup, without sizes: a few small files."""
    now = source.date

    def fact(domains: tuple[str, ...], path: str, limit: int, parse: Callable[[bytes], T]) -> Fact[T]:
        return _fact(backup, source, domains, path, limit, parse)

    def notes(domain: str) -> Fact[PhoneNotes]:
        return fact((domain,), NOTES, LARGEST, lambda data: parse_notes(data, now))

    small = phone_files.LARGEST_PLIST
    home = ("HomeDomain",)
    return NotedEvidence(
        notes=_fuller(notes("HomeDomain"), notes("RootDomain")),
        settings=fact(home, USER_SETTINGS, small, phone_files.parse_user_settings),
        accounts=fact(home, ACCOUNTS, phone_files.LARGEST_DATABASE, phone_files.count_accounts),
    )


def read_settings_values(backup: Backup, source: EvidenceSource) -> Fact[Values]:
    """The switch and the dates, in the form in which lockdown reports them."""
    return _fact(
        backup,
        source,
        ("HomeDomain", "RootDomain"),
        SETTINGS_VALUES,
        phone_files.LARGEST_PLIST,
        phone_files.parse_settings_values,
    )


def read_sizes(backup: Backup, source: EvidenceSource) -> Fact[BackupSizes]:
    """Bytes by domain, and the largest videos and attachments, from the list of files alone."""
    domains: dict[str, int] = {}
    videos: list[tuple[int, str]] = []
    attachments: list[tuple[int, str]] = []
    try:
        for row in _files(backup):
            try:
                size = row.glance()[0]
            except FormatError:
                continue  # one bad record must not hide the others
            if row.domain in domains or len(domains) < _MOST_DOMAINS:
                domains[row.domain] = domains.get(row.domain, 0) + size
            item = (size, row.relative_path)
            if any(part in row.relative_path for part in _ATTACHMENTS):
                _keep(attachments, item)
            elif row.relative_path.lower().endswith(_VIDEOS):
                _keep(videos, item)
    except IbackupError as error:
        return Unseen(f"the backup's list of files cannot be read ({_reason(error)})")
    sizes = BackupSizes(
        domains=dict(sorted(domains.items(), key=lambda each: -each[1])),
        videos=_largest(videos),
        attachments=_largest(attachments),
    )
    return Seen(sizes, source)


def _fuller(home: Fact[PhoneNotes], root: Fact[PhoneNotes]) -> Fact[PhoneNotes]:
    """IOS versions keep the notes in different files; if both exist, take the one that says more."""
    if not isinstance(home, Seen):
        return root if isinstance(root, Seen) else home
    if not isinstance(root, Seen):
        return home

    def weight(notes: PhoneNotes) -> int:
        return len(notes.errors) + len(notes.windows) + (notes.sizing is not None)

    return root if weight(root.value) > weight(home.value) else home


def _fact(
    backup: Backup,
    source: EvidenceSource,
    domains: tuple[str, ...],
    path: str,
    limit: int,
    parse: Callable[[bytes], T],
) -> Fact[T]:
    why, fix = f"the backup has no {path.rpartition('/')[2]}", _ELSEWHERE
    for domain in domains:
        try:
            data = _read(backup, domain, path, limit)
            if data is not None:
                return Seen(parse(data), source)
        except (IbackupError, OSError) as error:
            why, fix = f"{path.rpartition('/')[2]} in the backup cannot be read ({_reason(error)})", ""
    return Unseen(why, fix)


def _read(backup: Backup, domain: str, path: str, limit: int) -> bytes | None:
    row = backup.rows.row(file_id_of(domain, path))
    if not isinstance(row, Row) or row.kind is not Kind.FILE:
        return None
    entry = backup.entry(domain, path)
    if entry is None:
        return None
    with entry.open() as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise FormatError(path.rpartition("/")[2], f"it is larger than {limit:,} bytes")
    return data


def _files(backup: Backup) -> Iterator[Row]:
    for row in backup.rows.rows():
        if not isinstance(row, BadRow) and row.kind is Kind.FILE:
            yield row


def _keep(heap: list[tuple[int, str]], item: tuple[int, str]) -> None:
    if len(heap) < _SHOWN_FILES:
        heapq.heappush(heap, item)
    elif item > heap[0]:
        heapq.heapreplace(heap, item)


def _largest(heap: list[tuple[int, str]]) -> tuple[LargeFile, ...]:
    return tuple(LargeFile(plist_values.printable(path), size) for size, path in sorted(heap, reverse=True))


def _reason(error: Exception) -> str:
    if isinstance(error, FormatError):
        return error.flaw
    return error.what.rstrip(".") if isinstance(error, IbackupError) else type(error).__name__
