"""Backups that other programs made, taken into a store; what they were made by is never ours."""

import contextlib
import hashlib
import json
import os
import plistlib
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base import disks
from ibackup.base.errors import (
    DamageFound,
    IbackupError,
    NoRoom,
    NotABackup,
    PasswordWrong,
    PhoneBusy,
    UsageError,
)
from ibackup.jobs.keeping import import_checks, importing
from ibackup.jobs.keeping.importing import Adopted, ImportRequest, adopt
from ibackup.store.disk.json_records import JsonRecord
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from store.work.test_killed import killed_at
from support.minted import UDID, Mint, Minted, Spec, tree_of
from support.runs import PASSWORD, SMALL, Lab, Told, assert_is_the_phone, assert_sealed, photograph

Peer = Callable[..., str]
MakeLab = Callable[..., Lab]


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    return Store.open(tmp_path / "store")


def take(store: Store, source: Path, told: Told | None = None, **how: object) -> Adopted:
    """Import it, settled unless told otherwise."""
    request = ImportRequest(store, str(source), **{"settled": True} | how)  # type: ignore[arg-type]
    return adopt(request, told or Told())


def age(minted: Minted, seconds: float) -> None:
    """Have the backup's own files be so old."""
    moment = time.time() - seconds
    for name in ("Info.plist", "Status.plist"):
        os.utime(minted.folder / name, (moment, moment))


def edit(path: Path, **changes: object) -> None:
    """Change keys of a plist; None removes one."""
    values = plistlib.loads(path.read_bytes())
    for key, value in changes.items():
        name = key.replace("_", " ") if key.replace("_", " ") in values else key
        values.pop(name, None)
        if value is not None:
            values[name] = value
    path.write_bytes(plistlib.dumps(values))


# -- what becomes of a good one -----------------------------------------------------------------------------


@pytest.mark.peer
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_the_next_run_receives_only_what_is_new(
    make_lab: MakeLab, idevicebackup2: Peer, tmp_path: Path, password: str | None
) -> None:
    lab = make_lab(replace(SMALL, backup_password=password))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    idevicebackup2("backup", theirs)
    before = tree_of(theirs)
    adopted = take(lab.store, theirs, unlocker=Unlocker(lambda _: password))
    assert tree_of(theirs) == before
    snapshot = adopted.snapshot
    assert (snapshot.meta.checked, snapshot.meta.encrypted) == ("manifest", bool(password))
    assert_is_the_phone(snapshot.path, lab.phone, password)
    assert_sealed(snapshot.path)
    assert not_shared(theirs, Path(snapshot.path))
    status = plistlib.loads((theirs / lab.phone.udid / "Status.plist").read_bytes())
    assert snapshot.meta.data_from == status["Date"].replace(tzinfo=UTC, microsecond=0)

    lab.phone.change(added=2, changed=1, removed=1)
    result = lab.now(password)
    assert not result.full
    assert result.carried_files > 15
    assert result.received_bytes < result.bytes / 2
    assert_is_the_phone(result.path, lab.phone, password)
    assert lab.told.cautions == []
    # Nor did the run touch what was imported, or what it was imported from.
    assert tree_of(theirs) == before
    assert_sealed(snapshot.path)


@pytest.mark.usefixtures("as_phones_do")
@pytest.mark.parametrize("disk", ["ext4", "fuseblk"])
def test_empty_folders_come_along(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: str
) -> None:
    """Found on a real exFAT disk, where each folder is synced by its name."""
    result = lab.now()
    theirs = tmp_path / "theirs"
    shutil.copytree(Path(result.path, lab.phone.udid), theirs / lab.phone.udid)
    empty = next(
        path for path in (theirs / lab.phone.udid).iterdir() if path.is_dir() and not any(path.iterdir())
    )
    monkeypatch.setattr(disks, "file_system", lambda _path: disk)
    adopted = take(Store.open(tmp_path / "other", create=True), theirs, settled=True)
    assert Path(adopted.snapshot.backup_path, empty.name).is_dir()


