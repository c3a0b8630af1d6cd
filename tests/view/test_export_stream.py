"""An export as a zip that streams: the same files as in a folder, and nothing left behind when nobody takes it."""

import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.base.errors import IbackupError, NotABackup
from ibackup.explore.opening import own_copy
from ibackup.export import messages_export
from ibackup.export.earlier_exports import RECORD
from ibackup.export.export_request import ExportRequest
from ibackup.export.exporting import MISSING, export
from ibackup.export.kinds import KINDS
from ibackup.simulator.life.hard_life import hard_life
from ibackup.simulator.life.messages_db import MadeAttached, MadeMessages, MadeText, MadeThread, message_files
from ibackup.view.export_stream import ExportStream
from support.lives import backup_of
from support.minted import Mint

EVERYTHING = tuple(kind.name for kind in KINDS if kind.name != "photos")
"""Of photos, a folder also has links for the albums, which a zip cannot have."""


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@contextmanager
def lived(mint: Mint, password: str | None = None) -> Iterator[Backup]:
    with backup_of(mint, hard_life(0).files(26), password) as backup:
        yield backup


def zipped(backup: Backup, request: ExportRequest) -> dict[str, bytes]:
    stream = ExportStream(own_copy(backup), request)
    whole = b"".join(stream)
    stream.close()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        return {each.filename: archive.read(each) for each in archive.infolist()}


def in_folder(backup: Backup, request: ExportRequest) -> dict[str, bytes]:
    export(backup, request)
    top = Path(request.to)
    return {
        each.relative_to(top).as_posix(): each.read_bytes()
        for each in top.rglob("*")
        if each.is_file() and each.name != RECORD
    }


@pytest.mark.parametrize("form", ["html", "json", "csv", "txt"])
def test_the_zip_has_what_a_folder_would_have(mint: Mint, tmp_path: Path, form: str) -> None:
    with lived(mint) as backup:
        request = ExportRequest(
            to=str(tmp_path / "out"), kinds=EVERYTHING, formats=frozenset({form}), zone=UTC
        )
        found = zipped(backup, request)
        missing = found.pop(MISSING)
        assert b"attachments: a file that is not in this backup" in missing
        assert found == in_folder(backup, request)


def test_an_encrypted_backup_is_opened_once_more(mint: Mint, tmp_path: Path) -> None:
    with lived(mint, "secret") as backup:
        request = ExportRequest(to=str(tmp_path / "out"), kinds=("messages",), formats=frozenset({"txt"}))
        assert zipped(backup, request)["Messages/Crew/messages.txt"]


def test_one_conversation_alone(mint: Mint, tmp_path: Path) -> None:
    with lived(mint) as backup:
        request = ExportRequest(
            to="", kinds=("messages",), talk="dan@example.org", formats=frozenset({"txt"})
        )
        found = zipped(backup, request)
        assert set(found) - {MISSING} == {"Messages/Dan/messages.txt", "Messages/conversations.json"}


def test_a_browser_that_goes_away_ends_the_export(mint: Mint) -> None:
    """The content is more than waits between the two threads."""
    file = MadeAttached(name="large.bin", content=bytes(32 * 1024 * 1024))
    made = MadeMessages(
        handles={"ada": "+4915550000001/iMessage"},
        threads=(MadeThread(key="ada", handles=("ada",)),),
        texts=(MadeText(case="large", text="large", files=(file,)),),
    )
    with backup_of(mint, message_files(made, 26)) as backup:
        request = ExportRequest(to="", kinds=("messages",), formats=frozenset({"txt"}))
        stream = ExportStream(own_copy(backup), request)
        next(stream)
        assert "export" in [each.name for each in threading.enumerate()]
        stream.close()
        assert "export" not in [each.name for each in threading.enumerate()]


def test_an_error_reaches_who_reads(mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise NotABackup("It was removed meanwhile.")

    monkeypatch.setattr(messages_export, "_write_records", broken)
    with lived(mint) as backup:
        request = ExportRequest(to="", kinds=("messages",), formats=frozenset({"html"}))
        stream = ExportStream(own_copy(backup), request)
        with pytest.raises(IbackupError, match="removed meanwhile"):
            list(stream)
        stream.close()
        monkeypatch.setattr(messages_export, "export", broken)
        with pytest.raises(IbackupError, match="removed meanwhile"):
            ExportStream(own_copy(backup), request)
    assert "export" not in [each.name for each in threading.enumerate()]


def test_a_file_that_cannot_be_read_is_named(mint: Mint, tmp_path: Path) -> None:
    with lived(mint) as backup:
        request = ExportRequest(to="", kinds=("messages",), formats=frozenset({"txt"}))
        whole = zipped(backup, request)
        picture = next(name for name in whole if name.endswith("IMG_1.HEIC"))
        entry = next(
            each
            for each in backup.entries("MediaDomain", bad=lambda _row: None)
            if each.relative_path.endswith("IMG_1.HEIC")
        )
        Path(backup.path, entry.blob_path).unlink()
        found = zipped(backup, request)
        assert picture not in found
        assert picture in found[MISSING].decode()
