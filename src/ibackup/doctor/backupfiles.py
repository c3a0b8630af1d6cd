"""What a local backup, of ibackup or of any other tool, says about iCloud Backup. Nothing is written to it."""

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from ibackup.device import values
from ibackup.device.values import Values
from ibackup.doctor import phonefiles
from ibackup.doctor.evidence import (
    BackupSizes,
    Fact,
    LargeFile,
    NotedEvidence,
    PhoneNotes,
    Seen,
    Source,
    Unseen,
)
from ibackup.doctor.phonenotes import LARGEST, parse_notes
from ibackup.errors import IbackupError
from ibackup.manifest.backup import Backup
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.rows import BadRow, Kind, Row, file_id_of

T = TypeVar("T")

NOTES = "Library/Preferences/com.apple.MobileBackup.plist"
SETTINGS_VALUES = "Library/Preferences/com.apple.mobile.ldbackup.plist"
USER_SETTINGS = "Library/UserConfigurationProfiles/EffectiveUserSettings.plist"
ACCOUNTS = "Library/Accounts/Accounts3.sqlite"
NETWORKS = "com.apple.wifi.known-networks.plist"

_ELSEWHERE = (
    "watch an attempt (`ibackup doctor --watch`), or have the phone make a sysdiagnose (`ibackup doctor "
    "--from-sysdiagnose FILE`)"
)
_SHOWN_FILES = 10
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
            date = values.plausible(read())
        except FormatError:
            continue  # the next one may be whole
        if date is not None:
            return date
    return None


def read_notes(backup: Backup, source: Source) -> NotedEvidence:
    """The phone's notes in an unlocked backup, without sizes: a few small files."""
    now = source.date

    def fact(domains: tuple[str, ...], path: str, limit: int, parse: Callable[[bytes], T]) -> Fact[T]:
        return _fact(backup, source, domains, path, limit, parse)

    def notes(domain: str) -> Fact[PhoneNotes]:
        return fact((domain,), NOTES, LARGEST, lambda data: parse_notes(data, now))

    small = phonefiles.LARGEST_PLIST
    home = ("HomeDomain",)
    return NotedEvidence(
        notes=_fuller(notes("HomeDomain"), notes("RootDomain")),
        settings=fact(home, USER_SETTINGS, small, phonefiles.parse_user_settings),
        accounts=fact(home, ACCOUNTS, phonefiles.LARGEST_DATABASE, phonefiles.count_accounts),
        networks=fact(("SystemPreferencesDomain",), NETWORKS, small, phonefiles.parse_networks),
    )


def read_settings_values(backup: Backup, source: Source) -> Fact[Values]:
    """The switch and the dates, as lockdown would tell them."""
    return _fact(
        backup,
        source,
        ("HomeDomain", "RootDomain"),
        SETTINGS_VALUES,
        phonefiles.LARGEST_PLIST,
        phonefiles.parse_settings_values,
    )


def read_sizes(backup: Backup, source: Source) -> Fact[BackupSizes]:
    """Bytes by domain, and the largest videos and attachments, from the list of files alone."""
    domains: dict[str, int] = {}
    videos: list[tuple[int, str, str]] = []
    attachments: list[tuple[int, str, str]] = []
    try:
        for row in _files(backup):
            try:
                size = row.glance()[0]
            except FormatError:
                continue  # one bad record takes nothing from the others
            domains[row.domain] = domains.get(row.domain, 0) + size
            item = (size, row.domain, row.relative_path)
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
    """Versions differ in where they keep the notes; where both have some, those that say more are meant."""
    if not isinstance(home, Seen):
        return root if isinstance(root, Seen) else home
    if not isinstance(root, Seen):
        return home

    def weight(notes: PhoneNotes) -> int:
        return len(notes.errors) + len(notes.windows) + (notes.sizing is not None)

    return root if weight(root.value) > weight(home.value) else home


def _fact(
    backup: Backup,
    source: Source,
    domains: tuple[str, ...],
    path: str,
    limit: int,
    parse: Callable[[bytes], T],
) -> Fact[T]:
    why, mend = f"the backup does not hold {path.rpartition('/')[2]}", _ELSEWHERE
    for domain in domains:
        try:
            data = _read(backup, domain, path, limit)
            if data is not None:
                return Seen(parse(data), source)
        except (IbackupError, OSError) as error:
            why, mend = f"{path.rpartition('/')[2]} in the backup cannot be read ({_reason(error)})", ""
    return Unseen(why, mend)


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
        raise FormatError(path.rpartition("/")[2], f"it has more than {limit:,} bytes")
    return data


def _files(backup: Backup) -> Iterator[Row]:
    for row in backup.rows.rows():
        if not isinstance(row, BadRow) and row.kind is Kind.FILE:
            yield row


def _keep(heap: list[tuple[int, str, str]], item: tuple[int, str, str]) -> None:
    if len(heap) < _SHOWN_FILES:
        heapq.heappush(heap, item)
    elif item > heap[0]:
        heapq.heapreplace(heap, item)


def _largest(heap: list[tuple[int, str, str]]) -> tuple[LargeFile, ...]:
    return tuple(
        LargeFile(values.printable(domain), values.printable(path), size)
        for size, domain, path in sorted(heap, reverse=True)
    )


def _reason(error: Exception) -> str:
    if isinstance(error, FormatError):
        return error.flaw
    return error.what.rstrip(".") if isinstance(error, IbackupError) else type(error).__name__
