"""The same notes out of a sysdiagnose archive, which a phone makes without any backup.

The archive is read as one stream, at most once from its beginning to its end; nothing is unpacked to the disk, and no
name in it is used as a path.
"""

import gzip
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar, cast

from ibackup.doctor import phonefiles, tarstream
from ibackup.doctor.evidence import Fact, NotedEvidence, Seen, Source, Unseen
from ibackup.doctor.phonenotes import LARGEST, parse_notes
from ibackup.errors import NotABackup
from ibackup.manifest.flaws import FormatError

T = TypeVar("T")

_NOTES = "/logs/MobileBackup/com.apple.MobileBackup.plist"
_SETTINGS = "/logs/MCState/User/EffectiveUserSettings.plist"
_NETWORKS = "/WiFi/com.apple.wifi.known-networks.plist"
_WANTED = {_NOTES: LARGEST, _SETTINGS: phonefiles.LARGEST_PLIST, _NETWORKS: phonefiles.LARGEST_PLIST}

_HINT = "Give the sysdiagnose_….tar.gz that the phone made, whole and as it is."


def read(path: str) -> tuple[NotedEvidence, Source]:
    """The notes in an archive. Accounts and sizes are in none.

    Raises:
        NotABackup: it is no such archive, is damaged, cannot be read, or holds none of the files.
    """
    found: dict[str, bytes] = {}
    dates: list[int] = []
    try:
        with open(path, "rb") as raw:
            _collect(raw, found, dates)
    except (tarstream.BadArchive, zlib.error, EOFError, gzip.BadGzipFile) as error:
        if not found:
            why = f"As an archive, {error}." if isinstance(error, tarstream.BadArchive) else "It is damaged."
            raise NotABackup("The sysdiagnose cannot be read.", why=why, hint=_HINT) from None
    except OSError as error:
        if not found:
            why = f"{error.strerror or type(error).__name__}: {path}"
            raise NotABackup("The sysdiagnose cannot be read.", why=why, hint=_HINT) from None
    if not found:
        raise NotABackup(
            "The archive holds nothing about iCloud Backup.",
            why="It lacks logs/MobileBackup/com.apple.MobileBackup.plist.",
            hint=_HINT,
        )
    date = _date(dates)
    source = Source("sysdiagnose", date, "sysdiagnose")
    return (
        NotedEvidence(
            notes=_fact(found, _NOTES, source, lambda data: parse_notes(data, date)),
            settings=_fact(found, _SETTINGS, source, phonefiles.parse_user_settings),
            accounts=Unseen("a sysdiagnose does not tell of accounts"),
            networks=_fact(found, _NETWORKS, source, phonefiles.parse_networks),
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
    for member in tarstream.files(source, _limit):
        ending = next(each for each in _WANTED if ("/" + member.name).endswith(each))
        if ending not in found:
            found[ending] = member.data
            dates.append(member.modified)
        if len(found) == len(_WANTED):
            return


def _fact(found: dict[str, bytes], name: str, source: Source, parse: Callable[[bytes], T]) -> Fact[T]:
    short = name.rpartition("/")[2]
    data = found.get(name)
    if data is None:
        return Unseen(f"the sysdiagnose does not hold {short}")
    try:
        return Seen(parse(data), source)
    except FormatError as error:
        return Unseen(f"{short} in the sysdiagnose cannot be read ({error.flaw})")


def _date(dates: list[int]) -> datetime:
    """When it was made: when its files were last written, since a copied archive is newer."""
    now = datetime.now(UTC)
    try:
        return min(datetime.fromtimestamp(max(dates), UTC), now)
    except (ValueError, OverflowError, OSError):
        return now
