"""What a copy must contain comes from the seal, which a hostile copy may have written."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.errors import DamageFound
from ibackup.copies.expectation import Expectation
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot


@pytest.mark.parametrize("path", ["{}/../../x", "/x", "x", "{}/ab/../../../x", "{}"])
def test_a_seal_that_leads_out_of_the_snapshot_is_damaged(
    backed_up: PhoneFolder, tmp_path: Path, path: str
) -> None:
    source = backed_up.snapshots()[0]
    assert len(Expectation.of(source).sums) == source.meta.files + 2
    made = tmp_path / source.id
    made.mkdir()
    seal = Path(source.seal_path).read_bytes()
    seal += f"{'0' * 64}  {path.format(source.udid)}\n".encode()
    (made / "SHA256SUMS").write_bytes(seal)
    meta = replace(source.meta, seal=hashlib.sha256(seal).hexdigest())
    (made / "snapshot.json").write_bytes(meta.to_record().render())
    with pytest.raises(DamageFound, match="names a file that is not in it"):
        Expectation.of(Snapshot.open(str(made)))
