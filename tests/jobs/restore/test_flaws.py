"""A backup whose files the phone itself sent otherwise than its list says: all judges speak of it in one voice."""

from dataclasses import replace
from typing import Literal

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import FlawsFound, PhoneRefused
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.proving.backup_proof import prove
from ibackup.jobs.restore.rehearsal import rehearse
from ibackup.simulator.faults import LyingFile
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, SMALL

from .conftest import Bench, MakeBench


def flawed(
    make_bench: MakeBench, password: str | None, how: Literal["flipped", "folder"] = "flipped"
) -> tuple[Bench, str]:
    """A bench whose newest snapshot has one file with another content than its Digest says, and that file."""
    bench = make_bench(replace(SMALL, backup_password=password))
    entry = next(
        each for each in bench.phone.files.files() if each.domain == "HomeDomain" and each.size > 1000
    )
    bench.phone.change(added=0, changed=0, removed=0, seed=9)
    bench.phone.set_faults(LyingFile(domain=entry.domain, path=entry.path, how=how))
    bench.now(password, full=True)
    return bench, entry.path


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_one_answer(make_bench: MakeBench, password: str | None) -> None:
    bench, path = flawed(make_bench, password)
    snapshot = bench.snapshots[-1]
    assert [file.reason.value for file in snapshot.meta.flawed] == ["digest"]
    for level in Level:
        verdict = prove(snapshot.backup_path, level, snapshot=snapshot, unlocker=Unlocker(lambda _: password))
        assert verdict.status == "flawed"
        assert (verdict.summary.damage, verdict.summary.flaws) == (0, 1)
    outcome = rehearse(bench.source(), Unlocker(lambda _: password))
    assert outcome.result == "flawed"
    assert outcome.error is not None
    assert not bench.folder.proofs(snapshot.id).known_damaged
    bench.password = password
    error = bench.refuses()
    assert isinstance(error, FlawsFound)
    assert error.exit_code is ExitCode.FLAWED
    assert path in error.message
    assert bench.phone.restored is None
    told = bench.refuses(despite_flaws=True)  # the phone has the last word
    assert isinstance(told, PhoneRefused)
    assert told.error_code == 205


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_a_row_that_a_phone_wrote_and_would_not_take(make_bench: MakeBench, password: str | None) -> None:
    bench, path = flawed(make_bench, password, "folder")
    snapshot = bench.snapshots[-1]
    assert [(file.reason.value, file.device_path) for file in snapshot.meta.flawed] == [
        ("row", f"HomeDomain/{path}")
    ]
    for level in Level:
        verdict = prove(snapshot.backup_path, level, snapshot=snapshot, unlocker=Unlocker(lambda _: password))
        assert (verdict.status, verdict.summary.flaws) == ("flawed", 1)
    assert rehearse(bench.source(), Unlocker(lambda _: password)).result == "flawed"


def test_what_no_digest_denies_is_restored_despite_its_flaw(make_bench: MakeBench) -> None:
    bench = make_bench(replace(SMALL, backup_password=None))
    snapshot = bench.snapshots[-1]
    assert not snapshot.meta.flawed
    bench.restore(despite_flaws=True)  # nothing to say about, and nothing in the way
    bench.assert_restored()
