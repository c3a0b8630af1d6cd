"""Write a plain backup folder whose Messages have many short texts; run as a program.

make_messages.py FOLDER COUNT [ATTACHMENTS]
"""

import itertools
import os
import random
import sqlite3
import sys
import tempfile
import uuid
from collections.abc import Iterator

from benching.plain_backup import PlainBackup

from ibackup.simulator.life.made_typedstream import message_body
from ibackup.simulator.life.messages_db import MEDIA_DOMAIN, MESSAGES_PATH, TEXTED, nanoseconds, tables

_PEOPLE = 300
_VOCABULARY = 30_000
_LENGTHS = (1, 3, 5, 8, 10, 15, 25)  # words
RARE = "quastenflosser"
"""Is in one message of a thousand."""


def make(folder: str, count: int, attachments: int = 0) -> None:
    """A finished, unencrypted backup that holds nothing but Messages; every tenth message or so has a picture."""
    backup = PlainBackup(folder)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as scratch:
        path = os.path.join(scratch, "sms.db")
        write_messages(path, count, attachments)
        backup.take(*MESSAGES_PATH, path)
    for number in range(1, attachments + 1):
        backup.add(MEDIA_DOMAIN, _place(number), _picture(number))
    backup.finish()


def _place(number: int) -> str:
    return f"Library/SMS/Attachments/{number % 256:02x}/{number % 16:02}/{number:08}/IMG_{number % 10_000:04}.JPG"


def _picture(number: int) -> bytes:
    return b"\xff\xd8\xff" + number.to_bytes(8, "big") * 1024


def write_messages(path: str, count: int, attachments: int, longest: int = 0) -> None:
    """The database of Messages alone, with about ``longest`` of them in one conversation."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = OFF")
    for name, columns in tables(17).items():
        database.execute(f"CREATE TABLE {name} ({columns})")
    for person in range(1, _PEOPLE + 1):
        number = f"+4917{person:08d}"
        database.execute(
            "INSERT INTO handle (ROWID, id, service) VALUES (?, ?, 'iMessage')", (person, number)
        )
        database.execute(
            "INSERT INTO chat (ROWID, guid, style, chat_identifier, service_name) VALUES (?, ?, 45, ?, 'iMessage')",
            (person, f"iMessage;-;{number}", number),
        )
        database.execute("INSERT INTO chat_handle_join VALUES (?, ?)", (person, person))
    database.executemany(
        "INSERT INTO message (ROWID, guid, attributedBody, handle_id, is_from_me, service, date) "
        "VALUES (?, ?, ?, ?, ?, 'iMessage', ?)",
        _rows(count, count // longest if longest else 0),
    )
    database.execute("INSERT INTO chat_message_join SELECT handle_id, ROWID, date FROM message")
    database.executemany(
        "INSERT INTO attachment (ROWID, guid, filename, transfer_name, mime_type, total_bytes) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            (
                number,
                f"at_{number}",
                f"~/{_place(number)}",
                f"IMG_{number % 10_000:04}.JPG",
                "image/jpeg",
                8195,
            )
            for number in range(1, attachments + 1)
        ),
    )
    step = count // attachments if attachments else 0
    database.executemany(
        "INSERT INTO message_attachment_join VALUES (?, ?)",
        ((number * step, number) for number in range(1, attachments + 1)),
    )
    database.execute(
        "UPDATE message SET cache_has_attachments = 1 WHERE ROWID IN (SELECT message_id FROM message_attachment_join)"
    )
    database.commit()
    database.close()


def _rows(count: int, every: int) -> Iterator[tuple[object, ...]]:
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlucmfwyp", k=rng.randint(2, 9))) for _ in range(_VOCABULARY)]
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(_VOCABULARY)))
    for number in range(1, count + 1):
        text = " ".join(rng.choices(words, cum_weights=weights, k=rng.choice(_LENGTHS)))
        text = f"{text} {RARE}" if number % 1000 == 0 else text
        guid = str(uuid.UUID(int=rng.getrandbits(128))).upper()
        person = 1 if every and number % every == 0 else rng.randint(1, _PEOPLE)
        yield number, guid, message_body(text), person, number % 2, nanoseconds(TEXTED + 60 * number)


if __name__ == "__main__":
    make(sys.argv[1], *(int(each) for each in sys.argv[2:]))
