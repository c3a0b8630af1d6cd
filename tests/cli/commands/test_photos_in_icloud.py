"""``now``, ``show`` and ``status`` say how many photos are only in iCloud; an unreadable library costs no backup."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.life import photo_cases, photos_db
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.records.photo_originals import PhotoOriginals

Plug = Callable[..., list[VirtualPhone]]
SAID = "4 of 31 photos and videos are only in iCloud; this backup holds small versions of 3 of them"
COUNTED = {"total": 31, "only_in_icloud": 4, "stand_ins": 3, "lost": 2}


@pytest.fixture(autouse=True)
def new_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "new"))
    return tmp_path / "new"


def give_photos(phone: VirtualPhone) -> None:
    for file in photos_db.files(photo_cases.ASSETS, photo_cases.ALBUMS, ios=18):
        phone.files.write(file.domain, file.path, file.data, modified=file.modified)


@pytest.mark.parametrize("spec", [ANN, BOB], ids=["plain", "encrypted"])
def test_the_number_is_told_where_people_look(
    ibackup: Cli, plugged: Plug, password_file: Path, spec: PhoneSpec
) -> None:
    [phone] = plugged(spec)
    give_photos(phone)
    done = ibackup("now", "--password-file", password_file)
    assert done.code == 0
    assert f'{SAID}. To back up the originals, choose "Download and Keep Originals" in Settings' in done.flat
    assert SAID in ibackup("show").flat
    assert f"{SAID}." in ibackup("status").flat
    assert ibackup("show", "--json").result["photos"] == COUNTED
    rows = ibackup("status", "--json").result["phones"]
    assert isinstance(rows, list)
    assert [row["photos"] for row in rows] == [COUNTED]
    assert ibackup("now", "--json", "--password-file", password_file).result["photos"] == COUNTED


def test_an_encrypted_backup_without_its_password_has_no_number(ibackup: Cli, plugged: Plug) -> None:
    [phone] = plugged(BOB)
    give_photos(phone)
    assert ibackup("now", "--json").result["photos"] is None
    assert "only in iCloud; this backup" not in ibackup("status").flat


def test_a_phone_with_all_its_photos_says_nothing(ibackup: Cli, plugged: Plug) -> None:
    [phone] = plugged(ANN)
    assets = tuple(asset for asset in photo_cases.ASSETS if asset.says.get("holds") == "original")
    for file in photos_db.files(assets, (), ios=18):
        phone.files.write(file.domain, file.path, file.data, modified=file.modified)
    done = ibackup("now", "--json")
    assert done.result["photos"] == {"total": len(assets) - 1, "only_in_icloud": 0, "stand_ins": 0, "lost": 0}
    assert "only in iCloud; this backup" not in ibackup("show").flat


@pytest.mark.parametrize("data", [b"", b"no database" * 999], ids=["empty", "no database"])
def test_an_unreadable_library_costs_only_the_number(ibackup: Cli, plugged: Plug, data: bytes) -> None:
    [phone] = plugged(ANN)
    phone.files.write(photos_db.DOMAIN, photos_db.LIBRARY, data)
    done = ibackup("now", "--json")
    assert done.code == 0
    assert done.result["photos"] is None


def test_whatever_the_library_does_the_backup_is_made(
    ibackup: Cli, plugged: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("ibackup.contents.photos.only_in_icloud.OnlyInICloud.of", explode)
    plugged(ANN)
    assert ibackup("now", "--json").result["photos"] is None


def test_an_import_counts_too(ibackup: Cli, plugged: Plug, tmp_path: Path, new_store: Path) -> None:
    [phone] = plugged(ANN)
    give_photos(phone)
    made = ibackup("now", "--json").result["path"]
    done = ibackup("--store", tmp_path / "other", "import", "--settled", str(made))
    assert done.code in (ExitCode.OK, ExitCode.FLAWED)
    assert ibackup("--store", tmp_path / "other", "show", "--json").result["photos"] == COUNTED


@pytest.mark.parametrize(
    ("counted", "how_many", "holds"),
    [
        (
            PhotoOriginals(12_480, 3_100, 3_100, 0),
            "3,100 of 12,480 photos and videos are",
            "small versions of them",
        ),
        (PhotoOriginals(10, 4, 3, 0), "4 of 10 photos and videos are", "small versions of 3 of them"),
        (PhotoOriginals(10, 4, 0, 0), "4 of 10 photos and videos are", "nothing of them"),
        (PhotoOriginals(10, 1, 1, 0), "1 of 10 photos and videos is", "a small version of it"),
        (PhotoOriginals(10, 1, 0, 0), "1 of 10 photos and videos is", "nothing of it"),
    ],
)
def test_the_sentence(counted: PhotoOriginals, how_many: str, holds: str) -> None:
    assert counted.said == f"{how_many} only in iCloud; this backup holds {holds}"


def test_no_sentence_if_all_are_here() -> None:
    assert PhotoOriginals(10, 0, 0, 3).said == ""
