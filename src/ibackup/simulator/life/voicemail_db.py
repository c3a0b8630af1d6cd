"""A voicemail box made by code, with what a correct reader says of each message.

Columns: seen in real boxes of iOS 15 and 16, which were empty. The meaning of `flags` is unconfirmed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_archive import OfClass, keyed_archive
from ibackup.simulator.life.made_database import MadeDatabase, stamp

BOX = ("HomeDomain", "Library/Voicemail/voicemail.db")
RECEIVED = 1_716_100_000
"""The first message: 2024-05-19T06:26:40Z; each further one is an hour later."""
SOUND = b"#!AMR\n" + b"\x7c" * 640
_TABLES = {
    "voicemail": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, remote_uid INTEGER, date INTEGER, token TEXT, sender TEXT,"
    " callback_num TEXT, duration INTEGER, expiration INTEGER, trashed_date INTEGER, flags INTEGER, receiver TEXT,"
    " label TEXT",
    "map": "label TEXT, account TEXT",
}


@dataclass(frozen=True, kw_only=True)
class MadeVoicemail:
    """A message in the box.

    Attributes:
        case: what is special about it.
        columns: of its row.
        sound: its recording; empty: the backup has none.
        transcript: what the phone understood; empty: nothing.
        says: what a correct reader says of it, by the names of its fields.
    """

    case: str
    columns: Mapping[str, object] = field(default_factory=dict)
    sound: bytes = SOUND
    transcript: str = ""
    says: Mapping[str, object] = field(default_factory=dict)


VOICEMAILS: tuple[MadeVoicemail, ...] = (
    MadeVoicemail(
        case="heard, with transcript",
        columns={"sender": "+441632960001", "flags": 67, "duration": 12},
        transcript="Call me back, please.",
        says={
            "time": "2024-05-19T06:26:40+00:00",
            "sender": "+441632960001",
            "seconds": 12,
            "heard": True,
            "deleted": None,
            "transcript": "Call me back, please.",
            "recording": "Library/Voicemail/1.amr",
        },
    ),
    MadeVoicemail(case="new", columns={"sender": "+441632960002", "flags": 3}, says={"heard": False}),
    MadeVoicemail(
        case="deleted",
        columns={"sender": "+441632960003", "flags": 75, "trashed_date": stamp(RECEIVED + 9000)},
        says={"deleted": "2024-05-19T08:56:40+00:00", "heard": True},
    ),
    MadeVoicemail(
        case="without sound", columns={"sender": "+441632960004"}, sound=b"", says={"recording": None}
    ),
    MadeVoicemail(
        case="without number",
        columns={"sender": None, "callback_num": "+441632960005"},
        says={"sender": "", "callback": "+441632960005"},
    ),
    MadeVoicemail(
        case="odd values",
        columns={
            "date": "noon",
            "duration": -1,
            "trashed_date": 0,
            "flags": None,
            "sender": b"+441632960006",
        },
        says={"time": None, "seconds": None, "deleted": None, "heard": None, "sender": "+441632960006"},
    ),
)


def voicemail_box(voicemails: tuple[MadeVoicemail, ...] = VOICEMAILS) -> Iterator[LifeFile]:
    """The box's database, the recordings and the transcripts."""
    box = MadeDatabase(_TABLES)
    changed = RECEIVED + 3600 * len(voicemails)
    for place, voicemail in enumerate(voicemails):
        usual = {"date": RECEIVED + 3600 * place, "duration": 5, "trashed_date": 0, "flags": 67}
        row = box.add("voicemail", {**usual, **voicemail.columns})
        if voicemail.sound:
            yield LifeFile(BOX[0], f"Library/Voicemail/{row}.amr", voicemail.sound, changed)
        if voicemail.transcript:
            said = {"transcriptionString": voicemail.transcript, "confidence": 0.9}
            data = keyed_archive(OfClass("VMVoicemailTranscript", said))
            yield LifeFile(BOX[0], f"Library/Voicemail/{row}.transcript", data, changed)
    yield LifeFile(*BOX, box.data(), changed)
