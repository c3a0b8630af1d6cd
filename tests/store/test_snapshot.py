"""What a snapshot says of itself, what was proved of it, and which one is the newest."""

import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple.reasons import Reason
from ibackup.base.errors import DamageFound, IbackupError
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import JsonRecord
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof, Proofs
from ibackup.store.records.snapshot import BrokenSnapshot, Flawed, Snapshot, SnapshotMeta
from store.lab import FILES, UDID, Listener, backup, draft

NOW = datetime(2026, 11, 22, 2, 0, 4, tzinfo=UTC)


def test_its_record_has_what_the_contract_names(first: Snapshot) -> None:
    told = json.loads(Path(first.path, "snapshot.json").read_text(encoding="utf-8"))
    contract = (
        "schema sequence udid device_name product_type ios_version started finished data_from full encrypted checked "
        "files bytes received_bytes carried_files flawed seal tool sha256"
    )
    assert set(told) == set(contract.split())
    assert told["started"] == "2026-11-20T02:00:04Z"
    assert told["device_name"] == "Jürgen's iPhone 📱"
    assert told["files"] == len(FILES)
    assert told["bytes"] == sum(map(len, FILES.values()))
    assert told["seal"] == hashlib.sha256(Path(first.path, "SHA256SUMS").read_bytes()).hexdigest()
    rest = {name: value for name, value in told.items() if name != "sha256"}
    compact = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert told["sha256"] == hashlib.sha256(compact.encode()).hexdigest()


def test_sha256sum_agrees(first: Snapshot) -> None:
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=first.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == len(FILES)
    assert sorted(os.listdir(first.path)) == [UDID, "SHA256SUMS", "snapshot.json"]


@pytest.mark.promise("Any later change is found")
def test_every_flipped_bit_of_its_record_is_noticed(first: Snapshot, tmp_path: Path) -> None:
    whole = Path(first.path, "snapshot.json").read_bytes()
    copy = tmp_path / "snapshot.json"
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        copy.write_bytes(flipped)
        with pytest.raises(IbackupError):
            SnapshotMeta.read(str(copy))
    copy.write_bytes(whole)
    assert SnapshotMeta.read(str(copy)) == first.meta


@given(
    name=st.text(st.characters(exclude_categories=[])),
    number=st.integers(0, 2**63),
    reason=st.sampled_from(Reason),
)
def test_any_name_a_phone_may_have_survives(name: str, number: int, reason: Reason) -> None:
    base = draft()
    made = SnapshotMeta(
        **{field: getattr(base, field) for field in type(base).__dataclass_fields__ if field != "device_name"}
        | {"device_name": name, "flawed": (Flawed(name, "ab/cd", reason, name),)},
        sequence=1,
        files=number,
        bytes=number,
        carried_files=0,
        seal="0" * 64,
    )
    assert SnapshotMeta.parse(JsonRecord.load(made.to_record().render())) == made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"udid": "../../etc"}, "UDID"),
        ({"checked": "perhaps"}, "checked"),
        ({"files": -1}, "negative"),
        ({"files": True}, "whole number"),
        ({"started": "yesterday"}, "time"),
        ({"started": "2026-11-20T02:00:04"}, "time"),
        ({"seal": "x"}, "SHA-256"),
        ({"flawed": [1]}, "objects"),
        ({"flawed": [{"device_path": "", "path": "", "reason": "taste", "text": ""}]}, "flaw"),
    ],
)
def test_a_record_that_says_nonsense_is_damage(
    first: Snapshot, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    members = json.loads(Path(first.path, "snapshot.json").read_bytes()) | change
    record = JsonRecord(members).without("sha256")
    (tmp_path / "snapshot.json").write_bytes(JsonRecord(members | {"sha256": record.sha256()}).render())
    with pytest.raises(DamageFound, match=said):
        SnapshotMeta.read(str(tmp_path / "snapshot.json"))


def test_a_record_that_names_unreadable_files_is_read(first: Snapshot) -> None:
    """As the first version wrote it: the phone's status for a reason, and 0 for a file of another size."""
    members = json.loads(Path(first.path, "snapshot.json").read_bytes())
    del members["flawed"], members["sha256"]
    told = {"device_path": "/var/a", "path": "ab/cd", "code": 11, "text": "no", "expected": False}
    members["unreadable"] = [told, told | {"code": 0}]
    meta = SnapshotMeta.parse(JsonRecord(members | {"sha256": JsonRecord(members).sha256()}))
    assert meta.flawed == (
        Flawed("/var/a", "ab/cd", Reason.UNREADABLE, "no"),
        Flawed("/var/a", "ab/cd", Reason.SIZE, "no"),
    )


def test_a_snapshot_of_a_newer_version_is_not_damage(first: Snapshot, tmp_path: Path) -> None:
    members = json.loads(Path(first.path, "snapshot.json").read_bytes()) | {"schema": 2, "more": 1}
    members["sha256"] = JsonRecord(members).without("sha256").sha256()
    (tmp_path / "snapshot.json").write_bytes(JsonRecord(members).render())
    with pytest.raises(IbackupError, match="newer") as told:
        SnapshotMeta.read(str(tmp_path / "snapshot.json"))
    assert told.value.exit_code == 1


def test_a_changed_seal_is_noticed(first: Snapshot) -> None:
    first.verify_seal_file()
    path = Path(first.seal_path)
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamageFound):
        first.verify_seal_file()
    path.unlink()
    with pytest.raises(DamageFound, match="missing"):
        first.verify_seal_file()


