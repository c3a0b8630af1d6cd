"""Recordings taken out: one as it is, several in a zip, under names that people recognize."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ibackup.apple.entry import Entry
from ibackup.contents.time_zones import local_zone
from ibackup.explore.target_names import Namer, NameRules
from ibackup.export.recordings import recording_name
from ibackup.view.kinds_shown.entry_types import Download, dated
from ibackup.view.not_shown import NotShown
from ibackup.view.zip_stream import ZipMember, zip_stream

_CHUNK: Final = 256 * 1024


class TakenSound(NamedTuple):
    """A recording, with its title and its time."""

    title: str
    time: datetime | None
    entry: Entry


def sounds_download(title: str, sounds: Sequence[TakenSound], *, alone: bool) -> Download:
    """The recordings.

    Args:
        title: of all of them, for a zip.
        sounds: the recordings.
        alone: whether one entry was asked for; its parts, if it has several, still come in a zip.

    Raises:
        NotShown: there is none.
    """
    if not sounds:
        raise NotShown("The recording is not in this backup.", hint="Another backup may have it.")
    zone = local_zone()
    if alone and len(sounds) == 1:
        only = sounds[0]
        name = recording_name(only.entry, only.title, only.time, zone)
        return Download(name, "application/octet-stream", _whole(only.entry))
    names = Namer(NameRules.everywhere(), lambda _: None)
    members = [
        ZipMember(
            "/".join(names.place((), recording_name(each.entry, each.title, each.time, zone))),
            int(max(dated(each.time), 0)),
            each.entry.open,
        )
        for each in sounds
    ]
    return Download(f"{sounds[0].title if alone else title}.zip", "application/zip", zip_stream(members))


def _whole(entry: Entry) -> Iterator[bytes]:
    with entry.open() as source:
        while chunk := source.read(_CHUNK):
            yield chunk
