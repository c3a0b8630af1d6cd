"""Long jobs that pages start: from the order to the outcome, through a real process and a virtual iPhone."""

import os
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.errors import PhoneBusy
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.restore.restore_request import HALF_RESTORED
from ibackup.simulator.faults import DropInPhase
from ibackup.simulator.spec import DomainSpec, Passcode
from ibackup.view.home.job_endings import ending
from ibackup.view.running.job_order import (
    BackUpWork,
    EncryptionWork,
    ExportWork,
    JobOrder,
    PruneWork,
    RehearseWork,
    RestoreWork,
    VerifyWork,
)
from support.runs import PASSWORD, SMALL, assert_is_the_phone, assert_sealed, blob, flip
from view.running.conftest import A_LONG_TIME, Desk, MakeDesk, ended, until

SLOW = replace(
    SMALL,
    domains=(DomainSpec(name="MediaDomain", count=60, min_size=500, max_size=9_000),),
    latency_s=0.001,
)
SLOWER = replace(
    SMALL,
    domains=(DomainSpec(name="MediaDomain", count=100, min_size=500, max_size=9_000),),
    latency_s=0.02,
)
WAITING = replace(SMALL, passcode=Passcode(kind="late", delay_s=A_LONG_TIME))
SECRET = replace(SMALL, backup_password=PASSWORD)


def test_a_backup_from_the_page_to_its_end(desk: Desk) -> None:
    job = desk.start(BackUpWork())
    assert desk.board.of(desk.lab.phone.udid.replace("-", "").lower()) is job
    outcome = ended(job)
    assert (outcome.code, outcome.what, job.state.step) == (ExitCode.OK, "", "done")
    assert_is_the_phone(outcome.result["path"], desk.lab.phone)
    assert_sealed(outcome.result["path"])
    # It stays on the board until someone has seen how it ended.
    assert desk.board.of(desk.lab.phone.udid) is job
    desk.board.seen(desk.lab.phone.udid)
    assert desk.board.of(desk.lab.phone.udid) is None


def test_the_passcode_prompt_has_a_deadline_and_goes_away(make_desk: MakeDesk) -> None:
    desk = make_desk(replace(SLOW, passcode=Passcode(kind="answered", delay_s=2.0)))
    job = desk.start(BackUpWork())
    state = until(desk.board, job, lambda state: state.prompt is not None)
    assert state.prompt is not None
    assert (state.step, state.prompt.kind) == ("passcode", "passcode")
    assert state.prompt.until == state.prompt.since + 60
    assert not state.phone_may_go
    until(desk.board, job, lambda state: state.prompt is None)
    assert ended(job).is_good


def test_a_missed_passcode_is_an_outcome_with_its_reason(make_desk: MakeDesk) -> None:
    outcome = make_desk(replace(SMALL, passcode=Passcode(kind="never", delay_s=0.1))).run(BackUpWork())
    assert outcome.code is ExitCode.PERSON_NEEDED
    assert outcome.error_code == 208
    assert outcome.what
    assert outcome.hint


def test_a_broken_cable_and_then_the_same_backup_again(make_desk: MakeDesk) -> None:
    desk = make_desk(SLOW)
    desk.lab.phone.set_faults(DropInPhase(phase="uploading"))
    outcome = desk.run(BackUpWork())
    assert outcome.code is ExitCode.CONNECTION_LOST
    assert desk.lab.snapshots == []
    desk.lab.phone.set_faults()
    assert desk.run(BackUpWork()).is_good


def test_stopping_keeps_what_arrived_as_ctrl_c_does(make_desk: MakeDesk) -> None:
    desk = make_desk(SLOWER)
    job = desk.start(BackUpWork())
    until(desk.board, job, lambda state: state.step == "receive" and state.files > 0)
    job.stop()
    outcome = ended(job)
    assert outcome.was_stopped
    assert [left.kind for left in desk.lab.left] == ["resumable"]
    desk.lab.phone.spec = replace(SLOWER, latency_s=0.0)
    again = desk.run(BackUpWork())
    assert again.is_good
    assert again.result["resumed_bytes"] > 0
    assert_is_the_phone(again.result["path"], desk.lab.phone)


def test_the_board_that_closes_stops_its_jobs_and_waits(make_desk: MakeDesk) -> None:
    desk = make_desk(WAITING)
    job = desk.start(BackUpWork())
    until(desk.board, job, lambda state: state.prompt is not None)
    desk.board.close()
    assert job.state.outcome is not None
    assert job.state.outcome.was_stopped
    with pytest.raises(PhoneBusy):
        desk.start(BackUpWork())