def not_shared(source: Path, target: Path) -> bool:
    """Whether no file of one is a file of the other."""
    numbers = [
        {path.stat().st_ino for path in folder.rglob("*") if path.is_file()} for folder in (source, target)
    ]
    return numbers[0].isdisjoint(numbers[1]) and all(
        path.stat().st_nlink == 1 for path in target.rglob("*") if path.is_file()
    )


def test_it_is_a_snapshot_like_any_other(store: Store, mint: Mint) -> None:
    minted = mint()
    before = tree_of(minted.root)
    told = Told()
    adopted = take(store, minted.folder, told)
    assert tree_of(minted.root) == before
    assert (adopted.source, adopted.left_out) == (str(minted.folder), ())
    snapshot = store.snapshot("latest")
    assert snapshot.path == adopted.snapshot.path
    assert_sealed(snapshot.path)
    meta = snapshot.meta
    assert (meta.udid, meta.device_name, meta.ios_version, meta.sequence) == (UDID, "Ann's iPhone", "17.1", 1)
    assert (meta.received_bytes, meta.carried_files, meta.checked) == (0, 0, "manifest")
    assert meta.data_from == datetime(2026, 11, 22, 2, 0, 4, tzinfo=UTC)
    assert abs(datetime.now(UTC) - meta.started) < timedelta(minutes=1)
    content = {
        path.relative_to(minted.folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in minted.folder.rglob("*")
        if path.is_file()
    }
    ours = Path(snapshot.backup_path)
    for path, (data, mtime) in content.items():
        assert (ours / path).read_bytes() == data
        assert (ours / path).stat().st_mtime_ns == mtime
        assert stat.S_IMODE((ours / path).stat().st_mode) == 0o400
    assert not_shared(minted.folder, ours)
    folder = store.phone(UDID)
    assert sorted(os.listdir(folder.path)) == ["lock", "proofs", "snapshots"]
    assert told.phases == ["receive", "check", "seal"]
    assert told.cautions == []


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(
    ("password", "era"), [(None, "10.2"), ("Käse", "10.2"), ("Käse", "10.0"), (None, "mbdb")]
)
def test_every_kind(store: Store, mint: Mint, password: str | None, era: str, level: Level) -> None:
    minted = mint(password, era=era)
    adopted = take(store, minted.folder, unlocker=Unlocker(lambda _: password), level=level)
    assert adopted.snapshot.meta.checked == "manifest"
    assert_sealed(adopted.snapshot.path)


def test_the_phone_is_that_of_the_plists_not_of_the_name(store: Store, mint: Mint) -> None:
    minted = mint()
    archived = minted.folder.rename(minted.root / f"{UDID}-20261122-030000")
    adopted = take(store, archived)
    assert adopted.snapshot.udid == UDID
    assert Path(adopted.snapshot.backup_path).name == UDID
    # Another one is found by the folder that it alone lies in.
    other = mint()
    edit(other.folder / "Status.plist", Date=datetime(2026, 12, 1, 2))  # noqa: DTZ001
    assert take(store, other.root).snapshot.meta.sequence == 2


def test_a_locked_one_is_sealed_as_it_was_found(store: Store, mint: Mint) -> None:
    minted = mint("Käse")
    adopted = take(store, minted.folder)
    assert adopted.snapshot.meta.checked == "phone"
    assert adopted.snapshot.meta.encrypted
    assert_sealed(adopted.snapshot.path)


def test_the_wrong_password_is_reported_now(store: Store, mint: Mint) -> None:
    with pytest.raises(PasswordWrong):
        take(store, mint("Käse").folder, unlocker=Unlocker(lambda _: "Wurst"))
    assert_nothing_left(store)


def assert_nothing_left(store: Store, snapshots: int = 0) -> None:
    folder = store.phone(UDID)
    assert len(folder.entries()) == snapshots
    assert folder.left_overs() == []


def test_a_file_that_changed_while_it_was_read_is_kept_and_named(store: Store, mint: Mint) -> None:
    """Its record has another size, and nothing vouches for it: all there will ever be of it."""
    odd = Spec("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0003.MOV", b"x" * 5000, size=9000)
    minted = mint(specs=[Spec("HomeDomain", "a", b"a"), odd])
    meta = take(store, minted.folder).snapshot.meta
    assert [(file.device_path, file.reason) for file in meta.flawed] == [
        ("CameraRollDomain/Media/DCIM/100APPLE/IMG_0003.MOV", "size")
    ]


def test_what_no_backup_has_is_left_out_and_named_but_for_litter(store: Store, mint: Mint) -> None:
    minted = mint()
    (minted.folder / ".DS_Store").write_bytes(b"Bud1")
    (minted.folder / "3d").mkdir(exist_ok=True)
    (minted.folder / "3d" / "Thumbs.db").write_bytes(b"x")
    (minted.folder / "3d" / "what:ever").write_bytes(b"x")
    (minted.folder / "Manifest.db-wal").write_bytes(b"of somebody's look")
    (minted.folder / "link").symlink_to(minted.folder / "Info.plist")
    (minted.folder / "Snapshot").mkdir()
    (minted.folder / "Snapshot" / "Manifest.db").write_bytes(b"half")
    (minted.folder / "NewInIOS40.plist").write_bytes(b"kept")
    told = Told()
    adopted = take(store, minted.folder, told)
    assert set(adopted.left_out) == {"3d/what:ever", "Manifest.db-wal", "link"}
    assert len(told.cautions) == 1
    held = {path.name for path in Path(adopted.snapshot.backup_path).rglob("*")}
    assert held.isdisjoint({".DS_Store", "Thumbs.db", "what:ever", "link", "Snapshot", "Manifest.db-wal"})
    assert "NewInIOS40.plist" in held
    assert_sealed(adopted.snapshot.path)


def test_modes_of_the_source_do_not_matter(store: Store, mint: Mint) -> None:
    minted = mint()
    for path in minted.folder.rglob("*"):
        path.chmod(0o500 if path.is_dir() else 0o444)
    adopted = take(store, minted.folder)
    for path in Path(adopted.snapshot.path).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o400), path


