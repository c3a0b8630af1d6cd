"""How proofs of second copies are shown."""

from datetime import timedelta

from ibackup.cli.commands.copy_text import proved_lines, record_lines
from ibackup.copies.copy_records import CopyProof, CopyRecord
from ibackup.store.disk.record_times import now


def test_a_good_proof_of_a_newer_snapshot_hides_no_damage_of_an_older_one() -> None:
    old = CopyProof("matched", now() - timedelta(days=1), "damaged", "20261101T020004Z")
    new = CopyProof("matched", now(), "good", "20261102T020004Z")
    _, first, second, *_ = record_lines("Ann", CopyRecord("0" * 64).with_proof(old).with_proof(new))
    assert "good" in first
    assert "20261101T020004Z" in second
    assert "DAMAGED" in second


def test_one_fault_is_said_once() -> None:
    stored, read = (CopyProof(level, now(), "damaged", problems=("broken",)) for level in ("stored", "read"))
    assert list(proved_lines("usb", [stored, read])) == ["usb is damaged: broken"]
