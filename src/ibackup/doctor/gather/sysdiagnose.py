"""Reads the same notes from a sysdiagnose archive, which a phone makes without any backup.

The archive is read as one stream, at most once from beginning to end. Nothing is unpacked to disk, and no name in it
is used as a path.
"""

import gzip
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar, cast

from ibackup.apple.format_errors import FormatError
from ibackup.base.errors import NotABackup
from ibackup.doctor.evidence.noted_evidence import NotedEvidence
from ibackup.doctor.evidence.sighting import EvidenceSource, Fact, Seen, Unseen
from ibackup.doctor.gather import phone_files, tar_stream
from ibackup.doctor.gather.phone_notes import LARGEST, parse_notes

T = TypeVar("T")

_NOTES = "/logs/MobileBackup/com.apple.MobileBackup.plist"
_SETTINGS = "/logs/MCState/User/EffectiveUserSettings.plist"
_WANTED = {_NOTES: LARGEST, _SETTINGS: phone_files.LARGEST_PLIST}

_HINT = "Give the sysdiagnose_….tar.gz that the phone made, complete and unchanged."


def read(path: str) -> tuple[NotedEvidence, EvidenceSource]:
    """The notes in an archive. No archive has accounts or sizes.

    Raises:
        NotABackup: it is not a sysdiagnose, is damaged, cannot be read, or has none of the files.
    """
    found: dict[str, bytes] = {}
    dates: list[int] = []
    try:
        with open(path, "rb") as raw:
            _collect(raw, found, dates)
    except (tar_stream.BadArchive, zlib.error, EOFError, gzip.BadGzipFile) as error:
        if not found:
            why = f"As an archive, {error}." if isinstance(error, tar_stream.BadArchive) else "It is damaged."
            raise NotABackup("The sysdiagnose cannot be read.", why=why, hint=_HINT) from None
    except OSError as error:
        if not found:
            why = f"{error.strerror or type(error).__name__}: {path}"
            raise NotABackup("The sysdiagnose cannot be read.", why=why, hint=_HINT) from None
    if not found:
        raise NotABackup(
            "The archive has nothing about iCloud Backup.",
            why="It lacks logs/MobileBackup/com.apple.MobileBackup.plist.",
            hint=_HINT,
        )
    date = _date(dates)
    source = EvidenceSource("sysdiagnose", date, "sysdiagnose")
    return (
        NotedEvidence(
            notes=_fact(found, _NOTES, source, lambda data: parse_notes(data, date)),
            settings=_fact(found, _SETTINGS, source, phone_files.parse_user_settings),
            accounts=Unseen("a sysdiagnose does not list accounts"),
            sizes=Unseen("a sysdiagnose has no list of files"),
        ),
        source,
    )


def _limit(name: str) -> int:
    return next((limit for ending, limit in _WANTED.items() if ("/" + name).endswith(ending)), 0)


def _collect(raw: BinaryIO, found: dict[str, bytes], dates: list[int]) -> None:
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    source: BinaryIO = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
    for member in tar_stream.files(source, _limit):
        ending = next(each for each in _WANTED if ("/" + member.name).endswith(each))
        if ending not in found:
            found[ending] = member.data
            dates.append(member.modified)
        if len(found) == len(_WANTED):
            return


def _fact(found: dict[str, bytes], name: str, source: EvidenceSource, parse: Callable[[bytes], T]) -> Fact[T]:
    short = name.rpartition("/")[2]
    data = found.get(name)
    if data is None:
        return Unseen(f"the sysdiagnose has no {short}")
    try:
        return Seen(parse(data), source)
    except FormatError as error:
        return Unseen(f"{short} in the sysdiagnose cannot be read ({error.flaw})")


def _date(dates: list[int]) -> datetime:
    """When it was made: the date of its newest file, because copying changes the archive's own date."""
    now = datetime.now(UTC)
    try:
        return min(datetime.fromtimestamp(max(dates), UTC), now)
    except (ValueError, OverflowError, OSError):
        return now