# -- newer and older ----------------------------------------------------------------------------------------


def dated(mint: Mint, day: int) -> Minted:
    minted = mint()
    edit(minted.folder / "Status.plist", Date=datetime(2026, 11, day, 2))  # noqa: DTZ001
    return minted


def test_only_newer_ones_follow(store: Store, mint: Mint) -> None:
    take(store, dated(mint, 10).folder)
    take(store, dated(mint, 12).folder)
    with pytest.raises(UsageError, match="older than the newest in the store") as told:
        take(store, dated(mint, 11).folder)
    assert "--store" in told.value.hint
    same = dated(mint, 12)
    with pytest.raises(UsageError, match="already in the store"):
        take(store, same.folder)
    assert [each.meta.data_from.day for each in store.phone(UDID).snapshots()] == [10, 12]
    assert_nothing_left(store, snapshots=2)


def test_not_from_the_store_itself(store: Store, mint: Mint) -> None:
    adopted = take(store, mint().folder)
    for path in (adopted.snapshot.path, adopted.snapshot.backup_path):
        with pytest.raises(UsageError, match="already in this store"):
            take(store, Path(path))


def test_a_snapshot_of_another_store(store: Store, mint: Mint, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "other")
    theirs = take(other, mint().folder).snapshot
    ours = take(store, Path(theirs.path)).snapshot
    assert ours.meta.seal == theirs.meta.seal


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("changed", [False, True])
def test_the_known_flaws_of_a_copied_snapshot_come_along(
    store: Store, mint: Mint, tmp_path: Path, level: Level, changed: bool
) -> None:
    """What its record says of a file holds as long as that is what was sealed; else it is damage."""
    odd = Spec("HomeDomain", "b", b"x" * 5000)
    minted = mint(specs=[Spec("HomeDomain", "a", b"a"), odd])
    theirs = take(Store.open(tmp_path / "other"), minted.folder).snapshot
    path = f"{odd_id(odd)[:2]}/{odd_id(odd)}"
    stored = Path(theirs.backup_path, path)
    stored.chmod(0o600)
    stored.write_bytes(b"y" * 4000)  # as a phone sends it now and then
    seal = Path(theirs.seal_path)
    lines = seal.read_text(encoding="utf-8").splitlines(keepends=True)
    fresh = hashlib.sha256(stored.read_bytes()).hexdigest()
    seal.chmod(0o600)
    seal.write_text("".join(fresh + each[64:] if path in each else each for each in lines), encoding="utf-8")
    record = Path(theirs.path, "snapshot.json")
    record.chmod(0o600)
    flaw = {"device_path": "HomeDomain/b", "path": path, "reason": "size", "text": "4,000 bytes stored"}
    said = json.loads(record.read_bytes())
    sealed = hashlib.sha256(seal.read_bytes()).hexdigest()
    del said["sha256"]
    said |= {"flawed": [flaw], "seal": sealed}
    record.write_bytes(JsonRecord(said | {"sha256": JsonRecord(said).sha256()}).render())
    if changed:
        stored.write_bytes(b"z" * 4000)
        with pytest.raises(DamageFound):
            take(store, Path(theirs.path), level=level)
        return
    ours = take(store, Path(theirs.path), level=level).snapshot
    assert [(file.path, file.reason) for file in ours.meta.flawed] == [(path, "size")]


