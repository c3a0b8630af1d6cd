"""What the pages say of damaged and unreadable backups: all the same, and nothing better than is known."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.base.errors import StoreMissing
from ibackup.cli.commands.status_text import text
from ibackup.config.config_schema import Config
from ibackup.jobs.overview.store_overview import look
from ibackup.store.records.proof_records import Proof
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store
from support.made_store import ANN, add_snapshot, make_store
from support.page_calls import PageCalls


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A phone with no backup yet."""
    return make_store(tmp_path / "store")


def two_backups(store: Store) -> tuple[Snapshot, Snapshot]:
    """The older and the newer one of a phone."""
    now = datetime.now(UTC).replace(microsecond=0)
    older, newest = (add_snapshot(store, ANN, timedelta(hours=each), now=now) for each in (9, 1))
    return older, newest


def said(store: Store) -> tuple[str, str]:
    """Home, and the page of the phone."""
    calls = PageCalls(Path(store.path))
    return calls.get("/").text, calls.get(f"/phone/{calls.house.phones()[0].slug}").text


def unreadable(snapshot: Snapshot) -> None:
    """Damage the small file that says what a backup is."""
    record = Path(snapshot.path) / "snapshot.json"
    record.chmod(0o600)
    record.write_text("{")


def test_damage_of_an_older_backup_may_be_in_the_newest_until_that_is_read(store: Store) -> None:
    older, newest = two_backups(store)
    folder = store.phone(ANN)
    folder.add_proof(older.id, Proof("full", datetime.now(UTC), "damaged", ("aa/aa",)))
    home, page = said(store)
    assert "Check it" in home
    assert "is safe" not in home
    assert "The newest backup may have the damage of an older one." in page
    folder.add_proof(newest.id, Proof("full", datetime.now(UTC), "good"))
    home, page = said(store)
    assert "is safe" in home
    assert "Nothing needs you today" not in home
    assert "An older backup of" in home
    assert "The newest backup is good." in page


def test_nothing_is_promised_of_the_backups_before_a_damaged_one(store: Store) -> None:
    _, newest = two_backups(store)
    store.phone(ANN).add_proof(newest.id, Proof("full", datetime.now(UTC), "damaged", ("aa/aa",)))
    home, _ = said(store)
    assert "Its page shows what is known about older backups." in home


def test_a_newest_backup_that_cannot_be_read_is_safe_on_no_page(store: Store) -> None:
    older, newest = two_backups(store)
    unreadable(newest)
    home, page = said(store)
    assert "is damaged" in home
    assert "The newest backup cannot be read." in page
    assert "Safe" not in page
    unreadable(older)
    home, page = said(store)
    assert "No older backup is known to be good." in home
    assert "What is damaged" in home
    assert "No backup yet" not in home
    assert "can be read" in page
    assert older.id in page


def test_an_older_backup_that_cannot_be_read_is_named_on_home(store: Store) -> None:
    older, _ = two_backups(store)
    unreadable(older)
    home, _ = said(store)
    assert "An older backup of" in home


def status_of(store: Store) -> str:
    """What `ibackup status` says."""
    now = datetime.now(UTC)
    return re.sub(r"\s+", " ", text(look(store, Config(), now), now))


def test_an_older_backup_without_its_seal_is_named(store: Store) -> None:
    older, _ = two_backups(store)
    os.unlink(older.seal_path)
    home, page = said(store)
    assert "An older backup of" in home
    assert "The newest backup is good." in page
    assert f"1 older snapshot is damaged: {older.id}. `ibackup verify {older.id}`" in status_of(store)


def test_a_backup_whose_proofs_cannot_be_read_is_good_on_no_page_until_it_is_read(store: Store) -> None:
    _, newest = two_backups(store)
    folder = store.phone(ANN)
    folder.add_proof(newest.id, Proof("full", datetime.now(UTC), "damaged", ("aa/aa",)))
    Path(folder.proofs_path, f"{newest.id}.json").write_text("{")
    for _ in range(2):
        home, page = said(store)
        assert "Nobody knows whether the newest backup of" in home
        assert "What was found out about the newest backup is lost." in page
        assert f"`ibackup verify {newest.id}` reads every byte of it." in status_of(store)
        assert folder.standing().newest_good != folder.known(newest)
        folder.add_proof(newest.id, Proof("quick", datetime.now(UTC), "good"))  # which writes the file again
    folder.add_proof(newest.id, Proof("full", datetime.now(UTC), "good"))
    home, _ = said(store)
    assert "is safe" in home


def test_a_page_of_a_backup_without_its_list_says_so_and_leads_on(store: Store) -> None:
    two_backups(store)
    calls = PageCalls(Path(store.path))
    slug = calls.house.phones()[0].slug
    answer = calls.get(f"/phone/{slug}/photos")
    assert answer.status == 200
    assert "Read it again" in answer.text
    assert "Timeline" in answer.text
    assert "<code>ibackup" not in answer.text
    assert "`ibackup" not in answer.text


def test_a_store_that_lost_its_own_record_is_no_first_run(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    two_backups(store)
    os.unlink(os.path.join(store.path, "store.json"))
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "another computer"))
    home = PageCalls(Path(store.path)).get("/").text
    with pytest.raises(StoreMissing) as missing:
        Store.open(store.path, create=False)
    assert "has no store.json" in missing.value.what
    assert "has no store.json" in home