def test_one_job_at_a_time_for_a_phone(make_desk: MakeDesk) -> None:
    desk = make_desk(WAITING)
    job = desk.start(BackUpWork())
    with pytest.raises(PhoneBusy, match="already running"):
        desk.start(VerifyWork())
    job.stop()
    ended(job)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that kills")
def test_a_killed_worker_ends_with_an_error_and_not_in_silence(make_desk: MakeDesk) -> None:
    desk = make_desk(WAITING)
    job = desk.start(BackUpWork())
    until(desk.board, job, lambda state: state.prompt is not None)
    os.kill(job.pid, signal.SIGKILL)
    outcome = ended(job)
    assert outcome.code is ExitCode.FAILED
    assert "without a word" in outcome.what


def test_a_run_elsewhere_is_seen_and_ours_is_not_taken_for_one(make_desk: MakeDesk) -> None:
    desk = make_desk(WAITING)
    folder = desk.lab.folder
    assert desk.board.outside(folder) is None
    with folder.lock():
        assert desk.board.outside(folder) is not None
    job = desk.start(BackUpWork())
    until(desk.board, job, lambda state: state.prompt is not None)
    assert folder.holder() is not None
    assert desk.board.outside(folder) is None
    job.stop()
    ended(job)


def test_a_backup_is_read_again_and_its_damage_is_named(desk: Desk) -> None:
    made = desk.run(BackUpWork()).result["path"]
    good = desk.run(VerifyWork())
    assert (good.code, good.result["status"]) == (ExitCode.OK, "good")
    stored, path = blob(made, desk.lab.phone, "HomeDomain")
    flip(stored)
    bad = desk.run(VerifyWork())
    assert (bad.code, bad.result["status"], bad.result["damaged"]) == (ExitCode.DAMAGE, "damaged", 1)
    assert [each["path"] for each in bad.result["named"]] == [path]


