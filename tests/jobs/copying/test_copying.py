"""Copies that are cut off, kept from prune, over a network with append-only rights, and by two computers at once."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from copies.conftest import PASSWORD
from ibackup.base.errors import UsageError
from ibackup.base.events import Event, PhaseStarted, Progress, ignore
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.commands.copy_text import run_lines
from ibackup.copies.copy_errors import CopyLocked, CopyMissing
from ibackup.copies.copy_records import CopyProof, CopyRecord
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.restic_engine import ResticEngine
from ibackup.copies.restic_program import ResticProgram
from ibackup.jobs.copying.copy_proving import prove_copy
from ibackup.jobs.copying.copy_run import alarms_of, copy_snapshots, next_share, trouble_in
from ibackup.store.disk.record_times import now
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from jobs.copying.conftest import new_copy
from support.copy_servers import rclone_restic
from support.runs import Told

pytestmark = pytest.mark.peer


@pytest.fixture
def made(folder: PhoneFolder, tmp_path: Path, require_tool: Callable[[str], str]) -> OpenedCopy:
    """A new copy on a disk."""
    require_tool("restic")
    return new_copy(str(tmp_path / "disk" / "copy"), tmp_path)


def _restic(copy: OpenedCopy) -> ResticProgram:
    assert isinstance(copy.engine, ResticEngine)
    return copy.engine.program


def _locks(copy: OpenedCopy) -> list[str]:
    return _restic(copy).lines("list", "locks", "--no-lock", doing="list locks", hear=lambda _: None)


@pytest.mark.parametrize("number", [1, 2])
def test_an_interrupted_copy_leaves_no_lock_and_is_finished_by_the_next(
    made: OpenedCopy, folder: PhoneFolder, number: int
) -> None:
    begun = 0

    def stops(event: Event) -> bool:
        nonlocal begun
        begun += isinstance(event, PhaseStarted) and event.text.startswith("Copying")
        return isinstance(event, Progress) and event.phase == "copy" and begun == number

    with pytest.raises(KeyboardInterrupt):
        copy_snapshots(made, [folder], Told(stop=stops))
    assert _locks(made) == []
    assert [name for name in os.listdir(folder.proofs_path) if "held" in name] == []
    done = copy_snapshots(made, [folder], ignore)
    assert done.damaged == ()
    assert done.held == 2
    copied = [each.snapshot.id for each in done.copied]
    assert copied == [each.id for each in folder.snapshots()][2 - len(copied) :]


def test_a_lock_that_a_killed_restic_left_does_not_stop_the_next_copy(
    made: OpenedCopy, folder: PhoneFolder, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    process = subprocess.Popen(
        [_restic(made).program, "backup", "--stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ
        | {
            "RESTIC_REPOSITORY": made.config.to,
            "RESTIC_PASSWORD_FILE": str(tmp_path / "password"),
            "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
        },
    )
    waited = threading.Event()
    while not _locks(made) and not waited.wait(0.1):
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert _locks(made) != []
    assert copy_snapshots(made, [folder], ignore).damaged == ()
    assert _locks(made) == []


def test_two_runs_on_one_copy_take_turns_and_a_held_snapshot_is_not_copied_twice(
    made: OpenedCopy, folder: PhoneFolder
) -> None:
    with made.alone(), pytest.raises(CopyLocked) as caught:
        copy_snapshots(made, [folder], ignore)
    assert caught.value.exit_code is ExitCode.BUSY


def test_a_snapshot_that_is_pruned_before_its_turn_or_damaged_is_not_copied(
    made: OpenedCopy, folder: PhoneFolder
) -> None:
    first = folder.snapshots()[0]
    shutil.rmtree(first.path)
    with pytest.raises(UsageError, match="just been removed"), folder.hold(first, "copy-usb"):
        pass
    second = folder.snapshots()[0]
    folder.add_proof(second.id, Proof("full", now(), "damaged", ("aa/aa",)))
    done = copy_snapshots(made, [folder], ignore)
    assert (done.left_out, done.held) == ([second.id], 0)
    assert "1 damaged snapshot left out" in " ".join(run_lines("usb", done))
    folder.add_proof(second.id, Proof("full", now(), "good"))
    assert copy_snapshots(made, [folder], ignore).held == 1


def _checks(event: Event) -> bool:
    return isinstance(event, PhaseStarted) and event.text.startswith("Checking the copy")


def test_what_vanished_from_the_copy_or_was_replaced_there_is_an_alarm_once(
    made: OpenedCopy, folder: PhoneFolder, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="does not have snapshot"):
        prove_copy(made, [folder], ignore, only=folder.snapshots()[0])
    copy_snapshots(made, [folder], ignore)
    first, second = made.engine.held()
    program = _restic(made)
    program.run("forget", first.engine_id, second.engine_id, doing="forget")
    # A thief puts something else in the place of the second.
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("from someone else")
    program.run(
        "backup", f"--host={second.udid}", f"--tag=ibackup,snap:{second.id},seal:{second.seal}", ".",
        doing="copy", folder=str(tmp_path / "other"),
    )  # fmt: skip
    shutil.rmtree(folder.snapshots()[0].path)
    with pytest.raises(KeyboardInterrupt):  # a run that does not come to its end says nothing of it
        copy_snapshots(made, [folder], Told(stop=_checks))
    record = CopyRecord.read(folder.proofs_path, "usb", made.config.repository_id)
    proof = record.proof("matched", second.id)
    assert proof is not None
    assert not proof.good  # that of the other one does not count
    assert prove_copy(made, [folder], ignore).vanished == [first.id, second.id]
    done = copy_snapshots(made, [folder], ignore)
    assert done.vanished == [first.id, second.id]
    (alarm,) = alarms_of("usb", done)
    assert (alarm.exit_code, first.id in alarm.message, second.id in alarm.message) == (
        ExitCode.DAMAGE,
        True,
        True,
    )
    assert trouble_in("usb", done) is not None
    again = copy_snapshots(made, [folder], ignore)
    assert (again.vanished, trouble_in("usb", again)) == ([], None)
    assert [proof.good for proof in prove_copy(made, [folder], ignore).matched] == [True]


@pytest.mark.parametrize("ident", ["20261101T000000Z", "20991101T000000Z"])
def test_a_snapshot_from_the_future_is_an_alarm_as_long_as_it_is_there(
    made: OpenedCopy, folder: PhoneFolder, tmp_path: Path, ident: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("from someone else")
    date = "2099-11-01 00:00:00" if ident.startswith("2026") else "2026-11-01 00:00:00"
    _restic(made).run(
        "backup", "--host=X", f"--tag=ibackup,snap:{ident},seal:x", f"--time={date}", ".",
        doing="copy", folder=str(tmp_path / "other"),
    )  # fmt: skip
    done = copy_snapshots(made, [folder], ignore)
    assert (done.ahead, done.held) == ([ident], 2)
    trouble = trouble_in("usb", done)
    assert trouble is not None
    assert "dated in the future" in trouble.message


def test_a_lost_record_is_found_out_again_and_one_of_another_repository_does_not_count(
    made: OpenedCopy, folder: PhoneFolder
) -> None:
    copy_snapshots(made, [folder], ignore)
    record = CopyRecord.read(folder.proofs_path, "usb", made.config.repository_id)
    assert len(record.copied) == 2
    assert CopyRecord.read(folder.proofs_path, "usb", "0" * 64).copied == ()
    file = Path(folder.proofs_path, "copy-usb.json")
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("{")
    assert CopyRecord.read(folder.proofs_path, "usb", made.config.repository_id).copied == ()
    again = copy_snapshots(made, [folder], ignore)
    assert (again.copied, again.held, again.vanished) == ([], 2, [])


def test_shares_are_read_in_turn_and_a_damaged_one_again() -> None:
    assert next_share(None, 3) == (1, 3)
    assert next_share(None, 0) is None
    assert next_share(CopyProof("read", now(), "good", share=(1, 3)), 3) == (2, 3)
    assert next_share(CopyProof("read", now(), "good", share=(3, 3)), 3) == (1, 3)
    assert next_share(CopyProof("read", now(), "damaged", share=(2, 3)), 3) == (2, 3)
    assert next_share(CopyProof("read", now(), "good", share=(2, 90)), 3) == (1, 3)
    assert next_share(CopyProof("read", now(), "damaged", share=(2, 90)), 3) == (2, 90)
    assert next_share(CopyProof("read", now(), "damaged"), 3) == (1, 1)  # found when all of it was read
    assert next_share(CopyProof("read", now(), "good", share=(1, 1)), 3) == (1, 3)


# -- over a network -----------------------------------------------------------------------------------------


def test_a_computer_that_may_only_add_copies_and_proves_and_a_stopped_server_is_away(
    folder: PhoneFolder, tmp_path: Path, require_tool: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_tool("restic")
    require_tool("rclone")
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    with rclone_restic(tmp_path / "served", "--append-only") as server:
        copy = new_copy(f"rest:{server.address}", tmp_path)
        done = copy_snapshots(copy, [folder], ignore)
        assert (len(done.copied), done.damaged) == (2, ())
        files = sorted(path.name for path in (tmp_path / "served" / "snapshots").iterdir())
        end = _restic(copy).attempt("forget", copy.engine.held()[0].engine_id, doing="forget", silence_s=5)
        assert end.code or end.said  # some versions only complain
        assert sorted(path.name for path in (tmp_path / "served" / "snapshots").iterdir()) == files
    with pytest.raises(CopyMissing) as caught:
        copy_snapshots(copy, [folder], ignore)
    assert caught.value.reason == "away"
