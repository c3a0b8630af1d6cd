"""An export from a copy of which only the needed files are here gives what an export from all of it gives."""

from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.rows import Kind
from ibackup.export.export_request import ExportRequest
from ibackup.export.exporting import export
from ibackup.export.kinds import KINDS
from ibackup.export.needed_files import needed_by
from ibackup.simulator.life.hard_life import hard_life
from support.minted import Mint, Minted, Spec


def exported(made: Minted, kind: str, to: Path) -> dict[str, bytes]:
    with Backup.open(made.folder) as backup:
        export(backup, ExportRequest(str(to), (kind,)))
    return {str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()}


@pytest.mark.long
def test_each_kind_is_made_from_the_files_that_it_names(mint: Mint, tmp_path: Path) -> None:
    files = list(hard_life(0).files(17))
    made = mint(None, specs=[Spec(each.domain, each.path, content=each.data) for each in files])
    aside = tmp_path / "aside"
    aside.mkdir()
    for kind in (each.name for each in KINDS):
        whole = exported(made, kind, tmp_path / f"{kind} of all")
        with Backup.open(made.folder) as backup:
            needed = {row.file_id for row in needed_by([kind]).rows(backup) if row.kind is Kind.FILE}
        moved = [
            made.blob(each.domain, each.path)
            for each in files
            if made.file_id(each.domain, each.path) not in needed
        ]
        for blob in moved:
            blob.rename(aside / blob.name)
        assert exported(made, kind, tmp_path / f"{kind} of the needed") == whole, kind
        for blob in moved:
            (aside / blob.name).rename(blob)
