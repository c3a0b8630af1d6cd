"""A damaged second copy is repaired from the store, by each restic that is there; or the keeper is told how."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from copies.conftest import PASSWORD
from ibackup.base.errors import IbackupError
from ibackup.base.events import ignore
from ibackup.copies.copy_records import CopyProof, CopyRecord
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.restic_engine import ResticEngine
from ibackup.jobs.copying.copy_repairing import repair_copy
from ibackup.jobs.copying.copy_run import copy_snapshots
from ibackup.store.disk.record_times import now
from ibackup.store.phone_folder import PhoneFolder
from jobs.copying.conftest import new_copy
from support.copy_servers import rclone_restic
from support.runs import flip

pytestmark = pytest.mark.peer


def _copied(to: str, folder: PhoneFolder, tmp_path: Path) -> OpenedCopy:
    copy = new_copy(to, tmp_path)
    assert copy_snapshots(copy, [folder], ignore).damaged == ()
    return copy


def _by_size(repository: Path) -> list[Path]:
    return sorted((path for path in (repository / "data").rglob("*") if path.is_file()), key=_size)


def _size(path: Path) -> int:
    return path.stat().st_size


def test_what_is_damaged_or_gone_is_copied_again_from_the_store(
    folder: PhoneFolder, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("restic")
    repository = tmp_path / "copy"
    copy = _copied(str(repository), folder, tmp_path)
    copy = replace(copy, config=replace(copy.config, read_parts=0))
    packs = _by_size(repository)
    # An earlier run copied the first one when it was damaged here. What only that copy needs cannot come back.
    assert isinstance(copy.engine, ResticEngine)
    first = copy.engine.held()[0]
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "file").write_text("damaged")
    copy.engine.program.run(
        "backup", f"--host={first.udid}", f"--tag=ibackup,snap:{first.id},seal:{first.seal}", ".",
        doing="copy", folder=str(tmp_path / "wrong"),
    )  # fmt: skip
    lost = set(_by_size(repository)) - set(packs)
    for each in lost:
        each.unlink()
    flip(packs[-1])  # the data of both snapshots
    flip(packs[0])  # and the list of files of one
    packs[1].unlink()
    record = CopyRecord.read(folder.proofs_path, "usb", copy.config.repository_id)
    record.with_proof(CopyProof("read", now(), "damaged", problems=("broken",))).write(
        folder.proofs_path, "usb"
    )
    done = repair_copy(copy, [folder], ignore)
    assert done.found.damaged == {packs[-1].name, packs[0].name}
    assert done.found.missing == {packs[1].name, *(each.name for each in lost)}
    assert (done.damaged, done.only_there) == ([], [])
    assert {proof.snapshot for proof in done.matched} == {each.id for each in folder.snapshots()}
    assert copy.engine.check((1, 1)).problems == ()
    assert [each.id for each in copy.engine.held()] == [each.id for each in folder.snapshots()]
    record = CopyRecord.read(folder.proofs_path, "usb", copy.config.repository_id)
    assert {each.engine_id for each in record.copied} == {each.engine_id for each in copy.engine.held()}
    again = copy_snapshots(copy, [folder], ignore)
    assert (again.copied, again.vanished, again.damaged) == ([], [], ())
    assert repair_copy(copy, [folder], ignore).repository == []  # nothing to do


@pytest.mark.long
def test_who_may_only_add_learns_what_the_keeper_must_run(
    folder: PhoneFolder, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("restic")
    require_tool("rclone")
    repository = tmp_path / "served"
    with rclone_restic(repository, "--append-only") as server:
        copy = _copied(f"rest:{server.address}", folder, tmp_path)
        pack = _by_size(repository)[-1]
        flip(pack)
        with pytest.raises(IbackupError, match="cannot repair") as caught:
            repair_copy(copy, [folder], ignore)
        assert f"restic repair packs {pack.name}" in caught.value.hint
        pack.rename(tmp_path / pack.name)
        with pytest.raises(IbackupError, match="cannot repair") as caught:
            repair_copy(copy, [folder], ignore)
        assert "restic repair index" in caught.value.hint
    (tmp_path / pack.name).rename(pack)
    # Where it is kept it can be done; a snapshot that the store has lost meanwhile stays, and is named.
    shutil.rmtree(folder.snapshots()[0].path)
    here = OpenedCopy.open(replace(copy.config, to=str(repository)), PASSWORD)
    done = repair_copy(here, [folder], ignore)
    assert len(done.only_there) == 1
    assert [proof.good for proof in done.matched] == [True]
    assert len(here.engine.held()) == 2