def odd_id(spec: Spec) -> str:
    return Minted.file_id(spec.domain, spec.path)


def test_of_the_phone_that_was_asked_for(store: Store, mint: Mint) -> None:
    minted = mint()
    with pytest.raises(UsageError, match="from another phone"):
        take(store, minted.folder, udid="0" * 40)
    take(store, minted.folder, udid=UDID.lower())


# -- what is refused ----------------------------------------------------------------------------------------


def lose_a_file(minted: Minted) -> None:
    minted.blob("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC").unlink()


def cut_a_database(minted: Minted) -> None:
    path = minted.blob("HomeDomain", "Library/SMS/sms.db")
    path.write_bytes(path.read_bytes()[:-4096])


def cut_the_manifest(minted: Minted) -> None:
    path = minted.folder / "Manifest.db"
    path.write_bytes(path.read_bytes()[:8192])


def lose_the_manifest(minted: Minted) -> None:
    (minted.folder / "Manifest.db").unlink()


def never_finished(minted: Minted) -> None:
    edit(minted.folder / "Status.plist", SnapshotState="uploading")


def plists_of_two_phones(minted: Minted) -> None:
    edit(minted.folder / "Info.plist", Target_Identifier="0" * 40)


def a_link_for_a_file(minted: Minted) -> None:
    path = minted.blob("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC")
    path.rename(minted.root / "elsewhere")
    path.symlink_to(minted.root / "elsewhere")


@pytest.mark.parametrize(
    "spoil",
    [
        lose_a_file,
        cut_a_database,
        cut_the_manifest,
        lose_the_manifest,
        never_finished,
        plists_of_two_phones,
        a_link_for_a_file,
    ],
)
def test_damage_is_refused(store: Store, mint: Mint, spoil: Callable[[Minted], None]) -> None:
    minted = mint()
    spoil(minted)
    before = tree_of(minted.root)
    with pytest.raises(DamageFound) as told:
        take(store, minted.folder)
    assert told.value.exit_code == 4
    assert tree_of(minted.root) == before
    assert_nothing_left(store)


@pytest.mark.parametrize("level", Level)
def test_a_list_that_names_only_a_part_is_refused_in_plain_words(
    store: Store, mint: Mint, level: Level
) -> None:
    photos = [Spec("CameraRollDomain", f"Media/{number:02}.jpg", b"photo") for number in range(30)]
    minted = mint(specs=photos)
    minted.edit_database(
        lambda db: db.execute("DELETE FROM Files WHERE flags = 1 AND relativePath < 'Media/2'")
    )
    with pytest.raises(DamageFound) as told:
        take(store, minted.folder, level=level)
    assert told.value.why.startswith(
        "Manifest.db: names only some of the files that are here (20 that it does"
    )
    assert_nothing_left(store)


