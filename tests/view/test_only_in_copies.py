"""The timeline names the backups that only a second copy has, and how one comes back."""

import shutil
from datetime import timedelta
from pathlib import Path

from ibackup.copies.copy_records import CopiedSnapshot, CopyProof, CopyRecord
from ibackup.store.records.proof_records import Proof
from support.made_store import ANN, NOW, add_snapshot, make_store
from support.page_calls import PageCalls


def test_a_backup_that_only_a_copy_has_is_named_with_its_way_back(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    old, newest = (add_snapshot(store, ANN, timedelta(days=days)) for days in (9, 1))
    folder = store.phone(ANN)
    record = CopyRecord("0" * 64)
    for each in (old, newest):
        record = record.with_copied(CopiedSnapshot(each.id, "e", each.meta.seal, NOW, 5))
    record.write(folder.proofs_path, "usb")
    calls = PageCalls(Path(store.path))
    (tmp_path / "config.toml").write_text(
        f'[[copies]]\nname = "usb"\nto = "/mnt/usb"\nrepository_id = "{"0" * 64}"\n'
    )
    page = f"/phone/{calls.house.phones()[0].slug}"
    assert "Only in a second copy" not in calls.get(page).text
    assert "Also in the second copy usb." in calls.get(page).text
    back = f"ibackup copy get {old.id} --from usb --into-store"
    shutil.rmtree(old.path)
    said = calls.get(page).text
    assert "1 backup is not here any more" in said
    assert back in said
    shutil.rmtree(newest.path)
    page = f"/phone/{calls.house.phones()[0].slug}"  # nothing here knows its name any more
    assert back in calls.get(page).text
    record.with_proof(CopyProof("matched", NOW, "damaged", old.id)).write(folder.proofs_path, "usb")
    assert back not in calls.get(page).text


def test_a_damaged_backup_says_that_a_second_copy_repairs_it(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    newest = add_snapshot(store, ANN, timedelta(days=1))
    folder = store.phone(ANN)
    folder.add_proof(newest.id, Proof("full", NOW, "damaged", ("Manifest.db",)))
    (tmp_path / "config.toml").write_text(
        f'[[copies]]\nname = "usb"\nto = "/mnt/usb"\nrepository_id = "{"0" * 64}"\n'
    )
    calls = PageCalls(Path(store.path))
    page = f"/phone/{calls.house.phones()[0].slug}"
    assert "Repair it" not in calls.get(page).text
    assert "the phone sends the damaged files again" in calls.get("/").text
    record = CopyRecord("0" * 64).with_copied(CopiedSnapshot(newest.id, "e", newest.meta.seal, NOW, 5))
    record.write(folder.proofs_path, "usb")
    assert "Repair it" in calls.get(page).text
    calls = PageCalls(Path(store.path))  # which remembers for a moment how things are
    home = calls.get("/").text
    assert "A second copy has it whole" in home
    assert "Repair it" in home
    (Path(newest.path) / "snapshot.json").write_text("{")  # its record cannot be read either
    calls = PageCalls(Path(store.path))
    assert "Repair it" in calls.get(f"/phone/{calls.house.phones()[0].slug}").text