def test_names_from_a_locked_backup_are_shown_only_to_who_opened_it(
    make_desk: MakeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config's password proves the backup, and never opens its contents for the page."""
    desk = make_desk(SECRET)
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    monkeypatch.setenv("IBACKUP_PASSWORD_FILE", str(secret))
    made = desk.run(BackUpWork())
    assert made.result["checked"] == "manifest"
    stored, path = blob(made.result["path"], desk.lab.phone, "HomeDomain")
    flip(stored)
    unseen = desk.run(VerifyWork(level="deep"))
    assert (unseen.code, unseen.result["level"], unseen.result["named"]) == (ExitCode.DAMAGE, "deep", [])
    seen = desk.run(VerifyWork(level="deep"), PASSWORD)
    assert path in {each["path"] for each in seen.result["named"]}
    export = ExportWork(str(tmp_path / "out"), kinds=("contacts",))
    assert desk.run(export).code is ExitCode.PASSWORD


def test_a_job_that_fails_unforeseen_says_so_in_words_and_where_for_those_who_help(desk: Desk) -> None:
    outcome = desk.run(BackUpWork(wait="soon"))  # type: ignore[arg-type]  # an order that no page gives
    assert outcome.code is ExitCode.FAILED
    said = ending("backup", outcome)
    assert (said.tone, said.again) == ("wait", "Try again")
    assert said.title == "It failed for a reason that ibackup did not foresee."
    assert said.to_do.startswith("Finished backups are untouched. Try again.")
    (detail,) = said.details
    assert re.fullmatch(r"TypeError in \w+\.py, line \d+\.", detail)


def test_a_rehearsal(desk: Desk) -> None:
    desk.run(BackUpWork())
    outcome = desk.run(RehearseWork())
    assert (outcome.code, outcome.result["status"]) == (ExitCode.OK, "restorable")


def test_a_restore_is_checked_first_and_then_carried_out(make_desk: MakeDesk) -> None:
    desk = make_desk(SECRET)
    desk.run(BackUpWork(), PASSWORD)
    locked = desk.run(RestoreWork(only_check=True))
    assert locked.code is ExitCode.PASSWORD
    assert {each["name"]: each["outcome"] for each in locked.result["checks"]}["password"] == "failed"
    checked = desk.run(RestoreWork(only_check=True), PASSWORD)
    assert checked.is_good
    assert checked.result["device_name"] == desk.lab.phone.spec.name
    assert not desk.lab.phone.journal.events("restored")
    assert desk.lab.phone.restored is None
    done = desk.run(RestoreWork(), PASSWORD)
    assert (done.code, done.result["restarts"]) == (ExitCode.OK, True)
    assert desk.lab.phone.restored is not None
    assert desk.lab.phone.restored.count == done.result["files"]


def test_only_what_was_shown_is_removed(desk: Desk, tmp_path: Path) -> None:
    made = []
    for _ in range(4):
        made.append(desk.run(BackUpWork()).result["snapshot"])
        desk.lab.phone.change()
    config = tmp_path / "config.toml"
    config.write_text("[prune]\nkeep_last = 1\n")
    order = JobOrder(
        desk.lab.phone.udid, PruneWork(shown=(made[0], made[2])), str(desk.lab.path), config=str(config)
    )
    outcome = ended(desk.board.start(order))
    assert outcome.is_good
    assert outcome.result["removed"] == [made[0], made[2]]
    assert [each.id for each in desk.lab.snapshots] == [made[1], made[3]]


def test_encryption_is_switched_on_with_the_password_that_was_typed(desk: Desk) -> None:
    """Before the first backup, as the first run does it."""
    outcome = desk.run(EncryptionWork("on", new=PASSWORD))
    assert outcome.is_good
    assert outcome.result["encrypted"]
    assert desk.lab.phone.backup_password == PASSWORD
    wrong = desk.run(EncryptionWork("change", old="wrong", new="another one"))
    assert wrong.code is ExitCode.PASSWORD
    assert desk.lab.phone.backup_password == PASSWORD


def test_contents_are_written_to_a_folder(make_desk: MakeDesk, tmp_path: Path) -> None:
    desk = make_desk(replace(SMALL, life=True))
    desk.run(BackUpWork())
    outcome = desk.run(ExportWork(str(tmp_path / "out"), kinds=("contacts",)))
    assert outcome.is_good, outcome
    assert outcome.result["counts"]["contacts"] > 0
    assert any((tmp_path / "out").rglob("*.vcf"))


def test_no_password_is_kept_or_shown(desk: Desk) -> None:
    order = desk.order(EncryptionWork("change", old="old secret", new="new secret"), "a secret")
    assert "secret" not in repr(order)
    assert JobOrder.from_line(order.to_line()) == order
    job = desk.board.start(order)
    if sys.platform == "linux":
        for name in ("cmdline", "environ"):
            with open(f"/proc/{job.pid}/{name}", "rb") as stream:
                assert b"secret" not in stream.read()
    ended(job)
    assert "secret" not in repr(vars(job))


def test_a_server_that_dies_leaves_no_job_behind(make_desk: MakeDesk, tmp_path: Path) -> None:
    """The worker's end of the pipe closes with the server, however that ends."""
    import subprocess

    desk = make_desk(WAITING)
    code = (
        "import sys, time\n"
        "from ibackup.view.running.job_board import JobBoard\n"
        "from ibackup.view.running.job_order import BackUpWork, JobOrder\n"
        "job = JobBoard().start(JobOrder(sys.argv[1], BackUpWork(), sys.argv[2]))\n"
        "while job.state.prompt is None:\n    time.sleep(0.01)\n"
        "print(job.pid, flush=True)\n"
        "time.sleep(500)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, desk.lab.phone.udid, str(desk.lab.path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert int(server.stdout.readline())
        server.kill()
        server.wait()
    end = time.monotonic() + A_LONG_TIME
    while desk.lab.folder.holder() is not None and time.monotonic() < end:
        time.sleep(0.05)
    assert desk.lab.folder.holder() is None


@pytest.mark.parametrize("hurry", [False, True])
def test_a_phone_is_not_left_half_restored_unless_someone_insists(make_desk: MakeDesk, hurry: bool) -> None:
    desk = make_desk(replace(SLOWER, latency_s=0.0))
    assert desk.run(BackUpWork()).is_good
    desk.lab.phone.spec = SLOWER
    job = desk.start(RestoreWork())
    until(desk.board, job, lambda state: state.must_not_stop)
    told: list[object] = []
    desk.board.close(lambda: hurry, told.append)
    assert told == [HALF_RESTORED]
    assert job.state.outcome is not None
    assert job.state.outcome.was_stopped is hurry
    assert job.state.outcome.is_good is not hurry
