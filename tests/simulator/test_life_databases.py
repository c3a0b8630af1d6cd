"""The databases of a phone's life are databases, whatever the iOS; what is in them is judged by the readers' tests."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain

import pytest

from ibackup.simulator.life import (
    health_db,
    note_cases,
    notes_db,
    photo_cases,
    photos_db,
    whatsapp_cases,
    whatsapp_db,
)
from ibackup.simulator.life.life_file import LifeFile


def life_files(ios: int) -> Iterator[LifeFile]:
    return chain(
        photos_db.files(photo_cases.ASSETS, photo_cases.ALBUMS, ios=ios),
        notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=ios),
        whatsapp_db.files(whatsapp_cases.MADE),
        health_db.files(health_db.SAMPLES, ios=ios),
    )


@pytest.mark.parametrize("ios", sorted(photos_db.JOINS))
def test_every_database_is_sound_and_no_two_files_have_one_place(ios: int) -> None:
    files = list(life_files(ios))
    assert len({(file.domain, file.path) for file in files}) == len(files)
    databases = [file for file in files if file.path.endswith((".sqlite", ".db"))]
    assert len(databases) == 7
    for file in databases:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(file.data)
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_same_life_has_the_same_bytes() -> None:
    assert list(life_files(17)) == list(life_files(17))
