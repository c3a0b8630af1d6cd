"""Which photos are gone, from the lists of several backups."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from ibackup.apple.backup import Backup
from ibackup.base.errors import PasswordNeeded
from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.photo_history import GonePhoto, PhotoHistory
from ibackup.contents.photos.photo_library import PhotoLibrary
from ibackup.contents.photos.photo_lines import PhotoIndex
from ibackup.simulator.life import photos_db
from ibackup.simulator.life.photos_db import MadeAsset
from support.minted import Mint, Minted, Spec

_CAMERA = "DCIM/100APPLE"


@dataclass(frozen=True)
class Dated:
    """A backup of a day."""

    id: str
    path: str
    made: datetime | None


def _photo(number: int, *, uuid: str = "", content: bytes = b"", **columns: object) -> MadeAsset:
    name = f"IMG_{number:04}.HEIC"
    more = {"ZUUID": uuid} if uuid else {}
    return MadeAsset(
        case="",
        name=name,
        columns=more | columns,
        files=(f"{_CAMERA}/{name}",),
        content=content or name.encode(),
    )


MakeBackup = Callable[[int, Sequence[MadeAsset]], Dated]


@pytest.fixture(params=[None, "secret"], ids=["plain", "encrypted"])
def password(request: pytest.FixtureRequest) -> str | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def make(mint: Mint, password: str | None) -> MakeBackup:
    """Makes the backup of a day in November 2026."""

    def made(day: int, assets: Sequence[MadeAsset]) -> Dated:
        files = photos_db.files(tuple(assets), (), ios=18)
        found: Minted = mint(
            password, specs=[Spec(each.domain, each.path, content=each.data) for each in files]
        )
        return Dated(f"day {day}", str(found.folder), datetime(2026, 11, day, 22, tzinfo=UTC))

    return made


def _history(backups: Sequence[Dated], password: str | None) -> PhotoHistory:
    with Backup.open(backups[-1].path) as backup:
        backup.unlock(password)
        library = PhotoLibrary.open(backup, Gaps())
        assert library is not None
        with closing(library):
            index = PhotoIndex(library.lines())
    return PhotoHistory(backups, index, lambda backup: backup.unlock(password))


def test_a_photo_that_is_gone_has_the_two_backups_between_which_it_went(
    make: MakeBackup, password: str | None
) -> None:
    kept, early, late = _photo(1), _photo(2), _photo(3)
    days = [
        make(1, [kept, early, late]),
        make(2, [kept, early, late]),
        make(3, [kept, late]),
        make(4, [kept]),
    ]
    history = _history(days, password)
    assert (history.looked_at, history.total, history.done) == (0, 4, False)
    history.look(0)
    assert (history.looked_at, list(history.gone)) == (1, [])
    history.look(500)
    assert history.done
    assert [(each.line.id, each.backup) for each in history.gone] == [
        (late.uuid, "day 3"),
        (early.uuid, "day 2"),
    ]
    assert (history.gone[1].after, history.gone[1].before) == (days[1].made, days[2].made)
    path = f"Media/{_CAMERA}"
    assert history.backups_with(f"{path}/IMG_0001.HEIC") == ["day 4", "day 3", "day 2", "day 1"]
    assert history.backups_with(f"{path}/IMG_0002.HEIC") == ["day 2", "day 1"]
    assert history.backups_with(f"{path}/IMG_0009.HEIC") == []


def test_each_photo_that_is_gone_is_told_while_its_backup_is_open(
    make: MakeBackup, password: str | None
) -> None:
    heard = []

    def found(backup: Backup, photo: GonePhoto) -> None:
        entry = backup.entry(photos_db.DOMAIN, photo.line.path)
        assert entry is not None
        with entry.open() as source:
            heard.append((photo.line.id, source.read()))

    days = [make(1, [_photo(1), _photo(2)]), make(2, [_photo(1)])]
    history = PhotoHistory(days, {_photo(1).uuid}, lambda backup: backup.unlock(password), found)
    history.look(500)
    assert heard == [(_photo(2).uuid, b"IMG_0002.HEIC")]


def test_a_photo_whose_file_went_to_icloud_alone_is_not_gone(make: MakeBackup, password: str | None) -> None:
    here = _photo(1)
    cloud = MadeAsset(case="", name=here.name, columns={"ZCLOUDPLACEHOLDERKIND": 3})
    history = _history([make(1, [here]), make(2, [cloud])], password)
    history.look(500)
    assert not history.gone
    assert not history.unread


def test_a_photo_of_which_only_a_small_version_is_left_is_gone_too(
    make: MakeBackup, password: str | None
) -> None:
    def small(number: int) -> MadeAsset:
        return replace(
            _photo(number), files=(f"PhotoData/Thumbnails/V2/{_CAMERA}/IMG_{number:04}.HEIC/5005.JPG",)
        )

    days = [
        make(1, [_photo(1), _photo(2), small(3)]),
        make(2, [_photo(1), small(2), small(3), small(4)]),
        make(3, [_photo(1), small(4)]),
    ]
    history = _history(days, password)
    history.look(500)
    found = {each.line.id: (each.backup, each.is_small) for each in history.gone}
    assert found == {_photo(2).uuid: ("day 1", False), _photo(3).uuid: ("day 2", True)}
    assert {(each.after, each.before) for each in history.gone} == {(days[1].made, days[2].made)}


def test_a_photo_whose_name_another_one_got_is_gone(make: MakeBackup, password: str | None) -> None:
    first = _photo(1, content=b"first")
    second = _photo(1, uuid="11111111-2222-4333-8444-555555555555", content=b"the second")
    history = _history([make(1, [first]), make(2, [first]), make(3, [second])], password)
    history.look(500)
    assert [(each.line.id, each.backup) for each in history.gone] == [(first.uuid, "day 2")]


def test_burst_frames_hidden_and_shared_pictures_do_not_count(make: MakeBackup, password: str | None) -> None:
    odd = [_photo(2, ZVISIBILITYSTATE=2), _photo(3, ZHIDDEN=1), _photo(4, ZSAVEDASSETTYPE=12)]
    recently_deleted = _photo(5, ZTRASHEDSTATE=1)
    history = _history([make(1, [*odd, recently_deleted]), make(2, [_photo(1)])], password)
    history.look(500)
    assert [each.line.id for each in history.gone] == [recently_deleted.uuid]


def test_a_backup_that_cannot_be_read_is_named_and_the_others_count(
    make: MakeBackup, password: str | None
) -> None:
    first = _photo(1)
    days = [make(1, [first]), make(2, [first]), make(3, [_photo(2)])]
    with open(f"{days[1].path}/Manifest.db", "wb") as file:
        file.write(b"damaged")
    history = _history(days, password)
    history.look(500)
    assert history.unread == ["day 2"]
    assert [(each.line.id, each.backup) for each in history.gone] == [(first.uuid, "day 1")]
    assert history.gone[0].before == days[2].made


def test_a_backup_with_another_password_is_named(mint: Mint) -> None:
    files = list(photos_db.files((_photo(1),), (), ios=18))
    specs = [Spec(each.domain, each.path, content=each.data) for each in files]
    days = [Dated(word, str(mint(word, specs=specs).folder), None) for word in ("older", "newer")]
    history = PhotoHistory(days, (), lambda backup: backup.unlock("newer"))
    history.look(500)
    assert history.unread == ["older"]
    assert history.backups_with(f"Media/{_CAMERA}/IMG_0001.HEIC") == ["newer"]


def test_after_it_is_closed_nothing_is_looked_at_or_known(make: MakeBackup, password: str | None) -> None:
    def refuse(_backup: Backup) -> None:
        raise PasswordNeeded("It is locked.")

    history = PhotoHistory([make(1, [_photo(1)])], (), refuse)
    history.close()
    history.look(500)
    assert history.looked_at == 0
