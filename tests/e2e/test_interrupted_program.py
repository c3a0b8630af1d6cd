"""The program is killed, stopped and torn at many moments; what is finished stays, and the next run needs no help."""

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest

from ibackup.simulator.faults import DropInPhase, SilentAfterBytes
from ibackup.simulator.spec import DomainSpec, Passcode
from support import endless_sql
from support.minted import Mint, Spec
from support.program import Done, MakeProgram, Program
from support.runs import SMALL, assert_is_the_phone, assert_sealed, photograph

if sys.platform == "win32":
    pytest.skip("Windows has no signals to kill and stop by", allow_module_level=True)

# Enough files, sent slowly enough, that every moment can be met.
SLOW = replace(
    SMALL,
    domains=(DomainSpec(name="MediaDomain", count=60, min_size=500, max_size=9_000),),
    passcode=Passcode(kind="answered", delay_s=0.2),
    latency_s=0.001,
)


def start(program: Program) -> Popen[str]:
    """Start a backup. A signal between two instructions may leave a socket to the interpreter: that is no news."""
    return program.start("now", "--json", environment={"PYTHONWARNINGS": None})


def until(process: Popen[str], words: str) -> None:
    """Read what the program prints until a line holds these words."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"it ended before {words!r}")


def assert_mended(program: Program, before: dict[str, tuple[int, int, bytes]]) -> Done:
    """Nothing finished was touched, and the next run, told nothing, makes a good snapshot."""
    folder = program.store / program.phone.udid / "snapshots"
    assert {name: photograph(folder)[name] for name in before} == before
    program.phone.set_faults()
    done = program.now()
    after = photograph(folder)
    assert {name: after[name] for name in before} == before
    assert_is_the_phone(str(done.result["path"]), program.phone)
    assert_sealed(str(done.result["path"]))
    assert program.left == []
    return done


KILLED = [(signal.SIGKILL, phase) for phase in ("passcode", "receive", "finish", "check", "seal")]
STOPPED = [(signal.SIGINT, phase) for phase in ("find", "receive", "seal")]


@pytest.mark.parametrize(("number", "phase"), KILLED + STOPPED)
def test_a_signal_in_each_phase(make_program: MakeProgram, phase: str, number: signal.Signals) -> None:
    program = make_program(SLOW)
    process = start(program)
    until(process, f'"phase": "{phase}"')
    process.send_signal(number)
    said = program.finish(process, -9 if number == signal.SIGKILL else 130).out
    assert '"exit_code": 0' not in said
    journal = program.phone.journal
    if journal.events("lock_taken"):
        assert journal.wait("lock_released")
    if number == signal.SIGINT and phase in {"receive", "finish"}:
        assert journal.wait("request", "goodbye ___EmptyParameterString___")
        assert "com.apple.itunes-mobdev.syncDidFinish" in journal.details("posted")
    assert_mended(program, {})


def test_a_polite_signal_ends_it_as_ctrl_c_does(make_program: MakeProgram) -> None:
    program = make_program(SLOW)
    program.now()
    before = photograph(program.store / program.phone.udid / "snapshots")
    program.phone.change(added=20)
    process = start(program)
    until(process, '"phase": "receive"')
    process.terminate()
    done = program.finish(process, 130)
    assert '"exit_code": 130' in done.out
    assert '"error_code": null' in done.out
    assert program.phone.journal.wait("lock_released")
    assert_mended(program, before)


@pytest.mark.long
def test_killed_again_and_again(make_program: MakeProgram) -> None:
    """Killed after ever more of it has passed, on one store: each run starts from what the one before left."""
    program = make_program(SLOW)
    program.now()
    before = photograph(program.store / program.phone.udid / "snapshots")
    program.phone.change(added=30, changed=10, removed=5)
    for phase in ("receive", "finish", "scan"):
        process = start(program)
        until(process, f'"phase": "{phase}"')
        process.kill()
        program.finish(process, -signal.SIGKILL)
    assert_mended(program, before)


def test_a_stopped_run_resumes(make_program: MakeProgram) -> None:
    program = make_program(replace(SLOW, batch_size=4))
    # Twice, since a lost connection is opened again once.
    program.phone.set_faults(DropInPhase(phase="uploading", after=6))
    failed = program.now(code=13).result
    assert "connection" in str(failed["message"])
    assert "continues from there" in str(failed["hint"])
    program.phone.set_faults()
    done = program.run("now")
    assert "Continuing an interrupted backup" in done.err.replace("\n", " ")
    assert_is_the_phone(program.snapshots[0], program.phone)
    resumed = [text for text in program.phone.journal.details("backup") if text.startswith("resume")]
    assert len(resumed) == 2


def test_the_phone_is_not_needed_any_more(make_program: MakeProgram) -> None:
    program = make_program(SLOW)
    process = start(program)
    until(process, '"phase": "seal"')
    process.kill()
    program.finish(process, -signal.SIGKILL)
    program.server.detach(program.phone)
    done = program.now(code=10)
    assert "interrupted after the phone was done" in done.out or len(program.snapshots) == 1
    (snapshot,) = program.snapshots
    assert_is_the_phone(snapshot, program.phone)
    assert_sealed(snapshot)


def test_a_phone_that_falls_silent_is_left_by_ctrl_c_at_once(make_program: MakeProgram) -> None:
    program = make_program(SLOW)
    program.phone.set_faults(SilentAfterBytes(count=120_000, seconds=600))
    process = start(program)
    assert program.phone.journal.wait("fault", "SilentAfterBytes")
    process.send_signal(signal.SIGINT)
    program.finish(process, 130)
    program.phone.set_faults()
    assert_mended(program, {})


def test_a_pulled_cable(make_program: MakeProgram) -> None:
    program = make_program(replace(SLOW, latency_s=0.01))
    process = start(program)
    until(process, '"phase": "receive"')
    program.server.detach(program.phone)
    done = program.finish(process, 13)
    assert "disconnected" in done.out or "connection to the iPhone was lost" in done.out
    program.server.attach(program.phone)
    program.phone.spec = SLOW  # the same, but quicker
    assert_mended(program, {})


def test_an_impatient_user(make_program: MakeProgram) -> None:
    """Ctrl-C again and again: it ends anyway, without a traceback, and nothing is lost."""
    program = make_program(SLOW)
    for pause in (0.0, 0.02, 0.1):
        process = start(program)
        until(process, '"phase": "receive"')
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(pause)
        program.finish(process, 130)
    assert_mended(program, {})


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for the other process as Linux shows it"
)
def test_sql_that_never_ends_is_left_by_ctrl_c(program: Program, tmp_path: Path) -> None:
    """An app's database is read in a process of its own, which ends with it."""
    content = endless_sql.database(tmp_path, endless_sql.generated)
    made = Mint(tmp_path)(specs=[Spec("HomeDomain", "Library/SMS/sms.db", content=content)])
    process = program.start(
        "verify", str(made.folder), "--level", "deep", environment={"PYTHONWARNINGS": None}
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (reading := children.read_text().split()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    done = program.finish(process, 130)
    assert "Interrupted" in done.err
    while any(_runs(each) for each in reading):  # the system may take a moment to end it
        time.sleep(0.05)


def _runs(pid: str) -> bool:
    """Whether a process runs; one that only waits for someone to take note of its end does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