def test_a_flipped_bit_is_found_by_the_full_level(store: Store, mint: Mint) -> None:
    """Presence and sizes do not tell; the checksum that the phone gave for system files does."""
    minted = mint()
    path = minted.blob("HomeDomain", "Library/SMS/sms.db")
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamageFound, match=r"sms\.db"):
        take(store, minted.folder, level=Level.FULL)
    assert_nothing_left(store)


def test_what_is_no_backup(store: Store, mint: Mint, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (empty, tmp_path / "nothing"):
        with pytest.raises(NotABackup):
            take(store, path)
    mint()
    mint()
    with pytest.raises(NotABackup):
        take(store, tmp_path)  # its folders hold backups, it does not


def test_a_udid_that_is_none(store: Store, mint: Mint) -> None:
    minted = mint()
    for name in ("Info.plist", "Manifest.plist"):
        data = (minted.folder / name).read_bytes()
        values = plistlib.loads(data)
        if "Lockdown" in values:
            values["Lockdown"]["UniqueDeviceID"] = "../../elsewhere"
        else:
            values |= {"Target Identifier": "../../elsewhere", "Unique Identifier": "../../elsewhere"}
        (minted.folder / name).write_bytes(plistlib.dumps(values))
    with pytest.raises(NotABackup, match="which phone it is from"):
        take(store, minted.folder)
    assert os.listdir(store.path) == ["store.json"]


def test_a_disk_that_is_too_small(store: Store, mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    minted = mint()
    monkeypatch.setattr(importing, "free_bytes", lambda _: 1000)
    with pytest.raises(NoRoom, match="1,000 are free"):
        take(store, minted.folder)
    assert_nothing_left(store)


# -- settling -----------------------------------------------------------------------------------------------


def test_what_was_changed_lately_is_left_to_settle(store: Store, mint: Mint) -> None:
    minted = mint()
    (minted.folder / "Info.plist").write_bytes(b"")  # as Finder does while it rewrites it
    with pytest.raises(PhoneBusy, match="less than 15 minutes ago") as told:
        take(store, minted.folder, settled=False)
    assert told.value.exit_code == 15
    assert "--wait" in told.value.hint
    assert "15 minutes" in told.value.hint
    assert os.listdir(store.path) == ["store.json"]


def test_it_is_waited_for(store: Store, mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    minted = mint()
    age(minted, 14 * 60)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        age(minted, 14 * 60 + 30 * len(waited))

    monkeypatch.setattr("ibackup.jobs.keeping.settling.time.sleep", sleep)
    take(store, minted.folder, settled=False, wait=600)
    assert waited == [5, 5]


def test_but_not_for_longer_than_was_said(store: Store, mint: Mint) -> None:
    minted = mint()
    age(minted, 10 * 60)
    with pytest.raises(PhoneBusy, match="less than 15 minutes") as told:
        take(store, minted.folder, settled=False, wait=60)
    assert "in 5 minutes" in told.value.hint


def test_one_that_is_old_enough(store: Store, mint: Mint) -> None:
    minted = mint()
    age(minted, 16 * 60)
    take(store, minted.folder, settled=False)


def test_a_clock_that_is_far_ahead_holds_nobody_up(store: Store, mint: Mint) -> None:
    minted = mint()
    age(minted, -5 * 3600)
    take(store, minted.folder, settled=False)


@pytest.mark.parametrize("name", ["Info.plist", "Status.plist", "Manifest.db"])
def test_what_changes_while_it_is_read_is_not_taken(
    store: Store, mint: Mint, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    minted = mint()
    check = import_checks.check

    def changed_meanwhile(*args: object) -> object:
        path = minted.folder / name
        path.write_bytes(path.read_bytes())
        return check(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(importing, "check", changed_meanwhile)
    with pytest.raises(PhoneBusy, match="changed while it was being read"):
        take(store, minted.folder)
    assert_nothing_left(store)


def test_a_file_that_goes_away_while_it_is_read(store: Store, mint: Mint) -> None:
    minted = mint()

    class Vanishing(Told):
        def __call__(self, event: object) -> None:
            lost = minted.blob("AppDomain-com.example.app", "Documents/Ünïcode 名前.txt")
            if event.__class__.__name__ == "Progress" and lost.exists():
                shutil.rmtree(lost.parent)

    # Which of the folders comes first is the disk's to say: the file may have been copied before.
    try:
        take(store, minted.folder, Vanishing())
    except PhoneBusy:
        assert_nothing_left(store)
    else:
        assert_nothing_left(store, snapshots=1)


# -- cut off ------------------------------------------------------------------------------------------------


def digest(path: str) -> str:
    """One checksum over names and content."""
    whole = hashlib.sha256()
    for name, (_, _, data) in sorted(photograph(path).items()):
        whole.update(name.encode() + b"\0" + data)
    return whole.hexdigest()


def each_moment(tmp_path: Path, minted: Minted, step: int) -> int:
    """Kill an import at every ``step``-th call of the system; gives how many were killed."""
    before = tree_of(minted.root)
    number = 1
    while True:
        store = Store.open(tmp_path / f"store {number}")
        killed = killed_at(number, lambda store=store: take(store, minted.folder), tmp_path / "synced")  # type: ignore[misc]
        assert tree_of(minted.root) == before
        folder = store.phone(UDID)
        assert folder.broken() == []
        there = folder.snapshots()
        for each in there:
            assert_sealed(each.path)
            assert digest(each.backup_path) == digest(str(minted.folder))
        # No run may go on from what is left of an import: the phone would take it for its own.
        assert [left for left in folder.left_overs() if left.kind == "resumable"] == []
        if not there:
            with contextlib.suppress(UsageError):  # it was whole but for its name, which it now has
                take(store, minted.folder)
        assert len(folder.snapshots()) == 1
        assert_sealed(folder.snapshots()[0].path)
        assert folder.left_overs() == []
        if not killed:
            return number // step
        shutil.rmtree(store.path)
        number += step


@pytest.fixture
def few(mint: Mint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Minted:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    return mint(specs=[Spec("HomeDomain", f"file {number}", b"%d" % number * number) for number in range(6)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_now_and_then(tmp_path: Path, few: Minted) -> None:
    assert each_moment(tmp_path, few, 53) > 3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_often(tmp_path: Path, few: Minted) -> None:
    assert each_moment(tmp_path, few, 5) > 30


def test_an_interrupted_one_is_closed_by_the_next_backup(
    make_lab: MakeLab, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything was there and checked when it was cut off; no phone is needed to go on."""
    lab = make_lab()
    monkeypatch.setattr(importing, "close", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        take(lab.store, mint().folder)
    assert [left.kind for left in lab.store.phone(UDID).left_overs()] == ["unfinished"]
    lab.now()
    assert len(lab.store.phone(UDID).snapshots()) == 1
    assert_sealed(lab.store.phone(UDID).snapshots()[0].path)


def test_a_damaged_one_that_lacked_only_its_name_is_set_aside(
    make_lab: MakeLab, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, made = make_lab(), mint()
    with monkeypatch.context() as patch:
        patch.setattr(
            "ibackup.store.work.closing.rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            take(lab.store, made.folder)
    folder = lab.store.phone(UDID)
    (left,) = folder.left_overs()
    assert left.kind == "complete"
    next(path for path in Path(left.path, UDID).rglob("*") if len(path.name) == 40).unlink()
    take(lab.store, made.folder)
    assert len(folder.snapshots()) == 1
    assert_sealed(folder.snapshots()[0].path)


def test_what_a_phone_sent_is_not_thrown_away(
    make_lab: MakeLab, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(replace(SMALL, udid=UDID))
    with monkeypatch.context() as patch:
        patch.setattr(
            "ibackup.jobs.backup.finishing.close", lambda *_: (_ for _ in ()).throw(IbackupError("cut"))
        )
        with pytest.raises(IbackupError, match="cut"):
            lab.now()
    assert [left.kind for left in lab.left] == ["unfinished"]
    with pytest.raises(UsageError, match="still unfinished"):
        take(lab.store, mint().folder)
    assert [left.kind for left in lab.left] == ["unfinished"]
