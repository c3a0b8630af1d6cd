"""Exports of messages, photos, notes and more from databases whose cells and bytes are changed at random."""

import random
from itertools import chain
from pathlib import Path

import pytest

from ibackup.export.export_request import ExportRequest
from ibackup.export.exporting import export
from ibackup.simulator.life import (
    health_db,
    messages_db,
    note_cases,
    notes_db,
    photo_cases,
    photos_db,
    thread_cases,
    whatsapp_cases,
    whatsapp_db,
)
from ibackup.simulator.life.life_file import LifeFile
from support.lives import backup_of
from support.minted import Mint
from support.odd_databases import Change, with_odd_bytes, with_odd_cells


def life(ios: int) -> list[LifeFile]:
    return list(
        chain(
            photos_db.files(photo_cases.ASSETS, photo_cases.ALBUMS, ios=ios),
            notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=ios),
            whatsapp_db.files(whatsapp_cases.MADE),
            health_db.files(health_db.SAMPLES, ios=ios),
            messages_db.message_files(thread_cases.MADE_MESSAGES, ios),
        )
    )


@pytest.mark.parametrize("change", [with_odd_cells, with_odd_bytes])
@pytest.mark.parametrize("seed", range(10))
def test_no_value_and_no_damage_ends_an_export(mint: Mint, tmp_path: Path, change: Change, seed: int) -> None:
    rng = random.Random(seed)
    files = [
        LifeFile(file.domain, file.path, change(file.data, rng), file.modified)
        if file.path.endswith((".sqlite", ".db"))
        else file
        for file in life(rng.choice((13, 17, 26)))
    ]
    with backup_of(mint, files) as backup:
        kinds = ("messages", "photos", "notes", "whatsapp", "health")
        request = ExportRequest(
            str(tmp_path / "out"), kinds, note_format=rng.choice(("html", "markdown")), immich=True
        )
        result = export(backup, request)
    assert result.files or result.gaps
    inside = {path.name for path in tmp_path.iterdir()}
    assert inside == {"out", "snapshot1"}