def test_the_newest_is_by_sequence_and_ids_only_grow(
    folder: PhoneFolder, first: Snapshot, listener: Listener
) -> None:
    behind = backup(folder, started=NOW - timedelta(days=400), observer=listener)
    assert behind.id == "20261120T020005Z"
    assert behind.meta.sequence == 2
    assert behind.meta.started == NOW - timedelta(days=400)
    assert any("clock is behind" in text for text in listener.cautions)
    again = backup(folder, started=NOW - timedelta(days=400))
    assert again.id == "20261120T020006Z"
    assert [each.id for each in folder.snapshots()] == [first.id, behind.id, again.id]
    newest = folder.newest()
    assert newest is not None
    assert newest.id == again.id


def test_a_broken_snapshot_is_listed_as_such_and_hides_no_other(folder: PhoneFolder, first: Snapshot) -> None:
    second = backup(folder)
    os.chmod(os.path.join(first.path, "snapshot.json"), 0o600)
    Path(first.path, "snapshot.json").write_bytes(b"")
    os.mkdir(os.path.join(folder.snapshots_path, "29991231T235959Z"))
    os.mkdir(os.path.join(folder.snapshots_path, "not a snapshot"))
    os.symlink(second.path, os.path.join(folder.snapshots_path, "20250101T000000Z"))
    entries = folder.entries()
    assert [(each.id, isinstance(each, BrokenSnapshot)) for each in entries] == [
        (second.id, False),
        (first.id, True),
        ("29991231T235959Z", True),
    ]
    assert all(isinstance(each.error, DamageFound) for each in folder.broken())
    # Its name is taken anyway.
    assert backup(folder).id == "30000101T000000Z"
    with pytest.raises(DamageFound):
        folder.find(first.id)


def test_of_sixty_snapshots_only_the_records_are_read(
    folder: PhoneFolder, first: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    for number in range(60):
        target = os.path.join(folder.snapshots_path, record_times.as_id(NOW + timedelta(days=number)))
        os.mkdir(target)
        shutil.copy(os.path.join(first.path, "snapshot.json"), target)
    read: list[str] = []
    parse = SnapshotMeta.read

    def reading(path: str) -> SnapshotMeta:
        read.append(path)
        return parse(path)

    monkeypatch.setattr(SnapshotMeta, "read", reading)
    assert len(folder.snapshots()) == 61
    assert len(read) == len(set(read)) == 61


def test_proofs_are_kept_and_damage_is_only_cleared_by_reading_all(
    folder: PhoneFolder, first: Snapshot
) -> None:
    assert folder.proofs(first.id) == Proofs()
    folder.add_proof(first.id, Proof("full", NOW, "damaged", ("00/x", "Manifest.db")))
    folder.add_proof(first.id, Proof("quick", NOW + timedelta(hours=1), "good"))
    known = folder.proofs(first.id)
    assert known.damaged == {"00/x", "Manifest.db"}
    assert known.known_damaged
    assert folder.standing().newest_good is None
    folder.add_proof(first.id, Proof("deep", NOW + timedelta(hours=2), "good"))
    assert not folder.proofs(first.id).known_damaged
    assert folder.known(first).verified == NOW + timedelta(hours=2)
    assert folder.standing().newest_good == folder.known(first)
    folder.add_proof(first.id, Proof("rehearse", NOW + timedelta(hours=3), "damaged"))
    folder.add_proof(first.id, Proof("quick", NOW + timedelta(hours=4), "good"))
    assert folder.proofs(first.id).known_damaged


def test_the_base_is_the_newest_that_is_not_known_to_be_damaged(folder: PhoneFolder, first: Snapshot) -> None:
    second = backup(folder)
    assert folder.standing().base == second
    folder.add_proof(second.id, Proof("full", NOW, "damaged", ("00/x",)))
    assert folder.standing().base == first
    folder.add_proof(first.id, Proof("full", NOW, "damaged", ("00/x",)))
    assert folder.standing().base == second
    os.chmod(second.seal_path, 0o600)
    Path(second.seal_path).write_bytes(b"")
    assert folder.standing().base == first


def test_a_damaged_file_of_proofs_counts_as_a_pin_and_the_snapshot_not_as_good(
    folder: PhoneFolder, first: Snapshot
) -> None:
    Path(folder.proofs_path, f"{first.id}.json").write_text("{")
    assert folder.proofs(first.id).pinned
    assert folder.known(first).is_unknown
    assert folder.standing().base is None
