"""The fire drill: what a virtual iPhone takes, what it does not, and what is written down."""

import gc
import os
import plistlib
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.verify.findings import Level
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import NotABackup, PasswordNeeded, PasswordWrong, UsageError
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.restore.rehearsal import Rehearsal, rehearse
from ibackup.simulator.ciphers import encrypt
from ibackup.simulator.server import serve
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.vault.unlocker import Unlocker
from support.minted import Mint
from support.runs import PASSWORD, SMALL, Lab, blob, flip, photograph

from .conftest import ENCRYPTED, Bench, MakeBench


def drill(bench: Bench, source: BackupSource | None = None) -> Rehearsal:
    return rehearse(source or bench.source(), Unlocker(lambda _: bench.password))


@pytest.mark.parametrize("keybag", [None, b""])
def test_a_plain_backup_needs_no_keybag(tmp_path: Path, keybag: bytes | None) -> None:
    """Verify says the same: nothing in such a backup is under a key."""
    made = Mint(tmp_path)(None)
    path = made.folder / "Manifest.plist"
    values = plistlib.loads(path.read_bytes())
    values.pop("BackupKeyBag")
    path.write_bytes(plistlib.dumps(values if keybag is None else values | {"BackupKeyBag": keybag}))
    assert rehearse(BackupSource(str(made.folder)), Unlocker()).good
    with Backup.open(str(made.folder)) as backup:
        findings = verify(backup, Level.FULL)
        assert [each for each in findings if each.is_damage] == []


@pytest.mark.parametrize("spec", [SMALL, ENCRYPTED], ids=["plain", "encrypted"])
def test_it_is_restorable(
    make_bench: MakeBench, spec: PhoneSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench = make_bench(spec)
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(tmp_path / "nobody"))  # no phone is needed
    before = photograph(bench.path, but=["proofs"])
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    outcome = drill(bench)
    assert outcome.good
    assert outcome.sealed
    content = bench.phone.files
    encrypted = bool(bench.password)
    assert outcome.files == sum(1 for _ in content.files(encrypted=encrypted))
    assert outcome.folders + outcome.links + outcome.files == sum(
        1 for _ in content.entries(encrypted=encrypted)
    )
    assert 0 < outcome.digests < outcome.files
    assert bench.folder.known(bench.snapshots[-1]).rehearsed == outcome.when
    after = photograph(bench.path)
    assert {name: after[name] for name in before if "proofs" not in name} == {
        name: each for name, each in before.items() if "proofs" not in name
    }
    assert bench.phone.restored is None
    gc.collect()
    assert os.listdir(temporary) == []


def changed(path: Path) -> None:
    flip(path, later=False)


def shortened(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-16])


DAMAGES: list[Callable[[Path], None]] = [changed, shortened, Path.unlink]


@pytest.mark.parametrize("spec", [SMALL, ENCRYPTED], ids=["plain", "encrypted"])
@pytest.mark.parametrize("domain", ["HomeDomain", "CameraRollDomain"])
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_is_found(
    make_bench: MakeBench, spec: PhoneSpec, domain: str, how: Callable[[Path], None]
) -> None:
    bench = make_bench(spec)
    path, name = blob(bench.snapshots[-1].path, bench.phone, domain)
    how(path)
    outcome = drill(bench)
    assert outcome.error is not None
    assert name in outcome.error.message
    assert outcome.error.hint
    proofs = bench.folder.proofs(bench.snapshots[-1].id)
    assert proofs.known_damaged
    assert proofs.good("rehearse") is None


@pytest.mark.parametrize("name", ["Manifest.plist", "Manifest.db", "Status.plist", "Info.plist"])
def test_a_backup_without_its_own_files(make_bench: MakeBench, name: str) -> None:
    bench = make_bench(ENCRYPTED)
    path = Path(bench.source().path, name)
    path.chmod(0o600)
    path.write_bytes(b"junk" * 2000)
    try:
        outcome = drill(bench)
    except (NotABackup, PasswordNeeded):
        assert name == "Manifest.plist"  # without it nobody knows whether a password is needed
    else:
        assert outcome.error is not None


def test_a_key_that_does_not_open(make_bench: MakeBench) -> None:
    bench = make_bench(ENCRYPTED)
    path = Path(bench.source().path, "Manifest.plist")
    values = plistlib.loads(path.read_bytes())
    key = bytearray(values["ManifestKey"])
    key[20] ^= 1
    path.chmod(0o600)
    path.write_bytes(plistlib.dumps(values | {"ManifestKey": bytes(key)}, fmt=plistlib.FMT_BINARY))
    outcome = drill(bench)
    assert outcome.error is not None


@pytest.mark.parametrize(("given", "kind"), [(None, PasswordNeeded), ("wrong", PasswordWrong)])
def test_without_the_password_nothing_is_said(make_bench: MakeBench, given: str | None, kind: type) -> None:
    bench = make_bench(ENCRYPTED)
    bench.password = given
    with pytest.raises(kind):
        drill(bench)
    assert bench.folder.proofs(bench.snapshots[-1].id).last == ()


def test_a_folder_of_another_program(bench: Bench, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(bench.source().path, theirs)
    outcome = drill(bench, BackupSource(str(theirs)))
    assert outcome.good
    assert not outcome.sealed
    assert sorted(os.listdir(theirs)) == sorted(os.listdir(bench.source().path))


def test_a_file_that_was_in_use_is_no_damage(make_bench: MakeBench, tmp_path: Path) -> None:
    """Its record says another size, and its own end says that it is whole: real backups have such databases."""
    bench = make_bench(ENCRYPTED)
    source = bench.source()
    theirs = tmp_path / "theirs"
    shutil.copytree(source.path, theirs)
    with Backup.open(theirs) as backup:
        backup.unlock(PASSWORD)
        entry = next(each for each in backup.entries("CameraRollDomain") if each.size > 100)
        key = backup.file_key(entry.record)
        assert key is not None
    path = theirs / entry.blob_path
    path.chmod(0o600)
    path.write_bytes(b"".join(map(bytes, encrypt([b"x" * (entry.size + 4096)], key))))
    assert drill(bench, BackupSource(str(theirs))).good
    path.write_bytes(path.read_bytes()[:-16])
    assert not drill(bench, BackupSource(str(theirs))).good


def test_a_backup_of_ios_9(tmp_path: Path) -> None:
    minted = Mint(tmp_path)(era="mbdb")
    with pytest.raises(UsageError, match=r"iOS 10\.1"):
        rehearse(BackupSource(str(minted.folder)), Unlocker())


def test_the_virtual_iphone_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither disk nor memory grows with what is restored."""
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    spec = replace(
        SMALL,
        domains=(DomainSpec(name="CameraRollDomain", count=6, min_size=4_000_000, max_size=4_000_000),),
        batch_size=128,
    )
    with ExitStack() as stack:
        lab = Lab(tmp_path / "store", stack, VirtualPhone(spec))
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", lab.server.address)
        lab.now()
        snapshot = lab.snapshots[-1]
    tracemalloc.start()
    try:
        assert rehearse(BackupSource(snapshot.backup_path, snapshot), Unlocker()).good
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_nobody_else_reaches_the_virtual_iphone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens in a folder of its user's own."""
    modes: list[int] = []
    real = serve

    def noted(*phones: VirtualPhone, **how: object) -> object:
        assert how["port"] is None
        modes.append(os.stat(os.path.dirname(str(how["socket_path"]))).st_mode & 0o777)
        return real(*phones, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("ibackup.jobs.restore.rehearsal.serve", noted)
    assert drill(bench).good
    assert modes == [0o700]
