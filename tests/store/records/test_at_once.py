"""What two programs write into one record at the same moment is all there afterwards."""

import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ibackup.doctor.evidence.phone_evidence import PersonAnswers
from ibackup.doctor.verdict.doctor_memory import DoctorRun, Memories
from ibackup.jobs.config_writing import rewrite
from ibackup.jobs.nights.night_journal import JournalFile
from ibackup.store.kept_pairings import KeptPairing, KeptPairings
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from ibackup.store.records.used_stores import KnownStores

if TYPE_CHECKING:
    from collections.abc import Callable

SNAPSHOT = "20261122T020004Z"
UDID = "00008101-000A11112222001E"
TIMES = 10  # of two programs, as many runs as the doctor remembers
MOMENT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def work(folder: str, who: int, ready: Barrier) -> None:
    """One of the two programs: each change of each record, so that none of the other's may be lost."""
    phone, stores, memories = PhoneFolder(f"{folder}/{UDID}"), KnownStores(folder), Memories(folder)
    journal, pairings, config = JournalFile(folder), KeptPairings(), Path(folder, "config.toml")

    def prove(number: int) -> None:
        if who:
            phone.add_proof(SNAPSHOT, Proof("full" if number % 2 else "quick", MOMENT, "good"))
        else:
            phone.change_proofs(SNAPSHOT, lambda known: replace(known, pinned=True, pin_note=str(number)))

    changes: list[Callable[[int], object]] = [
        prove,
        lambda number: stores.remember(f"/disk/{who}/{number}", SNAPSHOT),
        lambda number: rewrite(config, lambda text: f"{text}# {who} {number}\n"),
        lambda number: journal.update(UDID, lambda known: replace(known, prompts=known.prompts + 1)),
        lambda number: memories.add(
            UDID, PersonAnswers(), DoctorRun(MOMENT.replace(minute=who, second=number), "unknown", ())
        ),
        lambda number: (
            pairings.met_by_cable(UDID, b"new", wifi_address="", name="", ios_version=str(number))
            if who
            else pairings.met_over_wifi(UDID, name=str(number), ios_version="")
        ),
    ]
    for change in changes:
        ready.wait(120)
        for number in range(TIMES):
            change(number)


def test_two_programs_that_change_one_record_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path))
    folder = PhoneFolder(str(tmp_path / UDID))
    folder.make()
    KeptPairings().keep(KeptPairing(UDID, b"old", "", "", "", MOMENT))
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    programs = [context.Process(target=work, args=(str(tmp_path), who, ready)) for who in range(2)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert [program.exitcode for program in programs] == [0, 0]

    proofs = folder.proofs(SNAPSHOT)
    assert (proofs.pin_note, {each.level for each in proofs.last}) == (str(TIMES - 1), {"quick", "full"})
    every = [(who, number) for who in range(2) for number in range(TIMES)]
    assert all(KnownStores(str(tmp_path)).at(f"/disk/{who}/{number}") for who, number in every)
    lines = (tmp_path / "config.toml").read_text().splitlines()
    assert sorted(lines) == sorted(f"# {who} {number}" for who, number in every)
    assert JournalFile(str(tmp_path)).read().phone(UDID).prompts == len(every)
    assert len(Memories(str(tmp_path)).of(UDID).runs) == len(every)
    kept = KeptPairings().of(UDID)
    assert kept is not None
    assert (kept.record, kept.name, kept.ios_version) == (b"new", str(TIMES - 1), str(TIMES - 1))
